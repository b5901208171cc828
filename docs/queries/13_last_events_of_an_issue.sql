-- The last 50 events of an issue, however many it has: each of its groups gives its last 50, read backwards by an index.
select e.occurred_at, e.event_id, e.title, e.level, e.release, e.environment, e.user_id, e.url
from analytics.issues i
cross join lateral unnest(i.group_ids) as g(group_id)
cross join lateral (
    select * from analytics.events
    where events.project_id = :project_id and events.group_id = g.group_id
    order by events.occurred_at desc
    limit 50
) e
where i.project_id = :project_id and i.issue_id = :issue_id
order by e.occurred_at desc, e.event_id
limit 50;
