"""
One ticket for each issue, in any tracker: opened once, then commented on.

The warehouse remembers that a ticket was begun before it is opened, and its number after that. Who finds one begun
without a number comes after a crash, or after an answer that was lost: it is searched for before another is opened, and
not within the first two minutes, in which a tracker's search may not know it yet.
"""

from typing import NamedTuple, Protocol

from models import failpoints
from reports.delivery.message import Message
from reports.delivery.outgoing import Outgoing, Sent
from reports.delivery.targets import Target
from reports.delivery.ticket_text import mark
from reports.errors import DeliveryError

AGAIN_SECONDS = 60.0


class Ticket(NamedTuple):
    """A ticket that is there; `is_of`, whether the message in hand opened it."""

    number: str
    url: str
    is_open: bool = True
    is_of: bool = False


class Tracker(Protocol):
    """What a tracker does. Each of them raises DeliveryError; `word` is the message's."""

    def look(self) -> Sent:
        """Say that tickets can be opened; open none."""

    def found(self, key: str) -> Ticket | None:
        """Search for the ticket that was opened with a key."""

    def opened(self, message: Message, key: str, word: str) -> Ticket:
        """Open one."""

    def read(self, number: str, word: str) -> Ticket:
        """Read one by its number."""

    def has_comment(self, number: str, message: Message, word: str) -> bool:
        """Say whether the message is a comment of it already."""

    def comment(self, number: str, message: Message, word: str) -> None:
        """Comment on it."""

    def reopen(self, number: str) -> None:
        """Open it again."""


def sent(tracker: Tracker, target: Target, message: Message, out: Outgoing) -> Sent:
    """Open a ticket for a message's issue, or comment on the one that is there. Raises DeliveryError."""
    if message.kind == "test":
        return tracker.look()
    issue = message.issue
    if message.kind != "alert" or issue is None:
        raise DeliveryError(
            "Only alerts about one issue become tickets; send this to a chat or by mail.", permanent=True
        )
    word = mark(message.key)
    link = out.tickets.begun(issue, target.name)
    number = link.number
    if number is None:
        if link.is_held:
            raise DeliveryError(
                "Its ticket was begun a moment ago, and may be there soon; it is looked for in a minute.",
                permanent=False,
                retry_after=AGAIN_SECONDS,
            )
        failpoints.passed(failpoints.TICKET_BEGUN)
        found = None if link.is_new else tracker.found(link.key)
        ticket = found or tracker.opened(message, link.key, word)
        failpoints.passed(failpoints.TICKET_OPENED)
        out.tickets.opened(issue, target.name, ticket.number, ticket.url)
        if found is None:
            return Sent(201, f"opened {ticket.number}")
        number = ticket.number
    if issue.transition == "new":
        return Sent(200, f"{number} is open for it already")
    return _told(tracker, number, message, word)


def _told(tracker: Tracker, number: str, message: Message, word: str) -> Sent:
    ticket = tracker.read(number, word)
    if ticket.is_of:
        return Sent(200, f"{number} is open for it already")
    if not tracker.has_comment(number, message, word):
        tracker.comment(number, message, word)
    if message.issue and message.issue.transition == "regressed" and not ticket.is_open:
        tracker.reopen(number)
        return Sent(201, f"commented on {number}, and opened it again")
    return Sent(201, f"commented on {number}")
