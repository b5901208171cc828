"""
Answers that Sentry may take for none: it disables an integration after 1,000 timeouts in a day.

Counted are webhooks that were answered after 0.9 s or later, or refused with 503; Sentry gives up after 1 s.
"""

from ingest.doctor.finding import Context, Finding, Skip, ok, warning, wrong

LIMIT = 1000
ALARM = 50


def answers(context: Context) -> Finding:
    """See that webhooks are answered in time."""
    count = context.answers(context.clock())
    if count is None:
        raise Skip("No receiver has counted its answers yet.")
    said = f"{count:,.0f} webhooks of a day were answered late or refused; Sentry disables an integration at {LIMIT:,}."
    if count >= ALARM:
        return wrong(
            said,
            "See the checks of the spool and its disk, give receivers more room or a faster disk, and look at "
            "errhouse_answer_seconds in /metrics.",
        )
    return warning(said, "See the check of the spool's disk.") if count >= ALARM / 2 else ok(said)
