"""
Opens one GitLab issue for each issue, and comments on it.

docs.gitlab.com/api: issues, notes, "Rate limits" (2026-11). A title has 255 characters, a description 1,048,576.
GitLab.com takes 200 new issues and 60 notes a minute, servers of one's own what their administrator set; then 429 with
Retry-After, or `ratelimit-reset`. All other 3xx and 4xx are permanent but 408, 409, 423 and 425. Lines that begin with
a slash are commands to it, which none of ours does.
"""

from typing import Any
from urllib.parse import urlencode

from reports.delivery.message import Message
from reports.delivery.outgoing import Outgoing, Sent
from reports.delivery.targets import Option, Target
from reports.delivery.ticket_calls import Api, gitlab_headers, labels, project, web_address
from reports.delivery.ticket_text import comment_mark, ends_with, markdown, title
from reports.delivery.ticketing import Ticket, sent
from reports.errors import DeliveryError

NAME: str = "gitlab"
SENTENCE: str = "Opens a GitLab issue, once for each issue, and comments on it."
OPTIONS: tuple[Option, ...] = (
    Option("url", "The project, https://gitlab.com/GROUP/PROJECT.", is_required=True),
    Option("token", "A project's access token with the scope api.", is_secret=True, is_required=True),
    Option("labels", "Labels of every ticket, with commas between."),
    Option("ca_file", "A PEM file with the certificates to trust in place of the system's."),
)
MOST_COMMENTS = 10
CURES = {
    401: "the token is wrong or over; make a new one and set it",
    403: "the token may not do that; give it the scope api and a role that may open issues",
    404: "check url, that the token may see the project, and that the issue was not deleted",
    410: "the issues of the project are off or this one was deleted; switch them on, or restore it",
}


def check(target: Target) -> None:
    """Refuse an address that is no project's, a token or labels that can be none."""
    project(target)
    gitlab_headers(target)
    labels(target)


def send(target: Target, message: Message, out: Outgoing) -> Sent:
    """Open a ticket, or comment on it; a test only looks."""
    return sent(_GitLab(target, out), target, message, out)


class _GitLab:
    """A project's issues; see reports.delivery.ticketing.Tracker."""

    def __init__(self, target: Target, out: Outgoing) -> None:
        self._api = Api(out.http(target), "GitLab", gitlab_headers(target), out.now(), CURES)
        self._project = project(target)
        self._issues = f"{self._project}/issues"
        self._labels = labels(target)

    def look(self) -> Sent:
        if self._api.one("GET", self._project).get("issues_enabled") is False:
            raise DeliveryError("The project's issues are off; switch them on in its settings.", permanent=True)
        return Sent(200, "the project can be read; no issue was opened")

    def found(self, key: str) -> Ticket | None:
        asked = {"search": key, "in": "description", "scope": "all", "order_by": "created_at", "sort": "asc"}
        found = self._api.many(f"{self._issues}?{urlencode({**asked, 'per_page': 3})}")
        ours = (each for each in found if ends_with(each.get("description"), f"<!-- {key}"))
        return next((self._ticket(each) for each in ours), None)

    def opened(self, message: Message, key: str, word: str) -> Ticket:
        body = markdown(message, f"{key} {word}", is_ticket=True, key=key)
        told: dict[str, Any] = {"title": title(message), "description": body}
        if self._labels:
            told["labels"] = ",".join(self._labels)
        return self._ticket(self._api.one("POST", self._issues, told))

    def read(self, number: str, word: str) -> Ticket:
        return self._ticket(self._api.one("GET", f"{self._issues}/{number}"), word)

    def has_comment(self, number: str, _: Message, word: str) -> bool:
        asked = {"order_by": "created_at", "sort": "desc", "per_page": MOST_COMMENTS}
        found = self._api.newest(f"{self._issues}/{number}/notes?{urlencode(asked)}")
        return any(ends_with(each.get("body"), comment_mark(word)) for each in found)

    def comment(self, number: str, message: Message, word: str) -> None:
        self._api.ask("POST", f"{self._issues}/{number}/notes", {"body": markdown(message, word, is_ticket=False)})

    def reopen(self, number: str) -> None:
        self._api.ask("PUT", f"{self._issues}/{number}", {"state_event": "reopen"})

    def _ticket(self, told: dict[str, Any], word: str = "") -> Ticket:
        is_of = bool(word) and str(told.get("description") or "").rstrip().endswith(f" {word} -->")
        url = web_address(told.get("web_url"))
        return Ticket(self._api.number(told.get("iid")), url, told.get("state") != "closed", is_of)
