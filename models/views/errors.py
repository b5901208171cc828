"""analytics.errors_hourly and errors_daily: how many events, by project, level and environment."""

from models.views.live import UTC_DAY, live
from models.views.view import COUNTS, DAY, ENVIRONMENT, INSTANT, LEVEL, PROJECT, PROJECT_ID, Column, View, level_word

_WHERE_KEPT = "Kept for ROLLUP_RETENTION_DAYS, longer than the events."

HOURLY = View(
    "errors_hourly",
    f"Events by project, UTC hour, level and environment, live. {_WHERE_KEPT}",
    live(
        f"""
        select {{k}}.project_id, p.label as project, {{k}}.hour, {level_word("{k}.level")} as level, n.environment,
            {{event_count}} as events, {{weighted_count}} as weighted_events, {{unhandled_count}} as unhandled_events
        from {{source}}
        left join warehouse.dim_project p on p.project_id = {{k}}.project_id
        left join warehouse.dim_environment n
            on n.project_id = {{k}}.project_id and n.environment_key = {{k}}.environment_key
        """,  # noqa: S608 - parts are ours
        "rollup_hour",
        ("project_id", "hour", "level", "environment_key"),
    ),
    (
        PROJECT_ID,
        PROJECT,
        Column("hour", INSTANT, "First instant of the UTC hour in which the events occurred.", is_told=True),
        LEVEL,
        ENVIRONMENT,
        *COUNTS,
    ),
    key=("project_id", "hour", "level", "environment"),
)

DAILY = View(
    "errors_daily",
    f"Events by project, UTC day, level and environment, live. {_WHERE_KEPT}",
    f"""
    select r.project_id, p.label as project, r.day, {level_word("r.level")} as level, n.environment,
        sum(r.event_count)::bigint as events, sum(r.weighted_count) as weighted_events,
        sum(r.unhandled_count)::bigint as unhandled_events
    from (
        select project_id, day, level, environment_key, event_count, weighted_count, unhandled_count
        from warehouse.rollup_day_culprit
        union all
        select project_id, {UTC_DAY}, level, environment_key, event_count, weighted_count, unhandled_count
        from warehouse.rollup_delta
    ) r
    left join warehouse.dim_project p on p.project_id = r.project_id
    left join warehouse.dim_environment n on n.project_id = r.project_id and n.environment_key = r.environment_key
    group by r.project_id, p.label, r.day, r.level, n.environment
    """,  # noqa: S608 - parts are ours
    (PROJECT_ID, PROJECT, DAY, LEVEL, ENVIRONMENT, *COUNTS),
    key=("project_id", "day", "level", "environment"),
)
