-- How long events take from occurring to arriving and from arriving to being loaded, by day, over the last 7 days.
select (received_at at time zone 'UTC')::date as day, project, count(*) as events,
    percentile_cont(0.5) within group (order by extract(epoch from received_at - occurred_at)::float8)
        as arriving_seconds_p50,
    percentile_cont(0.95) within group (order by extract(epoch from received_at - occurred_at)::float8)
        as arriving_seconds_p95,
    percentile_cont(0.95) within group (order by extract(epoch from loaded_at - received_at)::float8)
        as loading_seconds_p95,
    100 * (count(*) filter (where received_at > occurred_at + interval '1 hour'))::float8 / count(*) as late_percent,
    100 * (count(*) filter (where time_quality <> 'exact'))::float8 / count(*) as odd_time_percent
from analytics.events
where occurred_at >= now() - interval '7 days'
group by 1, 2
order by 1, 2;
