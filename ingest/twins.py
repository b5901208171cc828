"""
Events that have a row already: which row that is, by what other form they came, and whether they say the same at all.

Nothing of this is asked of events that are new. See docs/adr/0023-conflicts-and-further-forms.md.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from ingest.records import Source
from ingest.rows import FACT_COLUMNS, Row
from ingest.scrub.rules import MARK
from ingest.stored_event import ERASED

Said = tuple[str | None, str | None, str | None]
"""What an event says happened: type and value of its exception, and its message."""

NOT_COMPARED = Source.rest  # lists of the REST API leave out what single events tell

_PLACE = {name: place for place, (name, _) in enumerate(FACT_COLUMNS)}
_TAKEN_OUT = re.compile(f"{MARK.pattern}|{re.escape(ERASED)}")

# For each event its row, by a search each: `limit` keeps the planner from hashing whole partitions.
_READ = """
    select t.place, e.*
    from unnest(cast(:project_ids as bigint[]), cast(:event_ids as uuid[]))
        with ordinality as t(project_id, event_id, place)
    cross join lateral (
        select e.occurred_at, e.group_key, e.source, x.exception_type, e.exception_value, e.message
        from {events}
        left join warehouse.dim_exception x on x.project_id = e.project_id and x.exception_key = e.exception_key
        where {which} order by e.occurred_at limit 1
    ) as e
"""
_SAME = "e.project_id = t.project_id and e.event_id = t.event_id"
NEAR = text(
    _READ.format(
        events="warehouse.fact_event e", which=f"{_SAME} and e.occurred_at >= :since and e.occurred_at < :until"
    )
)
# The same for rows of doubtful time, which may lie on any day.
AT_ODD_TIME = text(
    _READ.format(
        events="warehouse.event_odd_time o join warehouse.fact_event e on e.project_id = o.project_id "
        "and e.event_id = o.event_id and e.occurred_at = o.occurred_at",
        which="o.project_id = t.project_id and o.event_id = t.event_id",
    )
)
# And for events whose own time is doubtful, so that their row may.
ANYWHERE = text(_READ.format(events="warehouse.fact_event e", which=_SAME))

INSERT_SOURCES = text(
    """
    insert into warehouse.event_source (project_id, event_id, source, occurred_at, received_at)
    select * from unnest(cast(:project_ids as bigint[]), cast(:event_ids as uuid[]), cast(:sources as smallint[]),
        cast(:occurred_at as timestamptz[]), cast(:received_at as timestamptz[]))
    order by 1, 2, 3
    on conflict (project_id, event_id, source) do nothing
    """
)


class Twin(NamedTuple):
    """The row an event has, as far as it matters to who brings the event again."""

    occurred_at: datetime
    group_key: int
    source: int
    said: Said


def twins_of(connection: Connection, rows: Sequence[Row], window: dict[str, datetime]) -> list[Twin | None]:
    """
    Read the rows that these events have; None where one is not found.

    Takes: between which instants those lie that have no doubtful time.
    """
    found: dict[int, Twin] = {}
    for statement in (NEAR, AT_ODD_TIME, ANYWHERE):
        left = [
            place
            for place, row in enumerate(rows)
            if place not in found and (statement is not ANYWHERE or row.is_odd_time)
        ]
        if not left:
            continue
        project_ids, event_ids = (list(ids) for ids in zip(*(rows[place].identity for place in left), strict=True))
        asked = {"project_ids": project_ids, "event_ids": event_ids}
        for number, occurred_at, group_key, source, *said in connection.execute(
            statement, {**asked, **window} if statement is NEAR else asked
        ):
            kind, value, message = said
            found[left[number - 1]] = Twin(occurred_at, group_key, source, (kind, value, message))
    return [found.get(place) for place in range(len(rows))]


def insert_sources(connection: Connection, met: Sequence[tuple[Row, Twin]]) -> None:
    """Note of events by which further forms they came; one that came so before stays as it is."""
    further = [(row, twin) for row, twin in met if _source(row) != twin.source]
    if not further:
        return
    first: dict[tuple[int, object, int], tuple[datetime, datetime]] = {}
    for row, twin in further:
        first.setdefault((*row.identity, _source(row)), (twin.occurred_at, row.values[_PLACE["received_at"]]))
    project_ids, event_ids, sources = (list(column) for column in zip(*first, strict=True))
    occurred_at, received_at = (list(column) for column in zip(*first.values(), strict=True))
    connection.execute(
        INSERT_SOURCES,
        {
            "project_ids": project_ids,
            "event_ids": event_ids,
            "sources": sources,
            "occurred_at": occurred_at,
            "received_at": received_at,
        },
    )


def is_conflict(row: Row, twin: Twin) -> bool:
    """Say whether an event is another one than that which has its id, by what both say happened, in the same form."""
    return _source(row) == twin.source != NOT_COMPARED and is_unlike(_said(row), twin.said)


def is_unlike(one: Said, other: Said) -> bool:
    """Say whether two events tell different things, and not one thing of which secrets were taken out."""
    return not all(map(_agree, one, other))


def _agree(one: str | None, other: str | None) -> bool:
    return one == other or (one is not None and other is not None and (_fits(one, other) or _fits(other, one)))


def _fits(scrubbed: str, whole: str) -> bool:
    """Say whether a text is the other one with secrets or persons taken out."""
    first, *rest = _TAKEN_OUT.split(scrubbed)
    if not rest:
        return False
    *between, last = rest
    at, end = len(first), len(whole) - len(last)
    if at > end or not whole.startswith(first) or not whole.endswith(last):
        return False
    for piece in between:
        at = whole.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


def _source(row: Row) -> int:
    source: int = row.values[_PLACE["source"]]
    return source


def _said(row: Row) -> Said:
    kind = next((dimension[2] for table, dimension in row.dimensions if table == "dim_exception"), None)
    return kind, row.values[_PLACE["exception_value"]], row.values[_PLACE["message"]]
