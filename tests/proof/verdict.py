"""What became of everything that was sent: the sender's ledger against the warehouse and what was set aside."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import msgspec
import psycopg
import zstandard
from psycopg.rows import namedtuple_row

from models.engine import engine_for
from models.payloads import Codebook
from tests.proof.made import Told, event_id, is_whole, number_of
from tests.proof.sender import GIVEN_UP

LATE_SECONDS = 1.0
EVENTS = """
    select e.event_id, e.tags, p.codec, p.body from warehouse.fact_event e
    left join warehouse.event_payload p
        on p.project_id = e.project_id and p.event_id = e.event_id and p.occurred_at = e.occurred_at
    where e.tags ? 'number'
"""
_ID = re.compile(rb'"event_id": ?"([0-9a-f]{32})"')


class Answer(NamedTuple):
    """One line of the ledger; seconds run from when it was due, `waited` from when it left."""

    number: int
    status: int
    due: float
    seconds: float
    waited: float

    @property
    def is_acknowledged(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_late(self) -> bool:
        """Whether no answer came within a second; one that was refused or cut at once is not late."""
        return self.status == GIVEN_UP or (self.status > 0 and self.waited > LATE_SECONDS)


class Verdict(NamedTuple):
    """Counts of events; milliseconds from when a request was due to its answer, of those that were answered."""

    sent: int
    acknowledged: int
    stored: int
    set_aside: int
    lost: int
    duplicate: int
    spurious: int
    corrupt: int
    late: int
    refused: int
    cut: int
    p50: float
    p99: float
    p999: float
    most: float

    def line(self) -> str:
        """Give the figures of a scenario's line."""
        return (
            f"acked {self.acknowledged} lost {self.lost} dup {self.duplicate} corrupt {self.corrupt} "
            f"spurious {self.spurious} late {self.late} refused {self.refused} cut {self.cut} "
            f"p50 {self.p50:.1f} p99 {self.p99:.1f} p99.9 {self.p999:.1f} max {self.most:.0f} ms"
        )


def ledger(path: Path) -> list[Answer]:
    """Read what the sender has written by now."""
    found = []
    with path.open() as lines:
        for line in lines:
            if not line.endswith("\n"):
                break  # it is being written
            number, status, due, left, answered = (int(part) for part in line.split())
            found.append(Answer(number, status, due / 1e6, (answered - due) / 1e6, (answered - left) / 1e6))
    return found


def judged(answers: Iterable[Answer], url: str, seed: str) -> Verdict:
    """Compare; call it when everything that was accepted is loaded."""
    answers = list(answers)
    acknowledged = {each.number for each in answers if each.is_acknowledged}
    sent = {each.number for each in answers}
    rows: Counter[int] = Counter()
    spurious = corrupt = 0
    for told in stored(url):
        number = number_of(seed, told)
        if number is None or number not in sent:
            spurious += 1
            continue
        rows[number] += 1
        corrupt += not is_whole(told)
    aside = set(_numbers(seed, _set_aside(url), sent))
    times = sorted(each.seconds * 1e3 for each in answers if each.status > 0) or [0.0]
    return Verdict(
        sent=len(sent),
        acknowledged=len(acknowledged),
        stored=len(rows),
        set_aside=len(aside),
        lost=len(acknowledged - set(rows) - aside),
        duplicate=sum(count - 1 for count in rows.values()),
        spurious=spurious,
        corrupt=corrupt,
        late=sum(each.is_late for each in answers),
        refused=sum(each.status >= 400 for each in answers),
        cut=sum(each.status == 0 for each in answers),
        p50=_part(times, 0.5),
        p99=_part(times, 0.99),
        p999=_part(times, 0.999),
        most=times[-1],
    )


def stored(url: str) -> Iterator[Told]:
    """Read what the warehouse has of the harness's events, with what their payloads say."""
    engine = engine_for(url)
    with engine.connect() as connection:
        book = Codebook.read(connection)
    engine.dispose()
    with psycopg.connect(url, row_factory=namedtuple_row) as connection, connection.cursor("stored") as cursor:
        cursor.itersize = 500
        for row in cursor.execute(EVENTS):
            payload = {} if row.body is None else msgspec.json.decode(book.decompress(row.codec, row.body))
            yield Told(row.event_id, row.tags, payload.get("extra", {}).get("filler", ""))


def _set_aside(url: str) -> Iterator[UUID]:
    with psycopg.connect(url) as connection:
        for (body,) in connection.execute("select body from warehouse.set_aside"):
            whole = zstandard.ZstdDecompressor().decompressobj().decompress(body)
            yield from (UUID(found.decode()) for found in _ID.findall(whole))


def _numbers(seed: str, ids: Iterable[UUID], sent: set[int]) -> Iterator[int]:
    wanted = set(ids)
    if wanted:
        yield from (number for number in sent if event_id(seed, number) in wanted)


def _part(times: list[float], part: float) -> float:
    return times[int(part * (len(times) - 1))]
