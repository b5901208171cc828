"""Projects that used to send, and do not any more."""

from datetime import timedelta

from sqlalchemy import text

from ingest.doctor.finding import Context, Finding, Skip, named, ok, warning

WEEK = timedelta(days=7)
LEAST_SILENCE = timedelta(hours=1)
LEAST_HOURS = 24
MORE_THAN_EVER = 1.5

# The longest pause each project made in the week before its last event, by the hours in which it sent; a project whose
# last event is older than a week is switched off.
SENT = text(
    """
    with last as (
        select project_id, max(last_at) as last_at from (
            select project_id, last_at from warehouse.rollup_day where day >= cast(:since as date)
            union all select project_id, last_at from warehouse.rollup_delta
        ) as seen group by project_id
    ), active as (
        select distinct l.project_id, h.hour from last l join analytics.errors_hourly h
        on h.project_id = l.project_id and h.hour > l.last_at - interval '7 days' and h.hour <= l.last_at
    ), paused as (
        select project_id, hour - lag(hour) over (partition by project_id order by hour) as pause from active
    )
    select p.label, l.last_at, count(*) as hours, max(a.pause) as pause
    from last l
    join warehouse.dim_project p on p.project_id = l.project_id
    join paused a on a.project_id = l.project_id
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
        if row.hours >= LEAST_HOURS and now - row.last_at > LEAST_SILENCE + MORE_THAN_EVER * row.pause
    ]
    if silent:
        return warning(
            f"Projects that sent regularly are silent: {named(silent)}.",
            "See in Sentry that the integration, the alert rule or the plugin of the project is on and not disabled, "
            "and that its application runs.",
        )
    newest = max(row.last_at for row in rows)
    return ok(f"No project is unusually silent; the last event occurred at {newest:%Y-%m-%d %H:%M} UTC.")
