"""Which tickets there are for issues, as `warehouse.ticket` remembers; see reports.outgoing.Tickets."""

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Engine, text

from reports.message import AboutIssue
from reports.outgoing import TicketLink

# One of all that begin at once makes the row; the others read it.
BEGIN = text(
    """
    insert into warehouse.ticket (project_id, issue_id, target, key, begun_at)
    values (:project_id, :issue_id, :target, :key, :now)
    on conflict (project_id, issue_id, target) do nothing
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
    """Remembers in the warehouse, each time in a transaction of its own. Takes the clock."""

    def __init__(self, engine: Engine, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._now = now

    def begun(self, issue: AboutIssue, target: str) -> TicketLink:
        """Give the ticket of an issue; where there is none, remember that one is going to be opened."""
        row = {**_row(issue, target), "key": key(issue, target), "now": self._now()}
        with self._engine.begin() as connection:
            connection.execute(BEGIN, row)
            found = connection.execute(READ, _row(issue, target)).one()
        return TicketLink(*found)

    def opened(self, issue: AboutIssue, target: str, number: str, url: str) -> None:
        """Remember that it is there."""
        with self._engine.begin() as connection:
            connection.execute(OPENED, {**_row(issue, target), "number": number, "url": url, "now": self._now()})


def key(issue: AboutIssue, target: str) -> str:
    """Give the word by which the ticket of an issue is found again: one word to every tracker's search."""
    return "errhouse" + sha256(f"{issue.project_id}:{issue.issue_id}:{target}".encode()).hexdigest()[:20]


def _row(issue: AboutIssue, target: str) -> dict[str, int | str]:
    return {"project_id": issue.project_id, "issue_id": issue.issue_id, "target": target}
