"""
The colours of reports, in light and in dark: few, told apart by colour-blind eyes, with contrast enough on their paper.

A picture is drawn in the light ones; a style sheet turns each into its dark partner by name of the colour, so that one
picture serves both. Therefore no two light colours are alike.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Ink(NamedTuple):
    """A colour on light paper, and its partner on dark."""

    light: str
    dark: str


PAPER = Ink("#fffefb", "#16181b")
TEXT = Ink("#1c1c1a", "#e8e6e1")
MUTED = Ink("#5d5b55", "#a9a69e")
RULE = Ink("#dcd8ce", "#34373c")
FAINT = Ink("#f4f1e9", "#1f2226")
ACCENT = Ink("#1f4f82", "#86b4e6")
WORSE = Ink("#a3321f", "#f0937c")
BETTER = Ink("#1d6b52", "#6cc5a4")
OTHER = Ink("#8b877d", "#77756e")

LEVELS: Mapping[str, Ink] = {
    "fatal": Ink("#5c1130", "#f7b8f0"),
    "error": Ink("#c03a1d", "#e8603c"),
    "warning": Ink("#b58103", "#f0c04c"),
    "info": Ink("#3f7fb8", "#5a9bd6"),
    "debug": Ink("#7f8790", "#868e97"),
}

SERIES: Sequence[Ink] = (
    Ink("#308bce", "#9fbce5"),
    Ink("#7d3f16", "#bb5c1f"),
    Ink("#12372b", "#62e3b9"),
    Ink("#4f205d", "#9749b6"),
    Ink("#a48d2a", "#e0d87c"),
    Ink("#696f77", "#656a73"),
)
"""For series that are not levels, in the order in which they stand; more than these are drawn together, as OTHER."""

SHADES: Sequence[Ink] = (
    Ink("#eef1f4", "#1d232a"),
    Ink("#d3deea", "#213449"),
    Ink("#aec6df", "#264a6e"),
    Ink("#81a8cf", "#336796"),
    Ink("#5186b9", "#4b8ac2"),
    Ink("#2a629b", "#7cb2e4"),
    Ink("#123f70", "#bfdcf6"),
)
"""From little to much, for heatmaps."""

NAMED: Mapping[str, Ink] = {
    "paper": PAPER,
    "text": TEXT,
    "muted": MUTED,
    "rule": RULE,
    "faint": FAINT,
    "accent": ACCENT,
    "worse": WORSE,
    "better": BETTER,
    "other": OTHER,
    **LEVELS,
}


def inks() -> list[Ink]:
    """Give every colour that a picture may hold."""
    return [*NAMED.values(), *SERIES, *SHADES]


def variables(*, is_dark: bool) -> str:
    """Give the named colours as CSS custom properties."""
    return ";".join(f"--{name}:{ink[is_dark]}" for name, ink in NAMED.items())


def turned(within: str = "") -> str:
    """Give the CSS rules that turn a picture's light colours into dark ones."""
    return "".join(
        f'{within}[fill="{ink.light}"]{{fill:{ink.dark}}}{within}[stroke="{ink.light}"]{{stroke:{ink.dark}}}'
        for ink in inks()
    )
