"""
analytics.…_parts: what a live view adds up, by ids and not yet added up; for questions that group anyway.

A live view joins to every row of its rollup what is not folded yet, and names it. A question that groups has no need of
either: it sums rows of both, by ids, and names what it keeps by analytics.names. That takes half the time.
"""

from models.views.live import UTC_DAY
from models.views.view import COUNTS, DAY, INSTANT, PROJECT_ID, USER_SKETCH, Column, View

CULPRIT_ID = Column("culprit_id", "bigint", "Id of the culprit in analytics.names; 0 if none.", is_told=True)
ENVIRONMENT_ID = Column(
    "environment_id", "bigint", "Id of the environment in analytics.names; 0 if none.", is_told=True
)
LEVEL_NUMBER = Column(
    "level_number", "smallint", "50 for fatal, 40 error, 30 warning, 20 info, 10 debug.", is_told=True
)
COUNTED = ("event_count as events", "weighted_count as weighted_events", "unhandled_count as unhandled_events")
IDS = ("culprit_key as culprit_id", "environment_key as environment_id", "level as level_number")
DELTA_DAY = f"{UTC_DAY} as day"


def _united(table: str, *columns: str) -> str:
    """Give the rows of a rollup and of the deltas, alike."""
    deltas = ", ".join(DELTA_DAY if column == "day" else column for column in columns)
    return f"select {', '.join(columns)} from warehouse.{table} union all select {deltas} from warehouse.rollup_delta"  # noqa: S608 - parts are ours


ISSUES_DAILY_PARTS = View(
    "issues_daily_parts",
    "What analytics.issues_daily adds up, by ids: sum it. Several rows may have the same ids.",
    f"""
    select r.project_id, r.day, g.public_issue_id as issue_id, r.group_id, r.culprit_id, r.level_number,
        r.environment_id, r.release_id, r.events, r.weighted_events, r.unhandled_events, r.first_seen_at,
        r.last_seen_at, r.user_sketch
    from ({
        _united(
            "rollup_day",
            *("project_id", "day", "group_key as group_id", *IDS, "release_key as release_id", *COUNTED),
            *("first_at as first_seen_at", "last_at as last_seen_at", "user_sketch"),
        )
    }) r
    left join warehouse.dim_group g on g.project_id = r.project_id and g.group_key = r.group_id
    """,  # noqa: S608 - parts are ours
    (
        PROJECT_ID,
        DAY,
        Column("issue_id", "bigint", "As in analytics.events.", is_told=True),
        Column("group_id", "bigint", "Group of events, as in analytics.events.", is_told=True),
        CULPRIT_ID,
        LEVEL_NUMBER,
        ENVIRONMENT_ID,
        Column("release_id", "bigint", "Id of release and dist in analytics.names; 0 if none.", is_told=True),
        *COUNTS,
        Column("first_seen_at", INSTANT, "When the first of the events occurred.", is_told=True),
        Column("last_seen_at", INSTANT, "When the last of the events occurred.", is_told=True),
        USER_SKETCH,
    ),
)

CULPRITS_DAILY_PARTS = View(
    "culprits_daily_parts",
    "What analytics.culprits_daily adds up, by ids: sum it. Several rows may have the same ids.",
    _united("rollup_day_culprit", "project_id", "day", *IDS, *COUNTED, "user_sketch"),
    (PROJECT_ID, DAY, CULPRIT_ID, ENVIRONMENT_ID, LEVEL_NUMBER, *COUNTS, USER_SKETCH),
)

ERRORS_HOURLY_PARTS = View(
    "errors_hourly_parts",
    "What analytics.errors_hourly adds up, by ids: sum it. Several rows may have the same ids.",
    _united("rollup_hour", "project_id", "hour", *IDS[1:], *COUNTED),
    (
        PROJECT_ID,
        Column("hour", INSTANT, "First instant of the UTC hour in which the events occurred.", is_told=True),
        ENVIRONMENT_ID,
        LEVEL_NUMBER,
        *COUNTS,
    ),
)

USERS_AFFECTED_DAILY_PARTS = View(
    "users_affected_daily_parts",
    "What analytics.users_affected_daily unites: analytics.users(user_sketch) counts distinct users over any rows.",
    _united("rollup_day_user", "project_id", "day", "user_sketch"),
    (PROJECT_ID, DAY, USER_SKETCH),
)

PARTS = (ISSUES_DAILY_PARTS, CULPRITS_DAILY_PARTS, ERRORS_HOURLY_PARTS, USERS_AFFECTED_DAILY_PARTS)
