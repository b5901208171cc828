-- Which few issues make 80 percent of all events: a Pareto list, the noisiest first, with what speaks for muting each.
with ranked as (
    select project, issue_id, title, level, events, users, unhandled_events, status, last_seen_at,
        sum(events) over (order by events desc, project_id, issue_id) - events as events_before,
        sum(events) over () as all_events
    from analytics.issues
    where events > 0
)
select project, issue_id, title, level, status, events, users, unhandled_events, last_seen_at,
    100 * events::float8 / all_events::float8 as share_percent,
    100 * (events_before + events)::float8 / all_events::float8 as running_percent,
    unhandled_events = 0 and (users <= 3 or level in ('warning', 'info', 'debug')) as is_candidate
from ranked
where events_before < 0.8 * all_events
order by events desc, project, issue_id
limit 200;
