"""Bodies of events at the edges of what can be said, by the scenario they belong to."""

import json
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID, uuid5

from tests.support.builders import event

SPACE = UUID("5e27c0de-0000-4000-8000-00000000e000")
DEPTHS = (63, 64, 65, 128, 190, 200, 254, 255, 1024, 1025, 100_000)
NUMBERS = (
    *("0", "-0", "-1", "9007199254740991", "9007199254740993", "9223372036854775807", "9223372036854775808"),
    *("18446744073709551616", "1" * 400, "9" * 100_000, "1e308", "1e309", "-1e309", "1e130000", "1E+2", "1e-400"),
    *("0.1" + "0" * 5000 + "1", "NaN", "Infinity", "-Infinity", "true", "false"),
)
NUMBER_FIELDS = ("timestamp", "project", "level", "message", "release", "sample_rate", "threads", "breadcrumbs")
TIMES = (
    *(0, -1, 1, 1e18, -1e18, 1e300, 253402300799, 253402300800, 1764244800000, 1764244800000000, True, None, [], {}),
    *("infinity", "-infinity", "epoch", "now", "NaN", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31"),
    *("10000-01-01T00:00:00Z", "294277-01-09T04:00:54Z", "2026-02-30T00:00:00Z", "2026-06-30T23:59:60Z"),
    *("2026-11-24T12:00:00.12345678901234567890Z", "2026-11-24T12:00:00+14:59", "2026-11-24T12:00:00-23:59"),
    *("2026-11-24T12:00:00", "Tue, 24 Nov 2026 12:00:00 GMT", "24.11.2026", "12:00", "", " ", "2026-11-24T25:00:00Z"),
    *("1764244800", "1764244800.5", "1764244800000", "2026-W48-2", "2026-328", "\uff12026-11-24T12:00:00Z"),
)


class Extreme(NamedTuple):
    """One body of the store endpoint, and the id its event has, if it has a sound one."""

    scenario: str
    name: str
    body: bytes
    event_id: UUID | None


def extremes() -> Iterator[Extreme]:
    """Give them all, the same each time."""
    yield from _depths()
    yield from _numbers()
    yield from _many()
    yield from _ids()
    yield from _times()


def _depths() -> Iterator[Extreme]:
    shapes = {"[": ("[", "]"), "{": ('{"a":', "}"), "mixed": ('[{"a":', "}]")}
    places = {
        "extra": '"extra":{"deep":%s}',
        "contexts": '"contexts":{"deep":%s}',
        "vars": '"exception":{"values":[{"type":"E","stacktrace":{"frames":[{"function":"f","vars":{"v":%s}}]}}]}',
    }
    for depth in DEPTHS:
        for shape, (opens, closes) in shapes.items():
            for place, around in places.items():
                name = f"{depth} {shape} in {place}"
                count = depth // 2 if shape == "mixed" else depth
                deep = opens * count + "1" + closes * count
                yield _made("E-05", name, around % deep)


def _numbers() -> Iterator[Extreme]:
    for number in NUMBERS:
        name = f"{number[:30]} ({len(number)})"
        for field in NUMBER_FIELDS:
            yield _made("E-06", f"{name} as {field}", f'"{field}":{number}')
        inside = f'"extra":{{"n":{number}}},"tags":{{"n":{number}}},"user":{{"id":{number}}}'
        yield _made("E-06", f"{name} inside", inside)
        frame = f'{{"function":"f","lineno":{number},"colno":{number},"in_app":{number}}}'
        yield _made("E-06", f"{name} in a frame", f'"exception":{{"values":[{{"stacktrace":{{"frames":[{frame}]}}}}]}}')


def _many() -> Iterator[Extreme]:
    many = 100_000
    yield _made("E-07", "tags", '"tags":{' + ",".join(f'"t{n}":"v"' for n in range(many)) + "}")
    yield _made("E-07", "pairs of tags", '"tags":[' + ",".join(f'["t{n}","v"]' for n in range(many)) + "]")
    frames = ",".join(f'{{"function":"f{n}"}}' for n in range(many))
    yield _made("E-07", "frames", '"exception":{"values":[{"type":"E","stacktrace":{"frames":[' + frames + "]}}]}")
    chain = ",".join(f'{{"type":"E{n}","value":"v"}}' for n in range(many))
    yield _made("E-07", "exceptions", f'"exception":{{"values":[{chain}]}}')
    crumbs = ",".join('{"message":"m"}' for _ in range(many))
    yield _made("E-07", "breadcrumbs", f'"breadcrumbs":{{"values":[{crumbs}]}}')
    yield _made("E-07", "keys", ",".join(f'"k{n}":1' for n in range(50_000)))
    yield _made("E-07", "the same key", ",".join('"message":"m"' for _ in range(many)))
    yield _made("E-07", "fingerprint", '"fingerprint":[' + ",".join(f'"f{n}"' for n in range(many)) + "]")
    yield _made("E-07", "a title of a mebibyte", '"message":"' + "t" * 1024 * 1024 + '"')
    yield _made("E-07", "a release of a mebibyte", '"release":"' + "r" * 1024 * 1024 + '"')
    yield _made("E-07", "more than an event may be", '"message":"' + "t" * 5 * 1024 * 1024 + '"')


def _ids() -> Iterator[Extreme]:
    hostile = [
        *("../" * n + "etc/passwd" for n in range(1, 40)),
        *("..\\" * n + "x" for n in range(1, 20)),
        *("a" * n for n in (0, 1, 31, 33, 36, 64, 255, 256, 4096, 65536)),
        *(f"{chr(n)}" * 32 for n in range(0x20)),
        *("é" * 32, "\u0660" * 32, "\uff10" * 32, "\u202e" + "0" * 31, "0" * 31 + "g", "0" * 31 + " ", " " + "0" * 31),
        *("%2e%2e%2f", "..%00/x", "CON", "NUL", "/dev/null", "~root", "$(id)", "`id`", "; ls", "| ls", "'--", '"'),
        *("{" + "0" * 32 + "}", "urn:uuid:" + "0" * 32, "null", "undefined", "-" * 32, "0x" + "0" * 30),
    ]
    for number, told in enumerate(hostile):
        made = event(event_id=told, message=f"id {number}")
        yield Extreme("E-09", f"id {told[:20]!r}", json.dumps(made).encode(), None)
    for number, strange in enumerate((1, 1.5, True, [], {}, ["0" * 32], {"a": 1})):
        made = event(event_id=strange, message=f"strange id {number}")
        yield Extreme("E-09", f"id {strange!r}", json.dumps(made).encode(), None)


def _times() -> Iterator[Extreme]:
    for told in TIMES:
        text = json.dumps(told)
        yield _made("E-11", f"time {text}", f'"timestamp":{text},"start_timestamp":{text}')
        crumb = f'{{"timestamp":{text},"message":"m"}}'
        yield _made("E-11", f"time {text} of a breadcrumb", f'"breadcrumbs":[{crumb}],"received":{text}')


def _made(scenario: str, name: str, members: str) -> Extreme:
    event_id = uuid5(SPACE, f"{scenario} {name}")
    body = f'{{"event_id":"{event_id.hex}","platform":"python",{members}}}'
    return Extreme(scenario, name, body.encode(), event_id)
