"""From the spool to the tables and from there to the rollups: how far each is behind."""

from datetime import timedelta

from sqlalchemy import text

from ingest.doctor.finding import Context, Finding, Skip, ok, warning, worst, wrong
from ingest.errors import Reason
from ingest.health import Health
from models.schedule_state import rollup_lag_seconds

FEW_SECONDS = 10.0
LEAST_ROLLUP_LAG_SECONDS = 60.0
FOLDS_MISSED = 12
DAY = timedelta(days=1)
MOST_DELTAS = 100_000
NEARLY_FULL = 0.9

# What was set aside lately, by why.
SET_ASIDE = text(
    """
    select reason, count(*) as payloads from warehouse.set_aside where last_received_at > :since
    group by reason order by payloads desc, reason
    """
)
SET_ASIDE_BYTES = text("select coalesce(sum(octet_length(body)), 0) from warehouse.set_aside")
DELTAS = text("select count(*) from (select from warehouse.rollup_delta limit :most) as waiting")


def loader_lag(context: Context) -> Finding:
    """See that what was accepted is loaded in seconds."""
    settings = context.settings
    if not settings.spool_dir.is_dir():
        raise Skip("There is no spool yet.")
    health = Health(settings.spool_dir, context.run_dir, settings.READY_MAX_LAG_SECONDS, settings.SPOOL_MAX_BYTES)
    now = context.clock()
    since, count = health.waiting_since(), health.readiness(int(now.timestamp() * 1e6)).spool_events
    if since is None:
        return ok("Everything that was accepted is loaded.")
    lag = max(0.0, (now - since).total_seconds())
    said = f"{count:,} events wait to be loaded, the oldest for {lag:,.0f} s."
    cure = "See the checks of the loader and of the database; `errhouse drain` loads what waits if no loader runs."
    if lag > settings.READY_MAX_LAG_SECONDS:
        return wrong(said, cure)
    return warning(said, cure) if lag > FEW_SECONDS else ok(said)


def set_aside(context: Context) -> Finding:
    """See whether what came in the last day could be read."""
    with context.database.connect() as connection:
        rows = connection.execute(SET_ASIDE, {"since": context.clock() - DAY}).all()
        held = int(connection.execute(SET_ASIDE_BYTES).scalar_one())
    most = context.settings.SET_ASIDE_MAX_BYTES
    found = []
    if held > NEARLY_FULL * most:
        found.append(
            warning(
                f"What is set aside takes {held / most:.0%} of ERRHOUSE_SET_ASIDE_MAX_BYTES; the oldest is removed.",
                "Replay it or raise the limit, or nobody will see it again.",
            )
        )
    reasons = ", ".join(f"{row.payloads:,} {row.reason}" for row in rows)
    if any(row.reason != Reason.NO_EVENT for row in rows):
        found.append(
            warning(
                f"In the last 24 hours payloads were set aside: {reasons}.",
                "`errhouse set-aside list` says of each why; after the cure `errhouse set-aside replay` loads them.",
            )
        )
    elif rows:
        found.append(ok(f"What was set aside in the last 24 hours held no event to begin with: {reasons}."))
    return worst(found or [ok("Nothing was set aside in the last 24 hours.")])


def rollups(context: Context) -> Finding:
    """See that what is loaded gets into the rollups, which make reports fast; numbers are right in any case."""
    with context.database.connect() as connection:
        waiting = int(connection.execute(DELTAS, {"most": MOST_DELTAS}).scalar_one())
    lag = rollup_lag_seconds(context.run_dir, int(context.clock().timestamp() * 1e6))
    most = max(LEAST_ROLLUP_LAG_SECONDS, FOLDS_MISSED * context.settings.FOLD_SECONDS)
    more = " or more" if waiting >= MOST_DELTAS else ""
    cure = "See the check of the scheduler, which folds them; `errhouse db maintain` does so now."
    if waiting and not lag <= most:  # not a number when nobody has ever told
        how = "for as long as is known" if lag != lag else f"for {lag:,.0f} s"  # noqa: PLR0124 - that is what NaN is
        return wrong(f"{waiting:,}{more} counts wait to be folded into the rollups; nothing was, {how}.", cure)
    if waiting >= MOST_DELTAS:
        return warning(f"{waiting:,} or more counts wait to be folded into the rollups.", cure)
    return ok(f"{waiting:,} counts wait to be folded into the rollups.")
