"""analytics.data_quality: how much of what should be told is told, and how fresh it is."""

from models.views.live import UTC_DAY
from models.views.view import DAY, EVENTS, PROJECT, PROJECT_ID, Column, View

_SUMS = """sum(event_count)::bigint as events, sum({without_release})::bigint as without_release,
            sum(event_count) filter (where environment_key = 0)::bigint as without_environment,
            sum(without_user_count)::bigint as without_user, sum(odd_time_count)::bigint as odd_time,
            sum(delay_seconds_sum) as delay_seconds"""
_HOURS = "hour >= s.day::timestamp at time zone 'UTC' and hour < (s.day + 1)::timestamp at time zone 'UTC'"

DATA_QUALITY = View(
    "data_quality",
    "How good the data of each project and UTC day is, live: what is missing, odd times, and the delay of loading.",
    # the days there are come first, so that a filter by day reaches the hours' index and their partitions
    f"""
    select s.project_id, s.project, s.day, coalesce(h.events, 0) + coalesce(d.events, 0) as events,
        coalesce(h.without_release, 0) + coalesce(d.without_release, 0) as without_release,
        coalesce(h.without_environment, 0) + coalesce(d.without_environment, 0) as without_environment,
        coalesce(h.without_user, 0) + coalesce(d.without_user, 0) as without_user,
        coalesce(h.odd_time, 0) + coalesce(d.odd_time, 0) as odd_time,
        (coalesce(h.delay_seconds, 0) + coalesce(d.delay_seconds, 0))
            / (coalesce(h.events, 0) + coalesce(d.events, 0))::float8 as mean_delay_seconds
    from (
        select r.project_id, p.label as project, r.day
        from warehouse.rollup_day_user r left join warehouse.dim_project p on p.project_id = r.project_id
        union
        select d.project_id, p.label, {UTC_DAY}
        from warehouse.rollup_delta d left join warehouse.dim_project p on p.project_id = d.project_id
    ) s
    cross join lateral (
        select {_SUMS.format(without_release="without_release_count")}
        from warehouse.rollup_hour where project_id = s.project_id and {_HOURS}
    ) h
    left join (
        select project_id, {UTC_DAY} as day,
            {_SUMS.format(without_release="case release_key when 0 then event_count else 0 end")}
        from warehouse.rollup_delta group by 1, 2
    ) d on d.project_id = s.project_id and d.day = s.day
    where coalesce(h.events, 0) + coalesce(d.events, 0) > 0
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
