-- How environments compare over the last 30 days: events, their share of the project, what is unhandled, what is fatal.
select project, coalesce(environment, '(none)') as environment, sum(events)::bigint as events,
    100 * sum(events)::float8 / sum(sum(events)) over (partition by project)::float8 as share_percent,
    100 * sum(unhandled_events)::float8 / sum(events)::float8 as unhandled_percent,
    coalesce(sum(events) filter (where level = 'fatal'), 0)::bigint as fatal_events
from analytics.errors_daily
where day >= (now() at time zone 'UTC')::date - 30
group by project, environment
order by project, events desc, environment;
