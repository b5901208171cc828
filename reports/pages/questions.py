"""
What pages ask the warehouse: views of schema `analytics`, and of the warehouse only what no view tells.

Every value is bound. What the explorer asks is put together in `frequency`.
"""

from sqlalchemy import text

# How many events each project had in the last 24 hours, the 24 before, the last 7 days and the 7 before, hour by hour.
TOTALS = text(
    """
    select project_id, project,
        coalesce(sum(events) filter (where hour >= :day_ago), 0)::bigint as day,
        coalesce(sum(events) filter (where hour >= :two_days_ago and hour < :day_ago), 0)::bigint as day_before,
        coalesce(sum(events) filter (where hour >= :week_ago), 0)::bigint as week,
        coalesce(sum(events) filter (where hour < :week_ago), 0)::bigint as week_before,
        coalesce(sum(events) filter (where hour >= :week_ago and level in ('fatal', 'error')), 0)::bigint as grave
    from analytics.errors_hourly where hour >= :two_weeks_ago
    group by project_id, project order by week desc, day desc, project_id
    """
)

# The same, by UTC day, for the small pictures and the timeline.
BY_DAY = text(
    """
    select project_id, date_trunc('day', hour, 'UTC') as day, level, sum(events)::bigint as events
    from analytics.errors_hourly where hour >= :since
    group by project_id, day, level
    """
)

# Users of the last days, all projects together and by project; a person in two projects counts in each.
USERS = text(
    """
    select project_id, analytics.users(user_sketch) as users
    from analytics.users_affected_daily_parts where day >= :since group by project_id
    """
)

# When the last event was loaded, and when it occurred; looks into the last two days alone.
NEWEST = text(
    """
    select max(loaded_at) as loaded_at, max(occurred_at) as occurred_at
    from analytics.events where occurred_at >= :since
    """
)

# Groups that began lately, as issues, live; each is then asked of analytics.issues by its key, for all take long.
FRESH = text(
    """
    select r.project_id, g.public_issue_id as issue_id, sum(r.event_count)::bigint as events
    from (
        select project_id, group_key, event_count from warehouse.rollup_group where first_at >= :since
        union all
        select d.project_id, d.group_key, d.event_count from warehouse.rollup_delta d
        where d.first_at >= :since and not exists (
            select from warehouse.rollup_group o
            where o.project_id = d.project_id and o.group_key = d.group_key and o.first_at < :since
        )
    ) r
    join warehouse.dim_group g on g.project_id = r.project_id and g.group_key = r.group_key
    group by 1, 2 order by 3 desc, 2 limit 16
    """
)

# Culprits with the most events of whole UTC days, today included.
CULPRITS = text(
    """
    select project_id, project, culprit, sum(events)::bigint as events,
        (sum(events) / sum(sum(events)) over ())::float8 as share
    from analytics.culprits_daily where day >= :since
    group by project_id, project, culprit order by events desc, project_id, culprit limit 8
    """
)

PROJECTS = text(
    "select project_id, coalesce(label, project_id::text) as project from warehouse.dim_project order by 2, 1 limit 500"
)
ENVIRONMENTS = text("select distinct environment from warehouse.dim_environment order by environment limit 200")
ISSUE_TITLES = text(
    """
    select project_id, public_issue_id as issue_id, min(title) as title from warehouse.dim_group
    where public_issue_id = any(:issue_ids) group by project_id, public_issue_id
    """
)

ISSUE = text(
    """
    select project_id, project, issue_id, title, culprit, type, level, status, substatus, priority, assignee, short_id,
        url, events, unhandled_events, users, users_are_exact, first_seen_at, last_seen_at, first_release, last_release,
        resolved_at, groups, group_ids
    from analytics.issues where project_id = :project_id and issue_id = :issue_id
    """
)
HISTORY = text(
    """
    select changed_at, action, status, substatus, priority, assignee from warehouse.issue_change
    where project_id = :project_id and issue_id = :issue_id order by changed_at desc, action limit 50
    """
)
ISSUE_DAYS = text(
    """
    select day, level, sum(events)::bigint as events from analytics.issues_daily
    where project_id = :project_id and group_id = any(:group_ids) and day >= :since group by day, level
    """
)
ISSUE_RELEASES = text(
    """
    select coalesce(release, '') as release, sum(events)::bigint as events, min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at
    from analytics.issues_daily
    where project_id = :project_id and group_id = any(:group_ids) and day >= :since
    group by 1 order by 4 desc limit 20
    """
)
# The last events of an issue, as docs/queries/13_last_events_of_an_issue.sql has it.
LAST_EVENTS = text(
    """
    select e.occurred_at, e.event_id, e.title, e.level, e.release, e.environment
    from unnest(cast(:group_ids as bigint[])) as g(group_id)
    cross join lateral (
        select * from analytics.events
        where events.project_id = :project_id and events.group_id = g.group_id
        order by events.occurred_at desc
        limit 50
    ) e
    order by e.occurred_at desc, e.event_id
    limit 50
    """
)
# Tags of the last thousand events: their most frequent values, with how many different ones there were.
ISSUE_TAGS = text(
    """
    select tag, value, events, values_count, tagged_events from (
        select t.key as tag, t.value, count(*) as events, count(*) over (partition by t.key) as values_count,
            sum(count(*)) over (partition by t.key)::bigint as tagged_events,
            row_number() over (partition by t.key order by count(*) desc, t.value) as place
        from (
            select e.tags
            from unnest(cast(:group_ids as bigint[])) as g(group_id)
            cross join lateral (
                select tags, occurred_at from analytics.events
                where events.project_id = :project_id and events.group_id = g.group_id
                order by events.occurred_at desc limit 1000
            ) e order by e.occurred_at desc limit 1000
        ) last cross join lateral jsonb_each_text(last.tags) t
        group by t.key, t.value
    ) ranked where place <= 5 order by tagged_events desc, tag, place limit 100
    """
)

EVENT = text("select * from analytics.events where project_id = :project_id and event_id = :event_id")
FRAMES = text(
    """
    select position, function, module, filename, lineno, is_in_app, is_top from analytics.stack_frames
    where project_id = :project_id and stack_id = :stack_id order by position limit 250
    """
)
PAYLOAD = text(
    """
    select codec, body from warehouse.event_payload
    where project_id = :project_id and event_id = :event_id and occurred_at = :occurred_at
    """
)
# The event before and the one after, of the same group.
AROUND = text(
    """
    (select 'before' as side, event_id from analytics.events
    where project_id = :project_id and group_id = :group_id and occurred_at < :occurred_at
    order by occurred_at desc limit 1)
    union all
    (select 'after', event_id from analytics.events
    where project_id = :project_id and group_id = :group_id and occurred_at > :occurred_at
    order by occurred_at limit 1)
    """
)

RUNS = text(
    """
    select r.run_id, r.name, r.report, r.scheduled_for, r.period_start, r.period_end, r.status, r.attempts,
        r.started_at, r.finished_at, r.duration_seconds, r.error,
        (
            select array_agg(a.format order by a.format) from warehouse.report_artifact a where a.run_id = r.run_id
        ) as formats
    from analytics.report_runs r
    where cast(:name as text) is null or r.name = :name
    order by r.scheduled_for desc, r.name limit 100
    """
)
REPORT_NAMES = text(
    """
    select name, min(report) as report, count(*) as runs, max(scheduled_for) as last_for,
        count(*) filter (where status = 'failed') as failed
    from analytics.report_runs group by name order by name limit 200
    """
)
RUN = text("select * from analytics.report_runs where run_id = :run_id")
ARTIFACTS = text(
    """
    select format, body_bytes from warehouse.report_artifact where run_id = :run_id
    order by format = 'html' desc, format
    """
)
# What became of a run's messages, one to each target.
SENT_TO = text(
    """
    select target, status, attempt_count, coalesce(finished_at, due_at) as at, error from warehouse.outbox
    where key = any(
        select cast(:run_id as text) || ':' || t from warehouse.report_run r, unnest(r.targets) as t
        where r.run_id = cast(:run_id as uuid)
    )
    order by target
    """
)
ARTIFACT = text("select body from warehouse.report_artifact where run_id = :run_id and format = :format")

SET_ASIDE = text(
    """
    select set_aside_key, reason, detail, door, project_id, first_received_at, last_received_at, seen_count, body_bytes
    from warehouse.set_aside where cast(:reason as text) is null or reason = :reason
    order by last_received_at desc, set_aside_key limit 100
    """
)
SET_ASIDE_RECORD = text(
    """
    select set_aside_key, reason, detail, door, project_id, headers, first_received_at, last_received_at, seen_count,
        body_bytes
    from warehouse.set_aside where set_aside_key = :key
    """
)
SET_ASIDE_REASONS = text(
    """
    select reason, count(*) as records, sum(seen_count)::bigint as seen
    from warehouse.set_aside group by reason order by records desc, reason
    """
)
LOADED = text(
    """
    select loaded_on, sum(payload_count)::bigint as payloads, sum(loaded_count)::bigint as loaded,
        sum(duplicate_count)::bigint as duplicates, sum(conflict_count)::bigint as conflicts,
        sum(set_aside_count)::bigint as set_aside
    from warehouse.load_tally where loaded_on >= :since group by loaded_on order by loaded_on desc
    """
)
