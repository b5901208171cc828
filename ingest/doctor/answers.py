"""
Answers that Sentry may take for none: it stops sending webhooks to who lets 1,000 of a day time out.

Counted are webhooks that were answered after 0.9 s or later, or refused with 5xx; Sentry gives up after 1 s.
"""

from ingest.doctor.finding import Context, Finding, Skip, ok, warning, wrong
from models.answers import FOLDER, TIMEOUTS_A_DAY, answers_of_day

ALARM = 50


def answers(context: Context) -> Finding:
    """See that webhooks are answered in time."""
    if not (context.settings.DATA_DIR / FOLDER).is_dir():
        raise Skip("No receiver has counted its answers yet.")
    day = answers_of_day(context.settings.DATA_DIR, context.clock())
    count = day.webhook_late_count
    said = (
        f"Of {day.webhook_count:,} webhooks of the last 24 hours {count:,} were answered late or refused; "
        f"Sentry stops sending after {TIMEOUTS_A_DAY:,} timeouts a day."
    )
    if count >= ALARM:
        return wrong(
            said,
            "See the checks of the spool and its disk, give the spool room and a faster disk, and look at "
            "`errhouse deliveries` and at errhouse_answer_seconds in /metrics.",
        )
    return warning(said, "See the check of the spool's disk.") if count >= ALARM / 2 else ok(said)
