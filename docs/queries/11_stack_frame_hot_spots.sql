-- Which functions of the program's own code stand in the stack traces of most events of the last 7 days, or end them.
with stack as (
    select project_id, stack_id, count(*) as events
    from analytics.events
    where occurred_at >= now() - interval '7 days' and stack_id is not null
    group by project_id, stack_id
),
frame as (
    select distinct on (f.project_id, f.stack_id, f.module, f.filename, f.function)
        f.project_id, f.project, f.stack_id, f.module, f.filename, f.function, f.is_top
    from analytics.stack_frames f
    where f.is_in_app or f.is_top
    order by f.project_id, f.stack_id, f.module, f.filename, f.function, f.is_top desc
)
select f.project, f.module, f.filename, f.function, sum(s.events)::bigint as events,
    coalesce(sum(s.events) filter (where f.is_top), 0)::bigint as events_as_top, count(*) as stacks
from stack s
join frame f on f.project_id = s.project_id and f.stack_id = s.stack_id
group by f.project, f.module, f.filename, f.function
order by events desc, f.project, f.module, f.filename, f.function
limit 50;
