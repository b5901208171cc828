"""
Payloads become rows: one batch, one transaction, whatever happens in between.

With the rows, the same transaction moves the spool's position, counts what became of everything, and keeps what had to
be set aside. So a crash at any instant repeats a batch or finds it done; nothing is lost and nothing counted twice.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
import structlog
from sqlalchemy import Connection, Engine, text

from ingest.batch import Loaded, insert_rows
from ingest.dimensions import KnownDimensions, insert_projects, marks
from ingest.errors import Reason
from ingest.interpret import Aside, interpret
from ingest.issues import insert_changes
from ingest.progress import Tally, added, moved
from ingest.records import EventRecord, IssueChange, Payload
from ingest.rows import Row, row
from ingest.set_aside import keep
from ingest.spool import Position
from ingest.sqlstate import Verdict, told, verdict
from models import failpoints
from models.keys import dimension_key, positive
from models.partitions import Partitions
from models.payloads import Codebook
from models.settings import Settings
from models.turns import take_turns

GROUP_SPAN = timedelta(days=2)  # rows of one INSERT lie so close in time, so that it looks into few partitions
FOUNDED = 1 << 62  # ids of projects known by slug alone, far above any that Sentry gives
SETTINGS_SECONDS = 5.0  # so old the memory of project settings, and of payload dictionaries, may be

CONFLICT = "Another event with the id {} was there before, of the same form and with other content; it keeps its row."
NO_PROJECT = "an event names no project; give it one with `errhouse load --project ID`."
CLEAR_BATCH = text("delete from batch_event")
READ_PROJECTS = text("select project_id, slug, is_scrubbed from warehouse.dim_project")

log = structlog.get_logger()


class _Changes(NamedTuple):
    """Changes of issues, each with its project, and the payloads that told them."""

    told: list[IssueChange]
    owners: list[Payload]

    def projects(self) -> list[tuple[int, str | None, str | None]]:
        return [(each.project_id or 0, each.project_slug, each.project_name) for each in self.told]


class _Projects(NamedTuple):
    by_slug: dict[str, int]
    unscrubbed: frozenset[int]
    read_at: datetime


class Loader:
    """
    Loads batches over one engine; one a process.

    `clock` is the only source of time, given by the command that runs the loop.
    """

    def __init__(self, engine: Engine, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock
        self._partitions = Partitions(engine, settings.PARTITION_DAYS)
        self._ahead_days = settings.PARTITIONS_AHEAD_DAYS
        self._known = KnownDimensions()
        self._keeps_payloads = settings.PAYLOAD_RETENTION_DAYS > 0
        self._codebook = Codebook()
        self._projects = _Projects({}, frozenset(), datetime.min.replace(tzinfo=UTC))

    def prepare(self) -> int:
        """Make the partitions of the days ahead; return how many were made."""
        return self._partitions.ensure_ahead(self._clock().date(), self._ahead_days)

    def load(
        self,
        payloads: Iterable[Payload],
        *,
        origin: str,
        position: Position | None = None,
        asides: Sequence[Aside] = (),
    ) -> Tally:
        """
        Load a batch, and commit.

        Takes: payloads in order; `asides` found before reading (damaged spool records); the spool position behind them.
        Raises: sqlalchemy.exc.SQLAlchemyError when nothing was committed: `ingest.sqlstate.verdict` tells what to do.
        """
        self._refresh()
        compress = self._codebook.compress if self._keeps_payloads else None
        rows: list[Row] = []
        kept = list(asides)
        payload_count = len(kept)
        owners: list[Payload] = []
        changes = _Changes([], [])
        for payload in payloads:
            payload_count += 1
            found = interpret(payload, self._is_scrubbed)
            kept += found.asides
            for record in found.records:
                project_id = self._project(record)
                if project_id is None:
                    kept.append(Aside(payload, Reason.NO_PROJECT, NO_PROJECT, is_refused_event=True))
                    continue
                rows.append(row(record, project_id, compress))
                owners.append(payload)
            for change in found.changes:
                project_id = self._project(change)
                if project_id is None:
                    kept.append(Aside(payload, Reason.NO_PROJECT, NO_PROJECT))
                    continue
                changes.told.append(msgspec.structs.replace(change, project_id=project_id))
                changes.owners.append(payload)
        self._partitions.ensure({each.occurred_at.date() for each in rows})
        try:
            return self._commit(rows, owners, kept, payload_count, origin, position, changes)
        except Exception as error:
            if verdict(error) is not Verdict.PARTITION:
                raise
            self._partitions.forget()
            self._partitions.ensure({each.occurred_at.date() for each in rows})
            return self._commit(rows, owners, kept, payload_count, origin, position, changes)

    def reset(self) -> None:
        """Forget what was remembered of the database; after an error it may be another one."""
        self._known.forget()
        self._partitions.forget()
        self._codebook = Codebook()
        self._projects = _Projects({}, frozenset(), datetime.min.replace(tzinfo=UTC))

    def _commit(
        self,
        rows: list[Row],
        owners: list[Payload],
        asides: list[Aside],
        payload_count: int,
        origin: str,
        position: Position | None,
        changes: _Changes = _Changes([], []),  # noqa: B008 - nobody adds to it
    ) -> Tally:
        at = self._clock()
        kept = list(asides)
        with self._engine.begin() as connection:
            take_turns(connection, (*(each.identity[0] for each in rows), *(each[0] for each in changes.projects())))
            self._known.heed_erasures(connection)
            loaded, refused = self._insert(connection, rows, at)
            refused_changes = self._insert_changes(connection, changes, at) if changes.told else []
            for index, why in refused:
                kept.append(Aside(owners[index], Reason.ROW_REFUSED, f"PostgreSQL refused the row ({why}).", True))
            for index in loaded.conflicts:
                why = CONFLICT.format(rows[index].identity[1].hex)
                kept.append(Aside(owners[index], Reason.CONFLICT, why, is_refused_event=True))
            for index, why in refused_changes:
                kept.append(Aside(changes.owners[index], Reason.ROW_REFUSED, f"PostgreSQL refused the row ({why})."))
            keep(connection, kept)
            tally = Tally(
                payloads=payload_count,
                events=len(rows) + sum(aside.is_refused_event for aside in asides),
                loaded=loaded.new,
                duplicates=loaded.known,
                refused=sum(aside.is_refused_event for aside in kept),
                set_aside=len(kept),
                issue_changes=len(changes.told) - len(refused_changes),
                conflicts=len(loaded.conflicts),
            )
            added(connection, origin, at, tally)
            if position is not None:
                moved(connection, position, at, payload_count)
                failpoints.passed(failpoints.POSITION_MOVED)
        # what only a refused row told of dimensions went back with its savepoint
        undone = {index for index, _ in refused}
        self._known.remember(marks(each for index, each in enumerate(rows) if index not in undone))
        return tally

    def _insert(self, connection: Connection, rows: list[Row], now: datetime) -> tuple[Loaded, list[tuple[int, str]]]:
        """Insert rows in groups of near time; a group the server refuses is halved until the bad row stands alone."""
        order = sorted(range(len(rows)), key=lambda index: rows[index].occurred_at)
        pending: list[list[int]] = []
        for index in order:
            if pending and rows[index].occurred_at - rows[pending[-1][0]].occurred_at <= GROUP_SPAN:
                pending[-1].append(index)
            else:
                pending.append([index])
        pending.reverse()
        loaded = Loaded(0, 0)
        refused: list[tuple[int, str]] = []
        is_first = True
        while pending:
            group = pending.pop()
            try:
                with connection.begin_nested():
                    if not is_first:
                        connection.execute(CLEAR_BATCH)
                    as_sent = sorted(group)
                    done = insert_rows(connection, [rows[index] for index in as_sent], now, self._known)
                conflicts = (*loaded.conflicts, *(as_sent[place] for place in done.conflicts))
                loaded = Loaded(loaded.new + done.new, loaded.known + done.known, conflicts)
                is_first = False
            except Exception as error:
                if verdict(error) is not Verdict.BISECT:
                    raise
                if len(group) == 1:
                    refused.append((group[0], told(error)))
                    log.warning("row refused, set aside", why=told(error))
                else:
                    middle = len(group) // 2
                    pending += [group[middle:], group[:middle]]
        return loaded, refused

    def _insert_changes(self, connection: Connection, changes: _Changes, now: datetime) -> list[tuple[int, str]]:
        """Insert changes of issues, and what they tell of their projects."""
        insert_projects(connection, changes.projects(), now)
        return insert_changes(connection, changes.told, keeps_bodies=self._keeps_payloads)

    def _is_scrubbed(self, project_id: int | None) -> bool:
        return project_id not in self._projects.unscrubbed

    def _project(self, record: EventRecord | IssueChange) -> int | None:
        """Give the id of a project that is known by its slug alone, made from the slug if need be; None for none."""
        slug = record.project_slug or record.project_name
        if record.project_id is not None or slug is None:
            return record.project_id
        return self._projects.by_slug.get(slug) or positive(dimension_key("project", 0, slug)) | FOUNDED

    def _refresh(self) -> None:
        """Read what others may have changed meanwhile: projects, and the dictionaries of payloads."""
        now = self._clock()
        if 0 <= (now - self._projects.read_at).total_seconds() < SETTINGS_SECONDS:  # a clock may be set back
            return
        with self._engine.connect() as connection:
            found = connection.execute(READ_PROJECTS).all()
            if self._keeps_payloads and not self._codebook.is_current(connection):
                self._codebook = Codebook.read(connection)
        self._projects = _Projects(
            by_slug={slug: project_id for project_id, slug, _ in found if slug is not None},
            unscrubbed=frozenset(project_id for project_id, _, is_scrubbed in found if not is_scrubbed),
            read_at=now,
        )
