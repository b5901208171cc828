"""
Pictures of specifications, drawn in this process by vl-convert: no browser, and no request whatever a chart says.

The first picture of a process takes most of a second, in which an engine for JavaScript starts: who knows that one
will be wanted calls `warm` and does other things meanwhile.
"""

import json
import re
from functools import lru_cache
from threading import Thread
from typing import Any

from reports.charts import spec
from reports.palette import turned
from reports.report import Section

VEGA_LITE = "6.4"
NOWHERE: list[str] = []  # the addresses that a chart may load from
SCALE = 1.5  # pixels of a PNG for each of the picture: sharp in a chat, and drawn in half the time of two

_TAG = re.compile(r"<[^<>]*>")
_LONG = re.compile(r"(\d\.\d{2})\d+")
_HEAD = re.compile(r"<svg [^>]*?viewBox=\"(0 0 [\d.]+ [\d.]+)\"[^>]*>")
_SMALLEST = {"data": {"values": [{"a": 1}]}, "mark": "bar", "encoding": {"x": {"field": "a", "type": "quantitative"}}}


class Picture:
    """A drawn chart: what is inside its `svg` element, and its size in pixels."""

    def __init__(self, drawn: str) -> None:
        head = _HEAD.search(drawn)
        if head is None:
            raise ValueError("vl-convert gave no SVG with a viewBox.")
        self.view_box = head[1]
        self.width, self.height = (float(part) for part in head[1].split()[2:])
        self.inner = _TAG.sub(_short, drawn[head.end() : drawn.rindex("</svg>")])

    def element(self, attributes: str) -> str:
        """Give the picture as an element of a page or of another picture."""
        return f'<svg viewBox="{self.view_box}" {attributes}>{self.inner}</svg>'


def picture(section: Section, zone: str) -> Picture | None:
    """Draw a section's chart; None when there is nothing to draw."""
    made = spec(section, zone)
    return None if made is None else Picture(_svg(made))


def png(svg: str) -> bytes:
    """Give an SVG of ours as PNG."""
    import vl_convert  # noqa: PLC0415 - only who draws loads it

    made: bytes = vl_convert.svg_to_png(svg, scale=SCALE)
    return made


def warm() -> Thread:
    """Start the engine in another thread, so that the first picture is drawn at once."""
    thread = Thread(target=_svg, args=(_SMALLEST,), name="drawing", daemon=True)
    thread.start()
    return thread


def style() -> str:
    """Give the style of a picture that stands alone: dark where its reader wants dark."""
    return f"<style>@media (prefers-color-scheme:dark){{{turned()}}}</style>"


def _svg(made: dict[str, Any]) -> str:
    return _drawn(json.dumps(made))


@lru_cache(maxsize=32)  # a report in three formats draws its charts once
def _drawn(made: str) -> str:
    import vl_convert  # noqa: PLC0415 - only who draws loads it

    drawn: str = vl_convert.vegalite_to_svg(made, vl_version=VEGA_LITE, allowed_base_urls=NOWHERE)
    return drawn


def _short(tag: re.Match[str]) -> str:
    return _LONG.sub(r"\1", tag[0])
