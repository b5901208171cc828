"""analytics.stack_frames: the frames of every distinct stack trace."""

from models.views.view import PROJECT, PROJECT_ID, Column, View

STACK_FRAMES = View(
    "stack_frames",
    "One row per frame of each distinct stack trace; joins to events by project_id and stack_id.",
    """
    select s.project_id, p.label as project, s.stack_key as stack_id,
        (jsonb_array_length(s.frames) - f.place + 1)::int as position,
        f.frame ->> 'function' as function, f.frame ->> 'module' as module, f.frame ->> 'filename' as filename,
        (f.frame ->> 'lineno')::int as lineno, (f.frame ->> 'in_app')::boolean as is_in_app,
        f.place = coalesce(
            max(f.place) filter (
                where (f.frame ->> 'in_app')::boolean and f.frame ?| array['function', 'module', 'filename']
            ) over one,
            max(f.place) over one
        ) as is_top
    from warehouse.dim_stack s
    cross join lateral jsonb_array_elements(s.frames) with ordinality as f(frame, place)
    left join warehouse.dim_project p on p.project_id = s.project_id
    window one as (partition by s.project_id, p.label, s.stack_key)
    """,
    (
        PROJECT_ID,
        PROJECT,
        Column("stack_id", "bigint", "The stack trace, as in analytics.events.", is_told=True),
        Column("position", "integer", "1 is the innermost frame: where it happened.", is_told=True),
        Column("function", "text", "Name of the function."),
        Column("module", "text", "Module, package or class."),
        Column("filename", "text", "File, as the sender names it."),
        Column("lineno", "integer", "Line in the file."),
        Column("is_in_app", "boolean", "Whether it is the program's own code; null when not told."),
        Column(
            "is_top",
            "boolean",
            "Whether it is the innermost of the program's own code, else the innermost.",
            is_told=True,
        ),
    ),
    key=("project_id", "stack_id", "position"),
)
