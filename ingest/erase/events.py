"""
The person in events, one project and partition at a time: in payloads, in the fact's own text, in users' keys.

Payloads are unpacked and read through by chunks, each a transaction. The fact is searched without any lock; what
differs is then changed with the project's turn taken, together with the sketches that count those days' users.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, Row, text

from ingest.erase.descriptions import OwnKeys
from ingest.erase.person import Person
from ingest.erase.sketches import replace_days
from ingest.erase.users import StandIns, sent_again
from models.clock import midnight
from models.corrections import ALL_IS_FETCHED, hold_patiently
from models.partitions import Leaf
from models.payloads import Codebook

CHUNK_PAYLOADS = 500  # unpacked at a time
CHUNK_ROWS = 5000
LATE = timedelta(hours=1)  # so much a loader's clock, or its waiting, may be off
KEYS = (
    "group_key",
    "culprit_key",
    "exception_key",
    "transaction_key",
    "release_key",
    "environment_key",
    "server_key",
    "logger_key",
    "client_key",
    "stack_key",
)
TEXTS = ("title", "message", "exception_value", "url")

READ_PAYLOADS = text(
    """
    select p.event_id, p.occurred_at, p.codec, p.body, coalesce(e.user_key = any(:keys), false) as is_own
    from warehouse.event_payload p
    left join warehouse.fact_event e
        on e.project_id = p.project_id and e.event_id = p.event_id and e.occurred_at = p.occurred_at
        and e.occurred_at >= :since and e.occurred_at < :until
    where p.project_id = :project_id and p.occurred_at >= :since and p.occurred_at < :until
    and (p.event_id, p.occurred_at) > (cast(:event_id as uuid), cast(:occurred_at as timestamptz))
    and (:is_every or e.user_key = any(:keys))
    order by p.event_id, p.occurred_at limit :most
    """
)
WRITE_PAYLOADS = text(
    """
    update warehouse.event_payload p set codec = told.codec, body = told.body
    from unnest(cast(:event_ids as uuid[]), cast(:occurred_ats as timestamptz[]), cast(:codecs as smallint[]),
        cast(:bodies as bytea[])) as told(event_id, occurred_at, codec, body)
    where p.project_id = :project_id and p.occurred_at >= :since and p.occurred_at < :until
    and p.event_id = told.event_id and p.occurred_at = told.occurred_at
    """
)

# Payloads of rows that are about to change and may have been loaded after the payloads were read through.
READ_LATE_PAYLOADS = text(
    """
    select p.event_id, p.occurred_at, p.codec, p.body, coalesce(c.user_key = any(:keys), false) as is_own
    from erased_event c
    join warehouse.fact_event e on e.event_id = c.event_id and e.occurred_at = c.occurred_at
    join warehouse.event_payload p
        on p.project_id = e.project_id and p.event_id = e.event_id and p.occurred_at = e.occurred_at
    where e.project_id = :project_id and e.occurred_at >= :since and e.occurred_at < :until
    and p.occurred_at >= :since and p.occurred_at < :until and e.loaded_at >= :late
    """
)

READ_EVENTS = text(
    """
    select event_id, occurred_at, user_key, title, message, exception_value, url, tags,
        group_key, culprit_key, exception_key, transaction_key, release_key, environment_key, server_key, logger_key,
        client_key, stack_key
    from warehouse.fact_event
    where project_id = :project_id and occurred_at >= :since and occurred_at < :until
    and (user_key = any(:keys)
        or lower(concat_ws(chr(10), title, message, exception_value, url, tags::text)) like any(:like))
    """
)
MAKE_TABLE = text(
    """
    create temporary table if not exists erased_event (event_id uuid, occurred_at timestamptz, user_key int8,
        title text, message text, exception_value text, url text, tags text) on commit delete rows
    """
)
COPY = "copy erased_event from stdin (format binary)"
TYPES = ("uuid", "timestamptz", "int8", "text", "text", "text", "text", "text")
WRITE_EVENTS = text(
    """
    update warehouse.fact_event e set user_key = c.user_key, title = c.title, message = c.message,
        exception_value = c.exception_value, url = c.url, tags = c.tags::jsonb
    from erased_event c
    where e.project_id = :project_id and e.occurred_at >= :since and e.occurred_at < :until
    and e.event_id = c.event_id and e.occurred_at = c.occurred_at
    """
)
BUSY_DAYS = text(
    """
    select distinct (occurred_at at time zone 'UTC')::date from warehouse.fact_event
    where project_id = :project_id and occurred_at >= :since and occurred_at < :until and user_key = any(:keys)
    """
)

_BEFORE_ALL = ("00000000-0000-0000-0000-000000000000", datetime(1, 1, 1, tzinfo=UTC))
_encode_json = msgspec.json.Encoder(order="sorted").encode


class Erased(NamedTuple):
    """How many rows of each kind were changed, or would be; `own_keys` are of what describes events of the person."""

    payload_count: int
    own_count: int
    text_count: int
    sketch_count: int
    own_keys: OwnKeys


class Span(NamedTuple):
    """One project's part of one partition."""

    project_id: int
    first: date
    end: date

    @property
    def told(self) -> dict[str, Any]:
        """Give it as the statements take it."""
        since, until = (midnight(day) for day in (self.first, self.end))
        return {"project_id": self.project_id, "since": since, "until": until}


def erase_leaf(
    engine: Engine, person: Person, project_id: int, leaf: Leaf, stand_ins: StandIns, at: datetime, *, is_dry: bool
) -> Erased:
    """
    Erase the person from the events of a project in one partition; what a break left over, the next run finds.

    Takes: `at`, when erasing began: of what was loaded since, not every payload was seen.
    """
    span = Span(project_id, leaf.first, leaf.end)
    keys = [*stand_ins, *stand_ins.values()]  # a run that broke off may have changed the key already
    if not keys and not person.is_searched_for:
        return Erased(0, 0, 0, 0, {})
    payloads = _payloads(engine, person, span, keys, is_dry=is_dry)
    own_keys: OwnKeys = {}
    with engine.begin() as connection:
        connection.execute(MAKE_TABLE)
        connection.execute(ALL_IS_FETCHED)
        own, texts = _copy_changed(connection, person, span, stand_ins, own_keys)
        sketches = 0
        if (own or texts) and not is_dry:
            payloads += _late_payloads(connection, person, span, keys, at)
            hold_patiently(connection, [project_id])
            connection.execute(WRITE_EVENTS, span.told)
            if own:
                busy_keys = sent_again(connection, project_id, stand_ins)
                asked = {**span.told, "keys": list(busy_keys)}
                busy = list(connection.execute(BUSY_DAYS, asked).scalars()) if busy_keys else []
                sketches = replace_days(connection, project_id, stand_ins, span.first, span.end, busy)
    return Erased(payloads, own, texts, sketches, own_keys)


def _payloads(engine: Engine, person: Person, span: Span, keys: list[int], *, is_dry: bool) -> int:
    asked: dict[str, Any] = {**span.told, "keys": keys, "is_every": person.is_searched_for, "most": CHUNK_PAYLOADS}
    with engine.connect() as connection:
        codebook = Codebook.read(connection)
    after, count, is_more = _BEFORE_ALL, 0, True
    while is_more:
        with engine.begin() as connection:
            found = connection.execute(READ_PAYLOADS, {**asked, "event_id": after[0], "occurred_at": after[1]}).all()
            count += _rewrite(connection, person, span, codebook, found, is_dry=is_dry)
        is_more = len(found) == CHUNK_PAYLOADS
        if found:
            after = (str(found[-1].event_id), found[-1].occurred_at)
    return count


def _late_payloads(connection: Connection, person: Person, span: Span, keys: list[int], at: datetime) -> int:
    codebook = Codebook.read(connection)
    asked = {**span.told, "keys": keys, "late": at - LATE}
    options = {"stream_results": True, "max_row_buffer": CHUNK_PAYLOADS}
    with connection.execute(READ_LATE_PAYLOADS, asked, execution_options=options) as found:
        return sum(
            _rewrite(connection, person, span, codebook, chunk, is_dry=False)
            for chunk in found.partitions(CHUNK_PAYLOADS)
        )


def _rewrite(
    connection: Connection, person: Person, span: Span, codebook: Codebook, found: Iterable[Row[Any]], *, is_dry: bool
) -> int:
    """Write those of these payloads anew that hold the person; give how many."""
    changed = []
    for each in found:
        erased = person.payload(codebook.decompress(each.codec, each.body), is_own=each.is_own)
        if erased is not None:
            changed.append((each.event_id, each.occurred_at, *codebook.compress(erased)))
    if changed and not is_dry:
        names = ("event_ids", "occurred_ats", "codecs", "bodies")
        lists = dict(zip(names, (list(column) for column in zip(*changed, strict=True)), strict=True))
        connection.execute(WRITE_PAYLOADS, {**span.told, **lists})
    return len(changed)


def _copy_changed(
    connection: Connection, person: Person, span: Span, stand_ins: StandIns, own_keys: OwnKeys
) -> tuple[int, int]:
    """Collect the rows as they shall be, and the keys of own events; give how many change their user, how many text."""
    own = texts = 0
    for chunk in _found(connection, person, span, stand_ins):
        rows = []
        for each in chunk:
            stand_in = stand_ins.get(each.user_key) if each.user_key is not None else None
            is_own = stand_in is not None or each.user_key in stand_ins.values()
            if is_own:
                for name in KEYS:
                    own_keys.setdefault(name, set()).add(getattr(each, name))
            row = _erased(person, each, stand_in, is_own=is_own)
            if row is not None:
                rows.append(row)
                own += stand_in is not None
                texts += stand_in is None
        if rows:
            _copy(connection, rows)
    return own, texts


def _found(connection: Connection, person: Person, span: Span, stand_ins: StandIns) -> Iterator[Any]:
    asked = {**span.told, "keys": [*stand_ins, *stand_ins.values()], "like": person.like}
    options = {"stream_results": True, "max_row_buffer": CHUNK_ROWS}
    with connection.execute(READ_EVENTS, asked, execution_options=options) as found:
        yield from found.partitions(CHUNK_ROWS)


def _erased(person: Person, event: Row[Any], stand_in: int | None, *, is_own: bool) -> tuple[Any, ...] | None:
    before = [getattr(event, name) for name in TEXTS]
    after = [None if value is None else person.text(value, is_own=is_own) for value in before]
    tags = None if event.tags is None else person.json(event.tags, is_own=is_own)
    if stand_in is None and after == before and tags == event.tags:
        return None
    told_tags = None if tags is None else _encode_json(tags).decode()
    return (event.event_id, event.occurred_at, stand_in or event.user_key, *after, told_tags)


def _copy(connection: Connection, rows: list[tuple[Any, ...]]) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - an open connection has one
    with driver.cursor() as cursor, cursor.copy(COPY) as copy:
        copy.set_types(list(TYPES))
        for row in rows:
            copy.write_row(row)
