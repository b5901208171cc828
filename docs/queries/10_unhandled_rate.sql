-- What part of the events the program did not catch, by project and week, over the last 12 weeks.
select project, date_trunc('week', day::timestamp)::date as week, sum(events)::bigint as events,
    sum(unhandled_events)::bigint as unhandled_events,
    100 * sum(unhandled_events)::float8 / sum(events)::float8 as unhandled_percent
from analytics.errors_daily
where day >= (now() at time zone 'UTC')::date - 84
group by 1, 2
order by 1, 2;
