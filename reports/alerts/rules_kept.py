"""Alert rules in their table: added, listed, paused, removed, and what is noted of their evaluation."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT

from reports.alerts.rule import Rule
from reports.errors import BadRule

# Rules, by name.
LISTED = text(
    """
    select name, kind, matches, parameters, targets, group_by, cooldown_seconds, quiet, zone, is_enabled, starts_at,
        evaluated_at, error
    from warehouse.alert_rule where is_enabled or not :only_enabled order by name
    """
)
# A rule, new or in place of the one of its name; what was loaded before is not told by it.
KEEP = text(
    """
    insert into warehouse.alert_rule (name, kind, matches, parameters, targets, group_by, cooldown_seconds, quiet, zone,
        is_enabled, starts_at, created_at, updated_at)
    values (:name, :kind, :matches, :parameters, :targets, :group_by, :cooldown_seconds, :quiet, :zone, :is_enabled,
        :now, :now, :now)
    on conflict (name) do update set kind = excluded.kind, matches = excluded.matches,
        parameters = excluded.parameters, targets = excluded.targets, group_by = excluded.group_by,
        cooldown_seconds = excluded.cooldown_seconds, quiet = excluded.quiet, zone = excluded.zone,
        is_enabled = excluded.is_enabled, starts_at = excluded.starts_at, updated_at = excluded.updated_at,
        evaluated_at = null, error = null
    where :is_replaced
    returning name
    """
).bindparams(
    bindparam("matches", type_=JSONB), bindparam("parameters", type_=JSONB), bindparam("targets", type_=ARRAY(TEXT))
)
# What was counted for a rule is of no use to another of its name; what it told stays told, so that it is not repeated.
FORGET_COUNTS = text("delete from warehouse.alert_count where rule = :name")
FORGET = text("delete from warehouse.alert_state where rule = :name")
REMOVE = text("delete from warehouse.alert_rule where name = :name returning name")
# What was loaded while it was paused is not told when it goes on.
SWITCH = text(
    """
    update warehouse.alert_rule set is_enabled = :is_enabled, updated_at = :now,
        starts_at = case when :is_enabled and not is_enabled then :now else starts_at end
    where name = :name returning name
    """
)
NOTE = text("update warehouse.alert_rule set error = :error where name = :name and error is distinct from :error")
EVALUATED = text("update warehouse.alert_rule set evaluated_at = :now, error = :error where name = :name")
PROJECTS = text("select project_id, slug, name from warehouse.dim_project")


def listed(connection: Connection, *, only_enabled: bool = False) -> list[Rule]:
    """Read the rules, by name."""
    found = connection.execute(LISTED, {"only_enabled": only_enabled})
    return [Rule(**row) for row in found.mappings()]


def named(connection: Connection, name: str) -> Rule:
    """Read one rule. Raises BadRule."""
    for each in listed(connection):
        if each.name == name:
            return each
    raise _unknown(name)


def keep(connection: Connection, rule: Rule, now: datetime, *, is_replaced: bool = False) -> None:
    """Write a rule. Raises BadRule when its name is taken and it is not to be replaced."""
    row: dict[str, Any] = msgspec.structs.asdict(rule)
    told = {name: value for name, value in row.items() if name not in {"starts_at", "evaluated_at", "error"}}
    if connection.execute(KEEP, {**told, "now": now, "is_replaced": is_replaced}).first() is None:
        raise BadRule(f"There is a rule {rule.name} already; --replace puts this one in its place.")
    connection.execute(FORGET_COUNTS, {"name": rule.name})


def remove(connection: Connection, name: str) -> None:
    """Remove a rule and what is remembered of it. Raises BadRule."""
    if connection.execute(REMOVE, {"name": name}).first() is None:
        raise _unknown(name)
    connection.execute(FORGET_COUNTS, {"name": name})
    connection.execute(FORGET, {"name": name})


def switch(connection: Connection, name: str, now: datetime, *, is_enabled: bool) -> None:
    """Pause a rule, or let it go on from now. Raises BadRule."""
    if connection.execute(SWITCH, {"name": name, "is_enabled": is_enabled, "now": now}).first() is None:
        raise _unknown(name)


def note(connection: Connection, name: str, error: str | None) -> None:
    """Note why a rule cannot be evaluated, or that it can."""
    connection.execute(NOTE, {"name": name, "error": error})


def evaluated(connection: Connection, name: str, now: datetime, error: str | None = None) -> None:
    """Note that a rule that is asked by the clock was asked."""
    connection.execute(EVALUATED, {"name": name, "now": now, "error": error})


def projects(connection: Connection) -> Sequence[Any]:
    """Read id, slug and name of every project."""
    return connection.execute(PROJECTS).all()


def _unknown(name: str) -> BadRule:
    return BadRule(f"There is no rule {name}; `errhouse rule list` shows them.")
