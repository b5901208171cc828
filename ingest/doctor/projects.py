"""Projects that used to send, and do not any more."""

from datetime import timedelta

from sqlalchemy import text

from ingest.doctor.finding import Context, Finding, Skip, named, ok, warning

WEEK = timedelta(days=7)
LEAST_SILENCE = timedelta(hours=1)
LEAST_EVENTS = 50
LEAST_HOURS = 24
GAPS = 20  # so many times the usual time between two events

# What each project sent in the week before its last event; one whose last event is older than a week is switched off.
SENT = text(
    """
    with last as (
        select project_id, max(last_at) as last_at from (
            select project_id, last_at from warehouse.rollup_day where day >= cast(:since as date)
            union all select project_id, last_at from warehouse.rollup_delta
        ) as seen group by project_id
    )
    select p.label, l.last_at, sum(h.events)::bigint as events, count(distinct h.hour) as hours
    from last l
    join warehouse.dim_project p on p.project_id = l.project_id
    join analytics.errors_hourly h on h.project_id = l.project_id
        and h.hour > l.last_at - interval '7 days' and h.hour <= l.last_at
    where l.last_at >= :since group by p.label, l.last_at order by p.label
    """
)


def last_events(context: Context) -> Finding:
    """See that each project that sends regularly still does."""
    now = context.clock()
    with context.database.connect() as connection:
        rows = connection.execute(SENT, {"since": now - WEEK}).all()
    if not rows:
        raise Skip("No project has sent an event in the last seven days; `errhouse send-test` sends some.")
    silent = [
        f"{row.label} (since {row.last_at:%Y-%m-%d %H:%M} UTC)"
        for row in rows
        if row.events >= LEAST_EVENTS
        and row.hours >= LEAST_HOURS
        and now - row.last_at > max(LEAST_SILENCE, GAPS * WEEK / row.events)
    ]
    if silent:
        return warning(
            f"Projects that sent regularly are silent: {named(silent)}.",
            "See in Sentry that the integration, the alert rule or the plugin of the project is on and not disabled, "
            "and that its application runs.",
        )
    newest = max(row.last_at for row in rows)
    return ok(f"No project is unusually silent; the last event occurred at {newest:%Y-%m-%d %H:%M} UTC.")
