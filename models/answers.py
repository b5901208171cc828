"""
How senders were answered, by the hour: each receiver tells in `DATA_DIR/deliveries/<receiver>.hours.json`.

The counts outlive a restart, so that the budget of a day can be told: Sentry stops sending webhooks to who lets more
than 1,000 of them time out within a day.
"""

from datetime import datetime
from pathlib import Path

import msgspec

FOLDER = "deliveries"
HOURS_FILE = ".hours.json"
KEPT_HOURS = 48
HOUR_SECONDS = 3600
SLOW_SECONDS = 0.9
TIMED_OUT_SECONDS = 1.0
TIMEOUTS_A_DAY = 1000
WEBHOOK_DOORS = frozenset({"hook", "legacy"})


class Hour(msgspec.Struct):
    """
    The answers at one door within one hour.

    `hour` counts hours since 1970, UTC; `by_status` has the keys `2xx`, `3xx`, `4xx` and `5xx`. `slow_count` are those
    after 0.9 s, `timed_out_count` those after a second, when Sentry has given up.
    """

    hour: int
    door: str
    by_status: dict[str, int] = {}
    slow_count: int = 0
    timed_out_count: int = 0


class AnswersOfDay(msgspec.Struct, frozen=True):
    """The answers of the last 24 hours, by all receivers; `webhook_` counts those to webhooks alone."""

    answer_count: int
    by_status: dict[str, int]
    slow_count: int
    timed_out_count: int
    webhook_count: int
    webhook_slow_count: int
    webhook_timed_out_count: int
    webhook_refused_count: int
    """Webhooks that were answered 5xx: the spool was full, or the disk did not answer in time."""

    @property
    def webhook_late_count(self) -> int:
        """Return how many webhooks Sentry may take for lost: late ones and refused ones; some may be both."""
        return self.webhook_slow_count + self.webhook_refused_count

    @property
    def budget_left(self) -> int:
        """Return how many more webhooks may time out before Sentry stops sending for a while."""
        return max(0, TIMEOUTS_A_DAY - self.webhook_timed_out_count)


def hours(path: Path) -> list[Hour]:
    """Read what one receiver told; nothing when it has not, or what it told cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Hour])
    except (OSError, msgspec.MsgspecError):
        return []


def answers_of_day(data_dir: Path, now: datetime) -> AnswersOfDay:
    """Add up the last 24 hours; the oldest of them counts whole, so that it is never too few."""
    first = int(now.timestamp()) // HOUR_SECONDS - 24
    found = [
        each
        for path in sorted((data_dir / FOLDER).glob(f"*{HOURS_FILE}"))
        for each in hours(path)
        if each.hour >= first
    ]
    webhooks = [each for each in found if each.door in WEBHOOK_DOORS]
    by_status: dict[str, int] = {}
    for each in found:
        for status, count in each.by_status.items():
            by_status[status] = by_status.get(status, 0) + count
    return AnswersOfDay(
        answer_count=sum(by_status.values()),
        by_status=dict(sorted(by_status.items())),
        slow_count=sum(each.slow_count for each in found),
        timed_out_count=sum(each.timed_out_count for each in found),
        webhook_count=sum(sum(each.by_status.values()) for each in webhooks),
        webhook_slow_count=sum(each.slow_count for each in webhooks),
        webhook_timed_out_count=sum(each.timed_out_count for each in webhooks),
        webhook_refused_count=sum(each.by_status.get("5xx", 0) for each in webhooks),
    )
