"""analytics.issues_daily: the finest rollup there is, to be grouped by anything it has."""

from models.views.live import live
from models.views.view import (
    COUNTS,
    DAY,
    ENVIRONMENT,
    INSTANT,
    LEVEL,
    PROJECT,
    PROJECT_ID,
    USER_SKETCH,
    USERS,
    USERS_ARE_EXACT,
    Column,
    View,
    level_word,
)

ISSUES_DAILY = View(
    "issues_daily",
    "Events and users by project, UTC day, group of events, culprit, level, environment and release, live.",
    live(
        f"""
        select {{k}}.project_id, p.label as project, {{k}}.day, g.public_issue_id as issue_id,
            {{k}}.group_key as group_id,
            coalesce(c.culprit, '') as culprit, {level_word("{k}.level")} as level, n.environment, v.release, v.dist,
            {{event_count}} as events, {{weighted_count}} as weighted_events, {{unhandled_count}} as unhandled_events,
            {{first_at}} as first_seen_at, {{last_at}} as last_seen_at,
            {{users}} as users, {{users_are_exact}} as users_are_exact, {{user_sketch}} as user_sketch
        from {{source}}
        left join warehouse.dim_project p on p.project_id = {{k}}.project_id
        left join warehouse.dim_group g on g.project_id = {{k}}.project_id and g.group_key = {{k}}.group_key
        left join warehouse.dim_culprit c on c.project_id = {{k}}.project_id and c.culprit_key = {{k}}.culprit_key
        left join warehouse.dim_environment n
            on n.project_id = {{k}}.project_id and n.environment_key = {{k}}.environment_key
        left join warehouse.dim_release v
            on v.project_id = {{k}}.project_id and v.release_key = {{k}}.release_key
        """,  # noqa: S608 - parts are ours
        "rollup_day",
        ("project_id", "group_key", "day", "culprit_key", "level", "environment_key", "release_key"),
    ),
    (
        PROJECT_ID,
        PROJECT,
        DAY,
        Column("issue_id", "bigint", "As in analytics.events.", is_told=True),
        Column("group_id", "bigint", "Group of events, as in analytics.events.", is_told=True),
        Column("culprit", "text", "Sentry's string for where it happened; '' if none.", is_told=True),
        LEVEL,
        ENVIRONMENT,
        Column("release", "text", "Release of the program; null when none was sent."),
        Column("dist", "text", "Distribution: one build of the release."),
        *COUNTS,
        Column("first_seen_at", INSTANT, "When the first of the events occurred.", is_told=True),
        Column("last_seen_at", INSTANT, "When the last of the events occurred.", is_told=True),
        USERS,
        USERS_ARE_EXACT,
        USER_SKETCH,
    ),
    key=("project_id", "day", "group_id", "culprit", "level", "environment", "release", "dist"),
)
