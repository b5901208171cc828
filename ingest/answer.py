"""What senders are told, and the counting of it."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import msgspec
from prometheus_client import Counter, Histogram

from ingest import metrics
from ingest.errors import Reason
from ingest.quota import BURST_SECONDS
from ingest.records import Door

SLOW_SECONDS = 0.9
Headers = list[tuple[bytes, bytes]]

RETRY_AFTER = (b"retry-after", b"10")
# No category stands for all of them: what is no error event is counted as well.
PAUSE: Headers = [
    (b"retry-after", b"%d" % BURST_SECONDS),
    (b"x-sentry-rate-limits", b"%d::project:rate_limited" % BURST_SECONDS),
]
JSON = (b"content-type", b"application/json")
CORS: Headers = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"x-sentry-error,x-sentry-rate-limits,retry-after"),
]
PREFLIGHT: Headers = [
    *CORS,
    (b"access-control-allow-methods", b"POST"),
    (
        b"access-control-allow-headers",
        b"x-sentry-auth, x-requested-with, x-forwarded-for, origin, referer, accept, content-type, authentication, \
authorization, content-encoding, transfer-encoding, sentry-trace, baggage",
    ),
    (b"access-control-max-age", b"3600"),
]
# What is no error event is not wanted: SDKs that are told so stop sending it for an hour.
UNWANTED = (
    b"x-sentry-rate-limits",
    b"3600:transaction;session;replay;profile;span;attachment;monitor;log_item;metric_bucket:organization",
)

STATUS = {
    Reason.UNSUPPORTED_ENCODING: 415,
    Reason.MISSING_KEY: 401,
    Reason.BAD_SIGNATURE: 401,
    Reason.UNKNOWN_KEY: 403,
    Reason.WRONG_PROJECT: 403,
}

_json = msgspec.json.Encoder().encode


class Answer(NamedTuple):
    """What is said to a sender; `reason` is "" for yes."""

    status: int
    body: bytes
    reason: str = ""
    headers: Sequence[tuple[bytes, bytes]] = ()


def refusal(status: int, reason: Reason, detail: str, headers: Headers | None = None) -> Answer:
    """Say no: the reason code stands in the body, in Sentry's own header, and in our log."""
    body = _json({"detail": detail or reason.value, "reason": reason.value})
    return Answer(status, body, reason.value, [(b"x-sentry-error", reason.value.encode()), *(headers or [])])


def accepted(body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()) -> Answer:
    """Say yes, as Sentry would."""
    return Answer(200, body, headers=headers)


@cache
def _counters(door: Door, status: int, reason: str) -> tuple[Counter, Histogram, Counter]:
    return (
        metrics.REQUESTS.labels(door.value, status, reason),
        metrics.ANSWER_SECONDS.labels(door.value),
        metrics.SLOW_ANSWERS.labels(door.value),
    )


def count(door: Door, answered: Answer, elapsed: float) -> None:
    """Count an answer and the seconds it took."""
    requests, seconds, slow = _counters(door, answered.status, answered.reason)
    requests.inc()
    seconds.observe(elapsed)
    if elapsed >= SLOW_SECONDS:
        slow.inc()
