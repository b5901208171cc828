-- Which issues were first seen in the last 7 days, and which came back after they were resolved or 14 days of silence.
with period as (select date_trunc('day', now(), 'UTC') - interval '7 days' as since),
seen as (
    select e.project_id, e.issue_id, count(*) as events_in_period, min(e.occurred_at) as began_at
    from analytics.events e
    cross join period p
    where e.occurred_at >= p.since
    group by e.project_id, e.issue_id
),
recent as (
    select i.*, s.events_in_period, s.began_at, p.since,
        i.first_seen_at < p.since and not exists (
            select from analytics.events e
            where e.project_id = i.project_id and e.group_id = any (i.group_ids)
            and e.occurred_at >= s.began_at - interval '14 days' and e.occurred_at < s.began_at
        ) as was_silent
    from seen s
    join analytics.issues i on i.project_id = s.project_id and i.issue_id = s.issue_id
    cross join period p
)
select case when first_seen_at >= since then 'new' else 'regressed' end as kind,
    project, issue_id, short_id, title, level, events_in_period, first_seen_at, last_seen_at, first_release
from recent
where first_seen_at >= since or resolved_at < began_at or substatus = 'regressed' or was_silent
order by kind, events_in_period desc, project, issue_id
limit 100;
