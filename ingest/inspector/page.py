"""The page of `errhouse inspect`: everything on it is a sender's words, and text."""

import base64
from collections.abc import Sequence
from hashlib import sha256
from html import escape

from ingest.inspector import Looked
from models.logs import escaped

REFRESH_SECONDS = 5
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:1.5rem auto;padding:0 1rem;color-scheme:light dark}"
    "pre{overflow:auto;padding:.7rem;border:1px solid #8886;white-space:pre-wrap;overflow-wrap:anywhere}"
    "dt{opacity:.7}dd{margin:0 0 .3rem;overflow-wrap:anywhere}dl{display:grid;grid-template-columns:11rem 1fr}"
    "summary{cursor:pointer;padding:.4rem 0;border-top:1px solid #8886}.no{color:#c33;font-weight:600}"
    ".yes{color:#283;font-weight:600}.do{border-left:3px solid #c33;padding-left:.7rem}h2{font-size:1rem}"
)
_HASH = base64.b64encode(sha256(STYLE.encode()).digest()).decode()
CSP = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; frame-ancestors 'none'".encode()


def page(requests: Sequence[Looked], count: int, *, has_secret: bool) -> bytes:
    """Make the page; it loads itself again, so that no script is needed."""
    hint = "" if has_secret else "<p>Signatures are not checked: start it with <code>--secret</code>.</p>"
    shown = "".join(_one(one, is_open=place == 0) for place, one in enumerate(requests))
    said = (
        shown
        or "<p>Nothing has come yet. Let Sentry send to <code>/hooks/sentry</code>, an SDK with a DSN such as "
        "<code>http://0123456789abcdef0123456789abcdef@HOST:PORT/1</code>.</p>"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>errhouse inspect</title>'
        f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}"><meta name="viewport" content="width=device-width">'
        f"<style>{STYLE}</style></head><body><h1>errhouse inspect</h1><p>{count} requests came; the last "
        f"{len(requests)} are shown, in memory alone.</p>{hint}{said}</body></html>"
    ).encode("utf-8", "replace")


def _one(one: Looked, *, is_open: bool) -> str:
    kind = "yes" if one.status < 300 else "no"
    facts = [
        ("form", one.form), ("signature", one.signature), ("DSN key", one.dsn), ("sender", one.sender),
        ("bytes", f"{one.bytes:,}, decoded {one.body_bytes:,}"), ("encoding", one.encoding),
        ("answer", one.answer), ("errhouse would", "; ".join(one.would)),
        ("query", ", ".join(f"{name}={value}" for name, value in one.query.items())),
    ]  # fmt: skip
    cures = "".join(f'<p class="do">{_text(each)}</p>' for each in one.cures)
    events = "".join(f"<h2>What becomes of it</h2>{_pairs(list(each.items()))}" for each in one.events)
    return (
        f"<details{' open' if is_open else ''}><summary><span class={kind}>{one.status}</span> {_text(one.method)} "
        f"<code>{_text(one.path)}</code> {_text(one.form)} <small>{_text(one.at)}</small></summary>"
        f"{cures}{_pairs(facts)}{events}<h2>Headers</h2>{_pairs(one.headers)}<h2>Body</h2>"
        f"<pre>{_text(one.body)}</pre></details>"
    )


def _pairs(pairs: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in pairs if value)
    return f"<dl>{rows}</dl>"


def _text(value: str) -> str:
    """Write a value as text, with what is invisible in it made visible; lines stay lines."""
    return escape("\n".join(escaped(line.replace("\t", "    ")) for line in value.split("\n")))
