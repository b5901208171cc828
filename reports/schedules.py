"""Schedules in their table: added, listed, paused, removed. Nobody here commits or reads the clock."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT

from reports.cron import Schedule
from reports.errors import BadSchedule

# Schedules with the last instant that has a run, and how that went.
LISTED = text(
    """
    select s.*, l.scheduled_for, l.status, l.finished_at, l.error, (
        select string_agg(o.target || ' ' || o.status, ', ' order by o.target) from warehouse.outbox o
        where o.key = any(select l.run_id || ':' || t from unnest(l.targets) as t)
    ) as sent
    from warehouse.report_schedule s
    left join lateral (
        select r.run_id, r.targets, r.scheduled_for, r.status, r.finished_at, r.error from warehouse.report_run r
        where r.name = s.name order by r.scheduled_for desc limit 1
    ) l on true
    where s.is_enabled or not :only_enabled
    order by s.name
    """
)

# A schedule, new or in place of the one of its name.
KEEP = text(
    """
    insert into warehouse.report_schedule as s (name, report, cron, zone, parameters, formats, targets, catch_up,
        max_lateness_seconds, settle_seconds, is_enabled, starts_at, created_at, updated_at)
    values (:name, :report, :cron, :zone, :parameters, :formats, :targets, :catch_up,
        :max_lateness_seconds, :settle_seconds, :is_enabled, :starts_at, :starts_at, :starts_at)
    on conflict (name) do update set report = excluded.report, cron = excluded.cron, zone = excluded.zone,
        parameters = excluded.parameters, formats = excluded.formats, targets = excluded.targets,
        catch_up = excluded.catch_up, max_lateness_seconds = excluded.max_lateness_seconds,
        settle_seconds = excluded.settle_seconds, is_enabled = excluded.is_enabled, updated_at = excluded.updated_at,
        starts_at = case when (s.cron, s.zone) is distinct from (excluded.cron, excluded.zone)
            then excluded.starts_at else s.starts_at end
    where :is_replaced
    returning name
    """
).bindparams(
    bindparam("parameters", type_=JSONB),
    bindparam("formats", type_=ARRAY(TEXT)),
    bindparam("targets", type_=ARRAY(TEXT)),
)
REMOVE = text("delete from warehouse.report_schedule where name = :name returning name")
# What was due while it was paused is not owed when it goes on.
SWITCH = text(
    """
    update warehouse.report_schedule set is_enabled = :is_enabled, updated_at = :now,
        starts_at = case when :is_enabled and not is_enabled then :now else starts_at end
    where name = :name returning name
    """
)


class Listed(NamedTuple):
    """A schedule, and its last run if there is one."""

    schedule: Schedule
    last_for: datetime | None
    last_status: str | None
    last_finished_at: datetime | None
    last_error: str | None
    last_sent: str | None = None
    """What became of its messages, target by target."""

    @property
    def since(self) -> datetime:
        """Return the instant after which runs are owed."""
        return max(self.schedule.starts_at, self.last_for) if self.last_for else self.schedule.starts_at


def listed(connection: Connection, *, only_enabled: bool = False) -> list[Listed]:
    """Read the schedules, by name."""
    return [
        Listed(_schedule(row), row.scheduled_for, row.status, row.finished_at, row.error, row.sent)
        for row in connection.execute(LISTED, {"only_enabled": only_enabled})
    ]


def named(connection: Connection, name: str | None) -> Sequence[Listed]:
    """Read one schedule, or all of them. Raises BadSchedule."""
    found = [each for each in listed(connection) if name is None or each.schedule.name == name]
    if name is not None and not found:
        raise _unknown(name)
    return found


def keep(connection: Connection, schedule: Schedule, *, is_replaced: bool = False) -> None:
    """Write a schedule. Raises BadSchedule when its name is taken and it is not to be replaced."""
    row = schedule._asdict()
    row["max_lateness_seconds"] = int(row.pop("max_lateness").total_seconds())
    row["settle_seconds"] = int(row.pop("settle").total_seconds())
    if connection.execute(KEEP, {**row, "is_replaced": is_replaced}).first() is None:
        raise BadSchedule(f"There is a schedule {schedule.name} already; --replace puts this one in its place.")


def remove(connection: Connection, name: str) -> None:
    """Remove a schedule; its runs and what they made stay. Raises BadSchedule."""
    if connection.execute(REMOVE, {"name": name}).first() is None:
        raise _unknown(name)


def switch(connection: Connection, name: str, now: datetime, *, is_enabled: bool) -> None:
    """Pause a schedule, or let it go on from now. Raises BadSchedule."""
    if connection.execute(SWITCH, {"name": name, "now": now, "is_enabled": is_enabled}).first() is None:
        raise _unknown(name)


def _schedule(row: Any) -> Schedule:
    return Schedule(
        row.name,
        row.report,
        row.cron,
        row.zone,
        row.starts_at,
        row.parameters,
        row.formats,
        row.targets,
        row.catch_up,
        timedelta(seconds=row.max_lateness_seconds),
        timedelta(seconds=row.settle_seconds),
        row.is_enabled,
    )


def _unknown(name: str) -> BadSchedule:
    return BadSchedule(f"There is no schedule {name}; `errhouse schedule list` shows them.")
