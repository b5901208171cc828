"""The statements of reports.runs: claims, and who may end what."""

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT

_TYPES = (
    bindparam("parameters", type_=JSONB),
    bindparam("formats", type_=ARRAY(TEXT)),
    bindparam("targets", type_=ARRAY(TEXT)),
)
_FIELDS = "run_id, name, report, scheduled_for, zone, attempt_count, worker, parameters, formats, targets"

# The claim: of all that insert it, one is told.
CLAIM = text(
    f"""
    insert into warehouse.report_run ({_FIELDS}, period_start, period_end, status, error, started_at, heartbeat_at,
        finished_at)
    values (:run_id, :name, :report, :scheduled_for, :zone, :attempt_count, :worker, :parameters, :formats, :targets,
        :period_start, :period_end, :status, :error, case when :is_run then now() end, case when :is_run then now() end,
        case when not :is_run then now() end)
    on conflict (name, scheduled_for) do nothing
    returning {_FIELDS}
    """  # noqa: S608 - our own names of columns
).bindparams(*_TYPES)

# Who is silent, by the one clock that all share.
SILENT = text(
    """
    select run_id, attempt_count from warehouse.report_run
    where status = 'running' and heartbeat_at < now() - cast(:lost_after as interval) order by scheduled_for
    """
)
# Of several who have seen the same silence, one is told.
TAKE_OVER = text(
    f"""
    update warehouse.report_run set attempt_count = attempt_count + 1, worker = :worker, started_at = now(),
        heartbeat_at = now()
    where run_id = :run_id and status = 'running' and attempt_count = :attempt_count
        and heartbeat_at < now() - cast(:lost_after as interval)
    returning {_FIELDS}
    """  # noqa: S608 - our own names of columns
)
# A run that did not go well, or was left out, is begun anew with what its schedule says today.
AGAIN = text(
    f"""
    update warehouse.report_run set attempt_count = attempt_count + 1, worker = :worker, status = 'running',
        started_at = now(), heartbeat_at = now(), finished_at = null, error = null, report = :report, zone = :zone,
        parameters = :parameters, formats = :formats, targets = :targets, period_start = :period_start,
        period_end = :period_end
    where name = :name and scheduled_for = :scheduled_for and status in ('failed', 'skipped')
    returning {_FIELDS}
    """  # noqa: S608 - our own names of columns
).bindparams(*_TYPES)
READ = text(
    f"select {_FIELDS} from warehouse.report_run "  # noqa: S608 - our own names of columns
    "where run_id = :run_id and attempt_count = :attempt_count and status = 'running'"
)
BEAT = text(
    "update warehouse.report_run set heartbeat_at = now() "
    "where run_id = :run_id and attempt_count = :attempt_count and status = 'running' returning run_id"
)
# A run that was begun and is left to whoever asks next, as if it had not been begun.
RELEASE = text(
    "update warehouse.report_run set heartbeat_at = 'epoch', attempt_count = attempt_count - 1 "
    "where run_id = :run_id and attempt_count = :attempt_count and status = 'running'"
)
END = text(
    """
    update warehouse.report_run set status = :status, error = :error, finished_at = now(),
        row_count = :row_count, memory_bytes = :memory_bytes, code_version = :code_version
    where run_id = :run_id and attempt_count = :attempt_count and status = 'running' returning run_id
    """
)
KEEP_ARTIFACT = text(
    """
    insert into warehouse.report_artifact (run_id, format, sha256, body_bytes, body)
    values (:run_id, :format, :sha256, :body_bytes, :body)
    on conflict (run_id, format) do update set sha256 = excluded.sha256, body_bytes = excluded.body_bytes,
        body = excluded.body
    """
)
DROP_FORMER = text("delete from warehouse.report_artifact where run_id = :run_id and format <> all(:formats)")
STATUSES = text("select scheduled_for, status from warehouse.report_run where name = :name and scheduled_for > :since")
OUTCOME = text("select status, error from warehouse.report_run where run_id = :run_id")
DROP_OLD = text(
    """
    delete from warehouse.report_artifact where run_id in (
        select run_id from warehouse.report_run where finished_at < :before
    )
    """
)
