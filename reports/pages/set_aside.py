"""What could not become a row: why, what it was, and, for admins, loading it again."""

from typing import Any

import structlog
from fastapi import Response

from reports.pages import questions
from reports.pages.asked import Asked, BadQuestion, NotThere
from reports.pages.page import Console, Route

log = structlog.get_logger()


def set_aside(console: Console, asked: Asked) -> Response:
    """List what could not become a row, and why."""
    return _listed(console, asked, asked.word("reason") or None, None)


def record(console: Console, asked: Asked) -> Response:
    """Show one record; what the sender sent, which nobody has scrubbed, only to an admin."""
    key = asked.number("key")
    with console.warehouse.reading() as connection:
        found = connection.execute(questions.SET_ASIDE_RECORD, {"key": key}).mappings().one_or_none()
        kept = console.receiving.aside_bytes(connection, key) if asked.may("admin") else None
    if found is None:
        raise NotThere("This record is not set aside any more: it is loaded, or was removed for want of room.")
    return console.page(asked, "set_aside_record.html", record=found, kept=kept)


def replay(console: Console, asked: Asked) -> Response:
    """Load one record again, or all of a reason, and say how it went."""
    asked.check_form()
    told, reason = asked.form.get("key", ""), asked.form.get("reason", "")[:60] or None
    if not reason and not (told.isascii() and told.isdigit() and int(told) < 2**63):
        raise BadQuestion("The form does not say which record, or which reason.")
    key = None if reason else int(told)
    log.info("loading again what was set aside", person=asked.person and asked.person.name, key=key, reason=reason)
    said = console.receiving.replay(key, reason)
    return _listed(console, asked, None, said)


def _listed(console: Console, asked: Asked, chosen: str | None, said: str | None) -> Response:
    with console.warehouse.reading() as connection:
        found: Any = connection.execute(questions.SET_ASIDE, {"reason": chosen}).all()
        reasons = connection.execute(questions.SET_ASIDE_REASONS).all()
    return console.page(asked, "set_aside.html", records=found, reasons=reasons, chosen=chosen, said=said)


ROUTES = (
    Route("/set-aside", set_aside, "analyst"),
    Route("/set-aside/replay", replay, "admin", "POST"),
    Route("/set-aside/{key}", record, "analyst"),
)
