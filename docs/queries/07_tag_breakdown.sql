-- Which values a tag has in the last 7 days, by project: tags that nearly every event has another value of are left out.
with tagged as (
    select e.project, t.key as tag, t.value, count(*) as events
    from analytics.events e
    cross join lateral jsonb_each_text(e.tags) as t(key, value)
    where e.occurred_at >= now() - interval '7 days'
    group by e.project, t.key, t.value
),
ranked as (
    select tagged.*, sum(events) over one as tag_events, count(*) over one as tag_values,
        row_number() over (partition by project, tag order by events desc, value) as place
    from tagged
    window one as (partition by project, tag)
)
select project, tag, value, events, 100 * events::float8 / tag_events::float8 as share_percent
from ranked
where place <= 10 and (tag_values <= 10 or tag_values < tag_events / 2)
order by project, tag, place;
