"""What is put into a message at the moment it is sent: the event it is about, and the files of its report."""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, text

from reports.delivery.message import AboutEvent, Artifact, Message, found
from reports.delivery.outbox import Claimed
from reports.errors import DeliveryError
from reports.file_kinds import FILE_KINDS, UNKNOWN

OWN_COLUMNS = {"user_sketch"}  # means nothing outside of the warehouse

EVENT = text(
    """
    select * from analytics.events
    where project_id = :project_id and occurred_at = :occurred_at and event_id = cast(:event_id as uuid)
    """
)
ARTIFACTS = text("select format, body from warehouse.report_artifact where run_id = :run_id order by format")


def whole(connection: Connection, claimed: Claimed) -> Message:
    """
    Give a message as it is sent.

    Raises: DeliveryError, permanent: it cannot be read any more, such as by an older version of this program.
    """
    try:
        message = found(dict(claimed.message))
    except msgspec.ValidationError:
        raise DeliveryError(
            "What was kept of the message cannot be read any more; it is given up.", permanent=True
        ) from None
    return msgspec.structs.replace(
        message,
        event=_event(connection, message.about_event),
        artifacts=_artifacts(connection, claimed.run_id),
    )


def _event(connection: Connection, about: AboutEvent | None) -> dict[str, Any] | None:
    if about is None:
        return None
    row = connection.execute(EVENT, msgspec.structs.asdict(about)).mappings().first()
    if row is None:
        return None
    made: dict[str, Any] = msgspec.to_builtins({name: row[name] for name in row if name not in OWN_COLUMNS})
    return made


def _artifacts(connection: Connection, run_id: UUID | None) -> tuple[Artifact, ...]:
    if run_id is None:
        return ()
    rows = connection.execute(ARTIFACTS, {"run_id": run_id})
    return tuple(Artifact(row.format, *FILE_KINDS.get(row.format, UNKNOWN), bytes(row.body)) for row in rows)
