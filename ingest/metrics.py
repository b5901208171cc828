"""
Every metric, declared once: `docs/metrics.md` is made from here.

Processes of one service share their counts through files (prometheus_client's multiprocess mode), so that any receiver
can answer `/metrics` for all. The folder must be named in the environment before this module is imported.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

REQUESTS = Counter(
    "errhouse_requests", "Requests answered, by door, HTTP status and reason code.", ["door", "status", "reason"]
)
REQUEST_BYTES = Counter("errhouse_request_bytes", "Bytes of request bodies as sent, by door.", ["door"])
ANSWER_SECONDS = Histogram(
    "errhouse_answer_seconds",
    "Time from the request's head to its answer, seconds, by door.",
    ["door"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.9, 1.0, 5.0),
)
SLOW_ANSWERS = Counter(
    "errhouse_slow_answers", "Answers that took 0.9 s or longer; Sentry gives up after 1 s.", ["door"]
)
WEBHOOK_TIMEOUTS = Gauge(
    "errhouse_webhook_timeouts",
    "Webhooks answered after more than 1 s within 24 hours, also before a restart; at 1,000 Sentry stops sending.",
    multiprocess_mode="mostrecent",
)
SPOOL_FAILURES = Counter(
    "errhouse_spool_failures",
    "Segments of a spool that receivers gave up because a write or a sync failed; their records are written again.",
)
PAYLOADS = Counter("errhouse_payloads_read", "Payloads the loader has read from spools.")
EVENTS = Counter("errhouse_events", "Events the loader met, by outcome: loaded, duplicate or refused.", ["outcome"])
CONFLICTS = Counter(
    "errhouse_event_conflicts", "Events refused, and set aside, because another event with their id was there before."
)
ISSUE_CHANGES = Counter("errhouse_issue_changes", "Changes of issues the loader was told, new or met again.")
SET_ASIDE = Counter("errhouse_set_aside", "Payloads set aside.")
TRIMMED = Counter("errhouse_set_aside_trimmed", "Records of what was set aside that were removed for want of room.")
LOAD_FAILURES = Counter("errhouse_load_failures", "Batches that failed and are tried again, by verdict.", ["verdict"])
LOAD_SECONDS = Histogram("errhouse_load_batch_seconds", "Time to load one batch, seconds.")
SPOOL_EVENTS = Gauge(
    "errhouse_spool_events", "Payloads in spools that are not loaded yet.", multiprocess_mode="mostrecent"
)
SPOOL_OLDEST_SECONDS = Gauge(
    "errhouse_spool_oldest_seconds",
    "Age of the oldest payload that is not loaded, seconds.",
    multiprocess_mode="mostrecent",
)
ROLLUP_LAG_SECONDS = Gauge(
    "errhouse_rollup_lag_seconds",
    "Time since all that was loaded had been folded into the rollups, seconds; NaN without a scheduler.",
    multiprocess_mode="mostrecent",
)
OUTBOX_WAITING = Gauge("errhouse_outbox_waiting", "Messages that are not sent yet.", multiprocess_mode="mostrecent")
OUTBOX_OLDEST_SECONDS = Gauge(
    "errhouse_outbox_oldest_seconds",
    "Age of the oldest message that could have been sent and was not, seconds.",
    multiprocess_mode="mostrecent",
)
DELIVERY_FAILURES = Gauge(
    "errhouse_delivery_failures",
    "Attempts to send a message that failed since the scheduler was started.",
    multiprocess_mode="mostrecent",
)


def text_of_all() -> bytes:
    """Give the metrics of every process of this service in Prometheus' text format."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
