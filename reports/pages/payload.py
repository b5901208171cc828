"""What a page shows of an event's JSON: read with distrust, for senders put anything anywhere (pure)."""

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

MOST_EXCEPTIONS = 10
MOST_FRAMES = 120
MOST_CRUMBS = 100
MOST_LINES = 60
MOST_CONTEXTS = 20
LONGEST_TEXT = 2000


class Frame(NamedTuple):
    """One call: where, and the lines around it, each with its number and whether it is the one."""

    function: str
    place: str
    is_in_app: bool
    lines: list[tuple[int | None, str, bool]]
    variables: list[tuple[str, str]]


class Exc(NamedTuple):
    """One exception of the chain, its innermost call first."""

    type: str
    value: str
    mechanism: str
    frames: list[Frame]


class Crumb(NamedTuple):
    """One thing that happened before."""

    timestamp: str
    category: str
    level: str
    message: str


class Kept(NamedTuple):
    """What is shown."""

    exceptions: list[Exc]
    crumbs: list[Crumb]
    sections: list[tuple[str, list[tuple[str, str]]]]


def read(body: bytes) -> Kept:
    """Read a payload; what is not as it should be is left out."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = {}
    data = _object(data)
    chain = [_exception(each) for each in _list(data.get("exception"))[-MOST_EXCEPTIONS:]]
    sections = [(name.capitalize(), told) for name in ("user", "request", "extra") if (told := _pairs(data.get(name)))]
    contexts = [
        (_text(name), "\n".join(f"{key}: {value}" for key, value in _pairs(each) if key != "type"))
        for name, each in list(_object(data.get("contexts")).items())[:MOST_CONTEXTS]
    ]
    if contexts:
        sections.append(("Contexts", contexts))
    return Kept([each for each in reversed(chain) if each.type or each.frames], _crumbs(data), sections)


def _exception(each: Any) -> Exc:
    told = _object(each)
    frames = [_frame(frame) for frame in reversed(_list(_object(told.get("stacktrace")).get("frames"))[-MOST_FRAMES:])]
    mechanism = _object(told.get("mechanism"))
    handled = {"true": ", handled", "false": ", unhandled"}.get(_text(mechanism.get("handled")), "")
    kind = _text(mechanism.get("type"))
    return Exc(_text(told.get("type")), _text(told.get("value")), f"{kind}{handled}" if kind else "", frames)


def _frame(each: Any) -> Frame:
    told = _object(each)
    number = told.get("lineno") if isinstance(told.get("lineno"), int) else None
    where = _text(told.get("filename") or told.get("abs_path") or told.get("module"))
    place = f"{where}:{number}" if number is not None else where
    return Frame(
        _text(told.get("function")) or "<unknown>",
        place,
        told.get("in_app") is True,
        _lines(told, number),
        _pairs(told.get("vars"))[:40],
    )


def _lines(told: dict[str, Any], number: int | None) -> list[tuple[int | None, str, bool]]:
    here = told.get("context_line")
    if not isinstance(here, str):
        return []
    before = [_text(line) for line in _list(told.get("pre_context"))][-MOST_LINES // 2 :]
    after = [_text(line) for line in _list(told.get("post_context"))][: MOST_LINES // 2]
    lines = [*((line, False) for line in before), (_text(here), True), *((line, False) for line in after)]
    first = None if number is None else number - len(before)
    return [(None if first is None else first + at, line, is_it) for at, (line, is_it) in enumerate(lines)]


def _crumbs(data: dict[str, Any]) -> list[Crumb]:
    made = []
    for each in _list(data.get("breadcrumbs"))[-MOST_CRUMBS:]:
        if not (told := _object(each)):
            continue
        message = told.get("message") or told.get("data") or ""
        category = _text(told.get("category") or told.get("type"))
        made.append(Crumb(_moment(told.get("timestamp")), category, _text(told.get("level")), _text(message)))
    return made[::-1]


def _moment(value: Any) -> str:
    """Write an instant, which senders tell as seconds since 1970 or in ISO 8601, in UTC; anything else as it is."""
    try:
        told = datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else datetime.fromisoformat(value)
    except (ValueError, TypeError, OverflowError, OSError):
        return _text(value)
    return f"{(told if told.tzinfo is None else told.astimezone(UTC)):%Y-%m-%d %H:%M:%S}"


def _pairs(value: Any) -> list[tuple[str, str]]:
    if isinstance(value, list):
        value = {str(pair[0]): pair[1] for pair in value if isinstance(pair, list) and len(pair) == 2}
    return [(_text(name), _text(each)) for name, each in list(_object(value).items())[:60] if each is not None]


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = value.get("values")
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    if value is None:
        return ""
    told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return told[:LONGEST_TEXT]
