"""analytics.issues: what Sentry told of each issue, and what its events say."""

from models.views.view import (
    COUNTS,
    FULL_SKETCH,
    INSTANT,
    PROJECT,
    PROJECT_ID,
    USER_SKETCH,
    USERS,
    USERS_ARE_EXACT,
    Column,
    View,
    level_word,
)

# Every group as it is now: its rollup, and each delta as if it were a group of its own.
_GROUPS = """
    select project_id, group_key, event_count, weighted_count, unhandled_count, first_at, last_at,
        first_release_key, last_release_key, last_level, user_sketch
    from warehouse.rollup_group
    union all
    select project_id, group_key, event_count, weighted_count, unhandled_count, first_at, last_at,
        release_key, release_key, level, user_sketch
    from warehouse.rollup_delta
"""
# Groups that Sentry counts to one issue; most issues have one, whose sketch need not be put in order again.
_ISSUES = f"""
    select r.project_id, p.label as project, g.public_issue_id as issue_id,
        sum(r.event_count)::bigint as events, sum(r.weighted_count) as weighted_events,
        sum(r.unhandled_count)::bigint as unhandled_events, min(r.first_at) as first_at, max(r.last_at) as last_at,
        (array_agg(r.first_release_key order by r.first_at))[1] as first_release_key,
        (array_agg(r.last_release_key order by r.last_at desc))[1] as last_release_key,
        (array_agg(r.last_level order by r.last_at desc))[1] as last_level,
        (array_agg(g.group_key order by r.last_at desc))[1] as last_group_key,
        array_agg(distinct g.group_key) as group_ids,
        case when count(*) = 1 then warehouse.users_heaped(r.user_sketch)
            else warehouse.users_lowest(warehouse.users_heaped(r.user_sketch)) end as user_sketch
    from ({_GROUPS}) r
    join warehouse.dim_group g on g.project_id = r.project_id and g.group_key = r.group_key
    left join warehouse.dim_project p on p.project_id = r.project_id
    group by r.project_id, p.label, g.public_issue_id
"""  # noqa: S608 - parts are ours

# Both parts have the same types, else no column would be left out that nobody asked for, sketches above all.
ISSUES = View(
    "issues",
    "One row per issue: its events, live and over all time, and what Sentry's `issue` webhooks told of it.",
    f"""
    select s.project_id, s.project, s.issue_id, coalesce(i.title, g.title) as title,
        coalesce(i.culprit, g.culprit) as culprit, g.type, coalesce(i.level, {level_word("s.last_level")}) as level,
        i.status, i.substatus, i.priority, i.assignee, i.short_id, coalesce(i.url, g.url) as url,
        s.events, s.weighted_events, s.unhandled_events, warehouse.users_estimated(s.user_sketch) as users,
        coalesce(cardinality(s.user_sketch), 0) < {FULL_SKETCH} as users_are_exact,
        least(s.first_at, i.first_seen_at) as first_seen_at, greatest(s.last_at, i.last_seen_at) as last_seen_at,
        f.release as first_release, l.release as last_release, i.resolved_at, g.fingerprint,
        cardinality(s.group_ids) as groups, s.group_ids, s.user_sketch
    from ({_ISSUES}) s
    left join warehouse.dim_issue i on i.project_id = s.project_id and i.issue_id = s.issue_id
    left join warehouse.dim_group g on g.project_id = s.project_id and g.group_key = s.last_group_key
    left join warehouse.dim_release f on f.project_id = s.project_id and f.release_key = s.first_release_key
    left join warehouse.dim_release l on l.project_id = s.project_id and l.release_key = s.last_release_key
    union all
    select i.project_id, p.label, i.issue_id, coalesce(i.title, ''), coalesce(i.culprit, ''), null, i.level,
        i.status, i.substatus, i.priority, i.assignee, i.short_id, i.url,
        0::bigint, 0::float8, 0::bigint, 0::bigint, true, i.first_seen_at, i.last_seen_at, null, null, i.resolved_at,
        null, 0, '{{}}', null
    from warehouse.dim_issue i
    left join warehouse.dim_project p on p.project_id = i.project_id
    where not exists (
        select from warehouse.dim_group g
        where g.project_id = i.project_id and g.public_issue_id = i.issue_id and (
            exists (
                select from warehouse.rollup_group r where r.project_id = g.project_id and r.group_key = g.group_key
            ) or exists (
                select from warehouse.rollup_delta d where d.project_id = g.project_id and d.group_key = g.group_key
            )
        )
    )
    """,  # noqa: S608 - parts are ours
    (
        PROJECT_ID,
        PROJECT,
        Column(
            "issue_id",
            "bigint",
            "Sentry's id of the issue where it was told, else errhouse's own; as in analytics.events.",
            is_told=True,
        ),
        Column("title", "text", "Title as Sentry told it, else that of the first event of its latest group."),
        Column("culprit", "text", "Culprit as Sentry told it, else that of the first event of its latest group."),
        Column("type", "text", "Kind of event: error, default or csp; null without an event."),
        Column("level", "text", "Level as Sentry told it, else that of the last event."),
        Column("status", "text", "resolved, unresolved or ignored, as last told by webhook; null when never told."),
        Column("substatus", "text", "Such as new, ongoing, regressed or escalating; null when never told."),
        Column("priority", "text", "high, medium or low; null when never told."),
        Column("assignee", "text", "Kind and id of who it is assigned to, such as `team:7`; null when nobody."),
        Column("short_id", "text", "Sentry's short name, such as SHOP-1A; null when never told."),
        Column("url", "text", "Address of the issue in Sentry; null when never told."),
        *COUNTS,
        USERS,
        USERS_ARE_EXACT,
        Column("first_seen_at", INSTANT, "When its first event occurred, or Sentry first saw it if that was earlier."),
        Column("last_seen_at", INSTANT, "When its last event occurred, or Sentry had last seen it if that was later."),
        Column("first_release", "text", "Release of its first event; null when none was sent."),
        Column("last_release", "text", "Release of its last event; null when none was sent."),
        Column("resolved_at", INSTANT, "When it was resolved, while it is."),
        Column("fingerprint", "text[]", "Fingerprint, where the sender set one."),
        Column(
            "groups", "integer", "Groups of events that Sentry counts to it; 0 when no event is there.", is_told=True
        ),
        Column("group_ids", "bigint[]", "Those groups: group_id of analytics.events.", is_told=True),
        USER_SKETCH,
    ),
    key=("project_id", "issue_id"),
)
