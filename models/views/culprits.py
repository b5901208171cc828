"""analytics.culprits_daily and users_affected_daily: where it happened, and to how many."""

from models.views.live import live
from models.views.view import (
    COUNTS,
    DAY,
    ENVIRONMENT,
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

CULPRITS_DAILY = View(
    "culprits_daily",
    "Events and users by project, UTC day, culprit, level and environment, live. Kept for ROLLUP_RETENTION_DAYS.",
    live(
        f"""
        select {{k}}.project_id, p.label as project, {{k}}.day, coalesce(c.culprit, '') as culprit,
            {level_word("{k}.level")} as level, n.environment,
            {{event_count}} as events, {{weighted_count}} as weighted_events, {{unhandled_count}} as unhandled_events,
            {{users}} as users, {{users_are_exact}} as users_are_exact, {{user_sketch}} as user_sketch
        from {{source}}
        left join warehouse.dim_project p on p.project_id = {{k}}.project_id
        left join warehouse.dim_culprit c on c.project_id = {{k}}.project_id and c.culprit_key = {{k}}.culprit_key
        left join warehouse.dim_environment n
            on n.project_id = {{k}}.project_id and n.environment_key = {{k}}.environment_key
        """,  # noqa: S608 - parts are ours
        "rollup_day_culprit",
        ("project_id", "day", "culprit_key", "level", "environment_key"),
    ),
    (
        PROJECT_ID,
        PROJECT,
        DAY,
        Column("culprit", "text", "Sentry's string for where it happened; '' if none.", is_told=True),
        LEVEL,
        ENVIRONMENT,
        *COUNTS,
        USERS,
        USERS_ARE_EXACT,
        USER_SKETCH,
    ),
    key=("project_id", "day", "culprit", "level", "environment"),
)

USERS_AFFECTED_DAILY = View(
    "users_affected_daily",
    "Distinct users that had an event, by project and UTC day, live. Days do not add up: unite their sketches.",
    live(
        """
        select {k}.project_id, p.label as project, {k}.day,
            {users} as users, {users_are_exact} as users_are_exact, {user_sketch} as user_sketch
        from {source}
        left join warehouse.dim_project p on p.project_id = {k}.project_id
        """,
        "rollup_day_user",
        ("project_id", "day"),
    ),
    (PROJECT_ID, PROJECT, DAY, USERS, USERS_ARE_EXACT, USER_SKETCH),
    key=("project_id", "day"),
)
