"""Which tickets there are for issues, as `warehouse.ticket` remembers; see reports.delivery.outgoing.Tickets."""

from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection, Engine, text

from models.clock import database_time
from reports.delivery.message import AboutIssue
from reports.delivery.outgoing import TicketLink

HOLD = timedelta(minutes=2)  # longer than a request takes, and than most searches of trackers lag behind

# One of all that begin at once makes the row; the others read it.
BEGIN = text(
    """
    insert into warehouse.ticket (project_id, issue_id, target, key, begun_at)
    values (:project_id, :issue_id, :target, :key, :now)
    on conflict (project_id, issue_id, target) do nothing
    """
)
# What was begun and has no number after the time it is held for is begun again, by one of all that would.
AGAIN = text(
    """
    update warehouse.ticket set begun_at = :now
    where project_id = :project_id and issue_id = :issue_id and target = :target
        and number is null and begun_at <= :before
    """
)
READ = text(
    """
    select key, number, url from warehouse.ticket
    where project_id = :project_id and issue_id = :issue_id and target = :target
    """
)
OPENED = text(
    """
    update warehouse.ticket set number = :number, url = :url, opened_at = :now
    where project_id = :project_id and issue_id = :issue_id and target = :target
    """
)


class KeptTickets:
    """Remembers in the warehouse, in transactions of its own. Takes `clock` in place of the database's, for tests."""

    def __init__(self, engine: Engine, clock: Callable[[Connection], datetime] = database_time) -> None:
        self._engine = engine
        self._clock = clock

    def begun(self, issue: AboutIssue, target: str) -> TicketLink:
        """Give the ticket of an issue; where there is none, remember that one is going to be opened."""
        with self._engine.begin() as connection:
            moment = self._clock(connection)
            row = {**_row(issue, target), "now": moment}
            is_new = connection.execute(BEGIN, {**row, "key": key(issue, target)}).rowcount == 1
            is_ours = is_new or connection.execute(AGAIN, {**row, "before": moment - HOLD}).rowcount == 1
            found = connection.execute(READ, _row(issue, target)).one()
        is_held = found.number is None and not is_ours
        return TicketLink(found.key, found.number, found.url, is_new=is_new, is_held=is_held)

    def opened(self, issue: AboutIssue, target: str, number: str, url: str) -> None:
        """Remember that it is there."""
        with self._engine.begin() as connection:
            told = {"number": number, "url": url, "now": self._clock(connection)}
            connection.execute(OPENED, {**_row(issue, target), **told})


def key(issue: AboutIssue, target: str) -> str:
    """Give the word by which the ticket of an issue is found again: one word to every tracker's search."""
    return "errhouse" + sha256(f"{issue.project_id}:{issue.issue_id}:{target}".encode()).hexdigest()[:20]


def _row(issue: AboutIssue, target: str) -> dict[str, int | str]:
    return {"project_id": issue.project_id, "issue_id": issue.issue_id, "target": target}
