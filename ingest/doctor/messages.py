"""From the warehouse to people: targets, alert rules and scripts."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import text

from ingest.doctor.finding import Context, Finding, State, named, ok, warning, worst, wrong

LATE = timedelta(minutes=10)

RULES = text("select name, error from warehouse.alert_rule where error is not null order by name")
RULE_COUNT = text("select count(*) from warehouse.alert_rule")
# Messages that could have been sent for a while.
STUCK = text(
    "select count(*) from warehouse.outbox where status in ('waiting', 'sending') and due_at < :before "
    "and target not in (select target from warehouse.target_state where open_until > :now)"
)


def targets(context: Context) -> Finding:
    """See that every target can be used, and takes what it is sent."""
    now = context.clock()
    with context.database.connect() as connection:
        found = _said("target", context.targets(connection, now))
        stuck = int(connection.execute(STUCK, {"before": now - LATE, "now": now}).scalar_one())
    if stuck:
        found.append(
            wrong(f"{stuck:,} messages have waited for 10 minutes or more.", "See the check of the scheduler.")
        )
    return worst(found or [ok("There is no target.")])


def rules(context: Context) -> Finding:
    """See that every alert rule can be evaluated."""
    with context.database.connect() as connection:
        bad = [f"{row.name} ({row.error.rstrip('.')})" for row in connection.execute(RULES)]
        count = int(connection.execute(RULE_COUNT).scalar_one())
    if bad:
        return wrong(
            f"Alert rules that cannot be evaluated: {named(bad)}.",
            "`errhouse rule list` shows them; `errhouse rule test NAME` tries one, `rule add --replace` mends it.",
        )
    return ok(f"{count} alert rules can be evaluated." if count else "There is no alert rule.")


def scripts(context: Context) -> Finding:
    """See that every automation script that a target names may be run."""
    with context.database.connect() as connection:
        found = _said("script", context.scripts(connection, context.clock()))
    return worst(found or [ok("There is no script.")])


def _said(what: str, looked: Sequence[tuple[str, str, str, str]]) -> list[Finding]:
    found = []
    for name, state, sentence, cure in looked:
        if State(state) is State.OK:
            continue
        told = f"{name}: {sentence}"
        found.append(wrong(told, cure) if State(state) is State.WRONG else warning(told, cure))
    if looked and not found:
        found.append(ok(f"{len(looked)} {what}s are well." if len(looked) > 1 else f"The {what} is well."))
    return found
