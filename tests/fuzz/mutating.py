"""Bodies that were real until something happened to them; all chance is a `Random` of the caller's."""

import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**70, 1e308, -0.0, 1.5, float("nan"),
    float("inf"), "", " ", "\x00", "a\x00b", "\ud800", "\u202e", "null", "0", "-1", "1e400", "NaN", "=1+1", "%s%n",
    "../../x", "' or 1=1 --", "x" * 9000, [], [[]], [None], {}, {"": ""}, {"a": {"a": {"a": []}}}, ["a", 1, None],
)  # fmt: skip
TOKENS = (
    b"", b"{", b"}", b"[", b"]", b",", b":", b'"',
    b"\\", b"\\u0000", b"\\ud800", b"\n", b"\r\n", b"\x00", b"\xff", b"NaN",
    b"-", b"1e999", b"null", b'{"type":"event"}\n', b'"length":', b"9" * 400, b"[" * 300, b'{"a":' * 300,
    b"\xed\xa0\x80",
)  # fmt: skip
MOST_CUT = 200


def mutated(body: bytes, others: Sequence[bytes], chance: Random) -> bytes:
    """Give a body after one to four mishaps, of its bytes or of the JSON in it; `others` are what is spliced in."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        body = chance.choice(MISHAPS)(body, others, chance)
    return body


def _flipped(body: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    out = bytearray(body)
    for _ in range(chance.choice((1, 1, 8)) if out else 0):
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    return bytes(out)


def _truncated(body: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    return body[: chance.randrange(len(body) + 1)]


def _without_a_part(body: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    at = chance.randrange(len(body) + 1)
    return body[:at] + body[at + chance.randrange(MOST_CUT) :]


def _with_a_token(body: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    at = chance.randrange(len(body) + 1)
    return body[:at] + chance.choice(TOKENS) + body[at + chance.randrange(3) :]


def _spliced(body: bytes, others: Sequence[bytes], chance: Random) -> bytes:
    other = chance.choice(others)
    return body[: chance.randrange(len(body) + 1)] + other[chance.randrange(len(other) + 1) :]


def _of_another_type(body: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    def change(value: Any) -> None:
        holder, key = chance.choice(list(_places(value)))
        holder[key] = chance.choice(ODD)

    return _json_changed(body, change)


def _with_keys_swapped(body: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    def change(value: Any) -> None:
        places = list(_places(value))
        (one, first), (other, second) = chance.choice(places), chance.choice(places)
        if one is not other:  # lest a value holds itself
            one[first], other[second] = json.loads(json.dumps([other[second], one[first]]))

    return _json_changed(body, change)


def _with_keys_renamed(body: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    def change(value: Any) -> None:
        places = [place for place in _places(value) if isinstance(place[0], dict)]
        holder, key = chance.choice(places)
        holder[chance.choice(places)[1] if chance.random() < 0.7 else chance.choice(("", "\x00", "a.b", "x" * 300))] = (
            holder.pop(key)
        )

    return _json_changed(body, change)


def _with_a_list_grown(body: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    def change(value: Any) -> None:
        lists = [holder for holder, _ in _places(value) if isinstance(holder, list)]
        if lists:
            grown = chance.choice(lists)
            grown.extend(grown[:20] * 20)

    return _json_changed(body, change)


Mishap = Callable[[bytes, Sequence[bytes], Random], bytes]
MISHAPS: tuple[Mishap, ...] = (
    _flipped, _truncated, _without_a_part, _with_a_token, _spliced,
    _of_another_type, _of_another_type, _of_another_type, _with_keys_swapped, _with_keys_swapped, _with_keys_renamed,
    _with_a_list_grown,
)  # fmt: skip


def _json_changed(body: bytes, change: Callable[[Any], None]) -> bytes:
    """Change the body's JSON or, of an envelope, that of its largest line, whose length is told anew."""
    head, line, tail = _largest_line(body)
    for before, text, after in ((b"", body, b""), (head, line, tail)):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict | list) and value:
            change(value)
            written = json.dumps(value).encode()
            return before.replace(b'"length":%d' % len(text), b'"length":%d' % len(written)) + written + after
    return body


def _largest_line(body: bytes) -> tuple[bytes, bytes, bytes]:
    lines = body.split(b"\n")
    at = max(range(len(lines)), key=lambda number: len(lines[number]))
    head, tail = (b"\n".join(part) for part in (lines[:at], lines[at + 1 :]))
    return head + b"\n" if at else b"", lines[at], b"\n" + tail if at + 1 < len(lines) else b""


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Give every place in a JSON value, as its holder and its key."""
    pending = [value]
    while pending:
        holder = pending.pop()
        for key, inner in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
            yield holder, key
            if isinstance(inner, dict | list):
                pending.append(inner)
