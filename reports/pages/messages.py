"""Messages: the last of them, what became of each attempt, and how their targets fare."""

from fastapi import Response
from sqlalchemy import text

from reports.pages.asked import Asked
from reports.pages.page import Console, Route

# The last messages, each with its last attempt.
MESSAGES = text(
    """
    select o.message_id, o.target, o.kind, o.rule, o.message ->> 'title' as title, o.created_at, o.due_at, o.status,
        o.attempt_count, o.finished_at, o.error, d.status as answered, d.ended_at
    from warehouse.outbox o
    left join lateral (
        select d.status, d.ended_at from warehouse.delivery d where d.message_id = o.message_id
        order by d.attempt desc limit 1
    ) d on true
    where (cast(:target as text) is null or o.target = :target)
    order by o.created_at desc, o.message_id limit 100
    """
)
TARGETS = text(
    """
    select s.target, s.failure_count, s.open_until, s.sent_at, s.error,
        (select count(*) from warehouse.outbox o where o.target = s.target and o.status in ('waiting', 'sending'))
            as waiting
    from warehouse.target_state s order by s.failure_count > 0 desc, s.target
    """
)


def messages(console: Console, asked: Asked) -> Response:
    """List messages, and how targets fare."""
    chosen = asked.word("target") or None
    with console.warehouse.reading() as connection:
        found = connection.execute(MESSAGES, {"target": chosen}).all()
        targets = connection.execute(TARGETS).all()
    return console.page(asked, "messages.html", messages=found, targets=targets, chosen=chosen)


ROUTES = (Route("/messages", messages, "analyst"),)
