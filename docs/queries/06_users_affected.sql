-- How many distinct users had an event in the last 7 and 30 days, by project; days overlap, so sketches are united.
select project,
    analytics.users(user_sketch) filter (where day >= (now() at time zone 'UTC')::date - 7) as users_in_7_days,
    analytics.users(user_sketch) as users_in_30_days,
    max(users) as most_users_on_a_day
from analytics.users_affected_daily
where day >= (now() at time zone 'UTC')::date - 30
group by project
order by users_in_30_days desc, project;
