-- Everything that is known of one event: give its id and, to search one project's index alone, the project's number.
select e.*, i.status as issue_status, i.short_id as issue_short_id, i.events as issue_events,
    (
        select jsonb_agg(to_jsonb(f) - 'project_id' - 'project' - 'stack_id' order by f.position)
        from analytics.stack_frames f
        where f.project_id = e.project_id and f.stack_id = e.stack_id
    ) as frames
from analytics.events e
left join analytics.issues i on i.project_id = e.project_id and i.issue_id = e.issue_id
where e.project_id = :project_id and e.event_id = :'event_id';
