"""How the scheduler fares, as it tells through `DATA_DIR/run/schedule.json`; receivers make a metric of it."""

from pathlib import Path

import msgspec

SCHEDULE_FILE = "schedule.json"


class ScheduleState(msgspec.Struct):
    """What the scheduler says of itself; instants in microseconds since 1970, 0 for never."""

    heartbeat_us: int
    database: str = "starting"
    last_fold_us: int = 0
    folded_total: int = 0
    last_maintain_us: int = 0
    maintain_seconds: float = 0.0
    failures: list[str] = []
    """The steps of the last maintenance that could not be done."""
    messages_waiting: int = 0
    oldest_message_us: int = 0
    """When the reason was found for the first message that could have been sent and was not; 0 when there is none."""
    delivery_failures: int = 0
    """Attempts to send a message that failed since the scheduler was started."""

    def write(self, run_dir: Path) -> None:
        """Replace the file in one step; it need not survive a power cut."""
        draft = run_dir / f"{SCHEDULE_FILE}.tmp"
        draft.write_bytes(msgspec.json.encode(self))
        draft.replace(run_dir / SCHEDULE_FILE)


def schedule_state(run_dir: Path) -> ScheduleState | None:
    """Read what the scheduler said last, None when it has not said anything yet."""
    try:
        return msgspec.json.decode((run_dir / SCHEDULE_FILE).read_bytes(), type=ScheduleState)
    except (OSError, msgspec.MsgspecError):
        return None


def rollup_lag_seconds(run_dir: Path, now_us: int) -> float:
    """Give how long ago everything was folded into the rollups; not a number when nobody has told."""
    found = schedule_state(run_dir)
    return max(0.0, (now_us - found.last_fold_us) / 1e6) if found and found.last_fold_us else float("nan")


def oldest_message_seconds(found: ScheduleState | None, now_us: int) -> float:
    """Give for how long a message has been waiting that could have been sent."""
    return max(0.0, (now_us - found.oldest_message_us) / 1e6) if found and found.oldest_message_us else 0.0
