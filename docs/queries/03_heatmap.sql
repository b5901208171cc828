-- In which hours of which weekdays do events occur: the mean of the last 28 days, in the time zone named here.
with zone as (select 'UTC'::text as name),
hourly as (
    select h.hour at time zone z.name as local_hour, sum(h.events) as events
    from analytics.errors_hourly h
    cross join zone z
    where h.hour >= date_trunc('day', now(), 'UTC') - interval '28 days' and h.hour < date_trunc('day', now(), 'UTC')
    group by 1
)
select extract(isodow from local_hour)::int as weekday, extract(hour from local_hour)::int as hour,
    sum(events)::bigint as events, sum(events)::float8 / 4 as mean_events
from hourly
group by 1, 2
order by 1, 2;
