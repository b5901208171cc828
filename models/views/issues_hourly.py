"""analytics.issues_hourly: how many events each issue has, hour by hour, for the last days."""

from models.views.live import live
from models.views.view import EVENTS, INSTANT, PROJECT, PROJECT_ID, Column, View

ISSUES_HOURLY = View(
    "issues_hourly",
    "Events by project, UTC hour and group of events, live. Kept for HOUR_GROUP_RETENTION_DAYS, the last days only.",
    live(
        """
        select {k}.project_id, p.label as project, {k}.hour, g.public_issue_id as issue_id, {k}.group_key as group_id,
            {event_count} as events
        from {source}
        left join warehouse.dim_project p on p.project_id = {k}.project_id
        left join warehouse.dim_group g on g.project_id = {k}.project_id and g.group_key = {k}.group_key
        """,
        "rollup_hour_group",
        ("project_id", "group_key", "hour"),
        counts_users=False,
    ),
    (
        PROJECT_ID,
        PROJECT,
        Column("hour", INSTANT, "First instant of the UTC hour in which the events occurred.", is_told=True),
        Column("issue_id", "bigint", "As in analytics.events.", is_told=True),
        Column("group_id", "bigint", "Group of events, as in analytics.events.", is_told=True),
        EVENTS,
    ),
    key=("project_id", "group_id", "hour"),
)
