"""How targets are shown: their options without secrets, and how they fare."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, text

from models.errors import ModelsError
from reports.channels import channel_of
from reports.delivery.targets_kept import Kept, Targets, is_reference
from reports.errors import BadTarget

LEAST_CHARS = 12  # of a shorter secret not even the end is shown

STATES = text(
    """
    select s.target, s.failure_count, s.open_until, s.attempted_at, s.sent_at, s.error,
        (select count(*) from warehouse.outbox o where o.target = s.target and o.status in ('waiting', 'sending'))
            as waiting_count
    from warehouse.target_state s order by s.target
    """
)


def shown_secret(value: str) -> str:
    """Give what may be seen of a secret: its end, and a fingerprint by which it is told from another."""
    end = f"…{value[-4:]} " if len(value) >= LEAST_CHARS else "… "
    return f"{end}({sha256(value.encode()).hexdigest()[:8]})"


def described(targets: Targets, kept: Kept, state: Mapping[str, Any] | None) -> dict[str, Any]:
    """Tell a target for programs; what is secret is shown only by its end."""
    options, wrong = dict(kept.options), None
    try:
        options |= {name: shown_secret(value) for name, value in targets.secrets(kept).items()}
    except ModelsError as sealed:
        wrong = str(sealed)
    try:
        secret = {option.name for option in channel_of(kept.channel).OPTIONS if option.is_secret}
    except BadTarget as strange:
        secret, wrong = set(options), str(strange)
    for name in secret & kept.options.keys():
        if not is_reference(kept.options[name]):
            options[name] = shown_secret(kept.options[name])
    row = dict(state or {})
    error = wrong or row.get("error")
    return {
        "name": kept.name,
        "channel": kept.channel,
        "options": options,
        "allow_private": kept.allow_private,
        "most_per_minute": kept.most_per_minute,
        "is_of_file": kept.is_of_file,
        "state": "failing" if error else "ok" if row else "not used yet",
        "error": error,
        "failure_count": row.get("failure_count", 0),
        "open_until": row.get("open_until"),
        "attempted_at": row.get("attempted_at"),
        "sent_at": row.get("sent_at"),
        "waiting_count": row.get("waiting_count", 0),
    }


def states(connection: Connection) -> dict[str, Mapping[str, Any]]:
    """Read how targets fare, by their names."""
    return {str(row["target"]): dict(row) for row in connection.execute(STATES).mappings()}


def state_line(row: Mapping[str, Any]) -> str:
    """Say in words how a target fares."""
    if row["state"] != "failing":
        return str(row["state"])
    since: datetime | None = row["sent_at"]
    when = f"failing since {since:%Y-%m-%d %H:%M} UTC" if since else "failing"
    return f"{when}, {row['failure_count']} in a row: {row['error']}"
