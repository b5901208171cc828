"""analytics.data_quality: how much of what should be told is told, and how fresh it is."""

from models.views.live import UTC_DAY
from models.views.view import DAY, EVENTS, PROJECT, PROJECT_ID, Column, View

_COUNTS = "event_count, without_user_count, odd_time_count, delay_seconds_sum"
_HOURS = "hour >= s.day::timestamp at time zone 'UTC' and hour < (s.day + 1)::timestamp at time zone 'UTC'"

DATA_QUALITY = View(
    "data_quality",
    "How good the data of each project and UTC day is, live: what is missing, odd times, and the delay of loading.",
    # the days there are come first, so that a filter by day reaches the hours' index and their partitions
    f"""
    select s.project_id, s.project, s.day, q.events, q.without_release, q.without_environment, q.without_user,
        q.odd_time, q.mean_delay_seconds
    from (
        select r.project_id, p.label as project, r.day
        from warehouse.rollup_day_user r left join warehouse.dim_project p on p.project_id = r.project_id
        union
        select d.project_id, p.label, {UTC_DAY}
        from warehouse.rollup_delta d left join warehouse.dim_project p on p.project_id = d.project_id
    ) s
    cross join lateral (
        select sum(event_count)::bigint as events, sum(without_release_count)::bigint as without_release,
            coalesce(sum(event_count) filter (where environment_key = 0), 0)::bigint as without_environment,
            sum(without_user_count)::bigint as without_user, sum(odd_time_count)::bigint as odd_time,
            sum(delay_seconds_sum) / sum(event_count)::float8 as mean_delay_seconds
        from (
            select environment_key, without_release_count, {_COUNTS}
            from warehouse.rollup_hour where project_id = s.project_id and {_HOURS}
            union all
            select environment_key, case release_key when 0 then event_count else 0 end, {_COUNTS}
            from warehouse.rollup_delta where project_id = s.project_id and {_HOURS}
        ) h
    ) q
    where q.events > 0
    """,  # noqa: S608 - parts are ours
    (
        PROJECT_ID,
        PROJECT,
        DAY,
        EVENTS,
        Column("without_release", "bigint", "Events that name no release.", is_told=True),
        Column("without_environment", "bigint", "Events that name no environment.", is_told=True),
        Column("without_user", "bigint", "Events that name no user.", is_told=True),
        Column(
            "odd_time",
            "bigint",
            "Events whose occurred_at is not what the sender said, or that a drifting clock told.",
            is_told=True,
        ),
        Column(
            "mean_delay_seconds", "double precision", "Mean of the seconds from accepting to loading.", is_told=True
        ),
    ),
    key=("project_id", "day"),
)
