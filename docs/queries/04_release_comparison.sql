-- How each release compares with the one before it: events an hour of its life, users, and issues that are new in it.
with born as (
    select project_id, first_release as release, count(*) as new_issues
    from analytics.issues
    where first_release is not null
    group by project_id, first_release
),
release as (
    select r.project_id, r.project, r.release, max(r.version_sort) as version_sort, sum(r.events)::bigint as events,
        analytics.users(r.user_sketch) as users, min(r.first_seen_at) as first_seen_at,
        max(r.last_seen_at) as last_seen_at,
        sum(r.events) / greatest(extract(epoch from max(r.last_seen_at) - min(r.first_seen_at)) / 3600, 1)::float8
            as events_an_hour
    from analytics.releases r
    group by r.project_id, r.project, r.release
)
select r.project, r.release, lag(r.release) over one as release_before, r.events, r.users,
    coalesce(b.new_issues, 0) as new_issues, r.events_an_hour,
    r.events_an_hour / nullif(lag(r.events_an_hour) over one, 0) as ratio_to_before, r.first_seen_at, r.last_seen_at
from release r
left join born b on b.project_id = r.project_id and b.release = r.release
window one as (partition by r.project_id order by r.version_sort nulls first, r.first_seen_at, r.release)
order by r.project, r.version_sort desc nulls last, r.first_seen_at desc, r.release;
