"""analytics.report_runs: what was reported, and how it went."""

from models.views.view import INSTANT, Column, View

REPORT_RUNS = View(
    "report_runs",
    "One row per run of a report: which period it covers, when it ran, and how it ended.",
    """
    select run_id, name, report, scheduled_for, period_start, period_end, status, attempt_count as attempts,
        started_at, finished_at, extract(epoch from finished_at - started_at)::float8 as duration_seconds,
        row_count as rows, error, parameters
    from warehouse.report_run
    """,
    (
        Column("run_id", "uuid", "The run's own id.", is_told=True),
        Column("name", "text", "Name of the schedule, or of the report when asked for by hand.", is_told=True),
        Column("report", "text", "Name of the report.", is_told=True),
        Column("scheduled_for", INSTANT, "The instant of the schedule it answers.", is_told=True),
        Column("period_start", INSTANT, "First instant of the period reported on."),
        Column("period_end", INSTANT, "First instant after the period."),
        Column(
            "status",
            "text",
            "running, done, failed or skipped.",
            is_told=True,
            words=("running", "done", "failed", "skipped"),
        ),
        Column("attempts", "integer", "How often it was begun.", is_told=True),
        Column("started_at", INSTANT, "When the last attempt began."),
        Column("finished_at", INSTANT, "When it ended."),
        Column("duration_seconds", "double precision", "How long the last attempt took."),
        Column("rows", "bigint", "Rows read from the warehouse."),
        Column("error", "text", "One sentence on why it failed."),
        Column("parameters", "jsonb", "What was asked for: grouping, filters."),
    ),
    key=("run_id",),
)
