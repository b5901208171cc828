"""
The page of one event: where it happened, what led to it, and, for analysts, to whom, and its JSON.

A viewer sees what the fact tells and the stack; all that is made of the payload, and whatever names a person, needs the
rights of an analyst.
"""

from typing import Any
from uuid import UUID

import msgspec
from fastapi import Response
from sqlalchemy import Connection

from models.errors import ModelsError
from models.payloads import Codebook
from reports.pages import payload, questions
from reports.pages.asked import Asked, NotThere
from reports.pages.frequency import shown
from reports.pages.issue import is_personal
from reports.pages.page import Console, Route

MOST_SHOWN_BYTES = 256 * 1024
PERSONAL = ("user_id", "user_email", "user_username", "user_ip", "url", "server_name")
FACTS = (
    "transaction", "release", "dist", "environment", "platform", "logger", "method", "http_status", "handled",
    "sdk_name", "sdk_version", "os_name", "os_version", "browser_name", "browser_version", "runtime_name",
    "runtime_version", "device_family", "trace_id", "source", "time_quality",
)  # fmt: skip


def event(console: Console, asked: Asked) -> Response:
    """Show it."""
    with console.warehouse.reading() as connection:
        found = _read(connection, asked)
        frames = connection.execute(questions.FRAMES, found).all() if found["stack_id"] is not None else []
        around: dict[str, UUID] = {each.side: each.event_id for each in connection.execute(questions.AROUND, found)}
        body = _payload(connection, found) if asked.may("analyst") else None
    kept = payload.read(body) if body is not None else None
    is_user_told = kept is not None and any(name == "User" for name, _ in kept.sections)
    personal = tuple(name for name in PERSONAL if not (is_user_told and name.startswith("user_")))
    names = FACTS + (personal if asked.may("analyst") else ())
    tags = {name: told for name, told in found["tags"].items() if asked.may("analyst") or not is_personal(name)}
    return console.page(
        asked,
        "event.html",
        event=found,
        facts=[(name, found[name]) for name in names if found[name] is not None],
        frames=frames,
        around=around,
        tags=tags,
        kept=kept,
        json=_pretty(body) if body is not None else None,
        body_bytes=len(body or b""),
        most_shown=MOST_SHOWN_BYTES,
        sql=shown(questions.EVENT.text, found),
    )


def raw(console: Console, asked: Asked) -> Response:
    """Give the event's own JSON as a file."""
    with console.warehouse.reading() as connection:
        found = _read(connection, asked)
        body = _payload(connection, found)
    if body is None:
        raise NotThere("The event's JSON is not kept any more; its row is.")
    headers = {"content-disposition": f'attachment; filename="{found["event_id"].hex}.json"'}
    return Response(body, media_type="application/json", headers=headers)


def _read(connection: Connection, asked: Asked) -> dict[str, Any]:
    key = {"project_id": asked.number("project_id"), "event_id": asked.uuid("event_id")}
    found = connection.execute(questions.EVENT, key).mappings().one_or_none()
    if found is None:
        raise NotThere("There is no such event in the warehouse.")
    return dict(found)


def _payload(connection: Connection, found: dict[str, Any]) -> bytes | None:
    kept = connection.execute(questions.PAYLOAD, found).one_or_none()
    if kept is None:
        return None
    try:
        return Codebook.read(connection).decompress(kept.codec, bytes(kept.body))
    except ModelsError:
        return None


def _pretty(body: bytes) -> str:
    shown = body if len(body) > MOST_SHOWN_BYTES else msgspec.json.format(body, indent=2)
    return shown[:MOST_SHOWN_BYTES].decode("utf-8", "replace")


ROUTES = (
    Route("/events/{project_id}/{event_id}", event),
    Route("/events/{project_id}/{event_id}/payload.json", raw, "analyst"),
)
