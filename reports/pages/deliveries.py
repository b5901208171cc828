"""The last inbound requests: what came, how it was answered, and, for admins, what was sent."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import Response

from reports.pages import questions
from reports.pages.asked import Asked, NotThere
from reports.pages.page import Console, Route


def deliveries(console: Console, asked: Asked) -> Response:
    """List them."""
    chosen = {name: asked.word(name)[:60] for name in ("form", "status", "reason", "slow")}
    found, left_out = console.receiving.requests(
        chosen["form"] or None, chosen["status"] or None, chosen["reason"] or None, is_slow=bool(chosen["slow"])
    )
    rows = [{**row, "at": _instant(row["at_us"])} for row in found]
    return console.page(asked, "deliveries.html", rows=rows, left_out=left_out, chosen=chosen)


def delivery(console: Console, asked: Asked) -> Response:
    """Show one: all that is written down, where its event is, and, to an admin, its body as it came."""
    key = asked.named["key"]
    found = console.receiving.request(key)
    if found is None:
        raise NotThere("This request is not in the log any more; it holds the last ones alone.")
    event = None
    kept = None
    with console.warehouse.reading() as connection:
        if found["project_id"] and found["event_id"]:
            told = {"project_id": found["project_id"], "event_id": UUID(found["event_id"])}
            event = connection.execute(questions.EVENT, told).mappings().one_or_none()
        if asked.may("admin"):
            kept = console.receiving.request_bytes(connection, key)
    return console.page(asked, "delivery.html", one=found, at=_instant(found["at_us"]), event=event, kept=kept)


def _instant(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1e6, UTC)


ROUTES = (Route("/deliveries", deliveries), Route("/deliveries/{key}", delivery, "analyst"))
