-- Which culprits made most events in the last 30 days, what share of all they have, and whether they rise or fall.
with period as (select (now() at time zone 'UTC')::date - 30 as since),
culprit as (
    select c.project, c.culprit,
        sum(c.events) filter (where c.day >= p.since)::bigint as events,
        sum(c.events) filter (where c.day < p.since)::bigint as events_before
    from analytics.culprits_daily c
    cross join period p
    where c.day >= p.since - 30
    group by c.project, c.culprit
)
select project, culprit, events,
    round((100 * events / sum(events) over ())::numeric, 1)::float8 as share_percent,
    coalesce(events_before, 0) as events_before,
    case when events_before > 0 then round((100.0 * events / events_before - 100)::numeric, 1)::float8 end
        as change_percent
from culprit
where events > 0
order by events desc, project, culprit
limit 20;
