"""Whether a schedule can be as a person wrote it: asked before it is kept, so that no run fails of it."""

import re
from datetime import timedelta

from reports import channels, cron
from reports.built_in.asked import asked
from reports.cron import Schedule
from reports.delivery.targets import written
from reports.errors import BadSchedule
from reports.workshop import format_names, report_names

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
_PARAMETER = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)
_DURATION = re.compile(r"(\d{1,9})(s|m|h|d)", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def check(schedule: Schedule) -> None:
    """Raise, one sentence, when a schedule cannot be as it is written."""
    if not _NAME.fullmatch(schedule.name):
        raise BadSchedule(f"{schedule.name!r} is not a name; write a-z, 0-9, - and _, at most 63, such as weekly-web.")
    cron.check(schedule.cron, schedule.zone, schedule.starts_at)
    cron.period(schedule.report, schedule.starts_at, schedule.zone, schedule.parameters)
    if schedule.catch_up not in cron.CATCH_UPS:
        raise BadSchedule(f"--catch-up is latest, all or skip, not {schedule.catch_up!r}.")
    if schedule.max_lateness > cron.LONGEST_LATENESS:
        raise BadSchedule("--max-lateness is at most 31d; `errhouse schedule run-missed --since` makes older ones.")
    if not schedule.formats:
        raise BadSchedule("A schedule needs a format; write --format html,json.")
    for target in schedule.targets:
        if ":" in target:  # who knows the others has the database
            channels.check(written(target))
    for what, wanted, known in (
        ("report", [schedule.report], report_names()),
        ("format", schedule.formats, format_names()),
    ):
        if known and (strange := [each for each in wanted if each not in known]):
            raise BadSchedule(f"There is no {what} {', '.join(strange)}; there are {', '.join(known)}.")
    asked(cron.told(schedule.parameters), schedule.report)


def parameters(pairs: list[str]) -> dict[str, str]:
    """Read `key=value` pairs. Raises BadSchedule."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, mark, value = pair.partition("=")
        if not mark or not _PARAMETER.fullmatch(key) or key in found:
            raise BadSchedule(f"--param {pair!r} cannot be used; write key=value, each key once.")
        found[key] = value
    return found


def duration(option: str, text: str) -> timedelta:
    """Read a length of time, such as 10m. Raises BadSchedule."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or (seconds := int(found[1]) * _UNITS[found[2]]) > cron.LONGEST_LATENESS.total_seconds():
        raise BadSchedule(f"{option} {text!r} cannot be used; write a number with s, m, h or d, at most 31d.")
    return timedelta(seconds=seconds)
