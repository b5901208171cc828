"""
Opens one GitHub issue for each issue, and comments on it.

docs.github.com/rest, version 2022-11-28: issues, comments, "Searching issues" (2026-11). A title has 256 characters, a
body 65,536. 80 requests a minute that write and 30 that search; then 403 or 429 with Retry-After, or
`x-ratelimit-remaining: 0` and the second of `x-ratelimit-reset`. All other 3xx and 4xx are permanent but 408, 409, 423
and 425; 410 says that a repository's issues are off, or that an issue was deleted. The search lags behind by seconds.
"""

from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

from reports.delivery.message import Message
from reports.delivery.outgoing import Outgoing, Sent
from reports.delivery.targets import Option, Target
from reports.delivery.ticket_calls import Api, github_headers, labels, repository, web_address
from reports.delivery.ticket_text import comment_mark, ends_with, markdown, title
from reports.delivery.ticketing import Ticket, sent
from reports.errors import DeliveryError

NAME: str = "github"
SENTENCE: str = "Opens a GitHub issue, once for each issue, and comments on it."
OPTIONS: tuple[Option, ...] = (
    Option(
        "url",
        "The repository, https://github.com/OWNER/REPO, or https://HOST/OWNER/REPO of an Enterprise server.",
        is_required=True,
    ),
    Option("token", "A token that may read and write the repository's issues.", is_secret=True, is_required=True),
    Option("labels", "Labels of every ticket, with commas between."),
    Option("ca_file", "A PEM file with the certificates to trust in place of the system's."),
)
MOST_COMMENTS = 10
SKEW = timedelta(minutes=5)
CURES = {
    401: "the token is wrong or over; make a new one and set it",
    403: "the token may not do that; let it read and write the repository's issues",
    404: "check url, and that the token may read and write the repository's issues",
    410: "the issues of the repository are off or this one was deleted; switch them on, or restore it",
}


def check(target: Target) -> None:
    """Refuse an address that is no repository's, a token or labels that can be none."""
    repository(target)
    github_headers(target)
    labels(target)


def send(target: Target, message: Message, out: Outgoing) -> Sent:
    """Open a ticket, or comment on it; a test only looks."""
    return sent(_GitHub(target, out), target, message, out)


class _GitHub:
    """A repository's issues; see reports.delivery.ticketing.Tracker."""

    def __init__(self, target: Target, out: Outgoing) -> None:
        self._api = Api(out.http(target), "GitHub", github_headers(target), out.now(), CURES)
        self._place = repository(target)
        self._issues = f"{self._place.url}/issues"
        self._labels = labels(target)

    def look(self) -> Sent:
        found = self._api.one("GET", self._place.url)
        if found.get("has_issues") is False:
            raise DeliveryError("The repository's issues are off; switch them on in its settings.", permanent=True)
        return Sent(200, "the repository can be read; no issue was opened")

    def found(self, key: str) -> Ticket | None:
        words = f'"{key}" repo:{self._place.owner}/{self._place.name} is:issue in:body'
        asked = urlencode({"q": words, "sort": "created", "order": "asc", "per_page": 3}, quote_via=quote)
        answered = self._api.one("GET", f"{self._place.api}/search/issues?{asked}")
        if answered.get("incomplete_results") is True:
            raise DeliveryError("GitHub's search was not complete; it is asked again.", permanent=False)
        items = answered.get("items")
        if not isinstance(items, list):
            raise self._api.strange()
        ours = (each for each in items if isinstance(each, dict) and ends_with(each.get("body"), f"<!-- {key}"))
        return next((self._ticket(each) for each in ours), None)

    def opened(self, message: Message, key: str, word: str) -> Ticket:
        body = markdown(message, f"{key} {word}", is_ticket=True, key=key)
        told: dict[str, Any] = {"title": title(message), "body": body}
        if self._labels:
            told["labels"] = self._labels
        return self._ticket(self._api.one("POST", self._issues, told))

    def read(self, number: str, word: str) -> Ticket:
        return self._ticket(self._api.one("GET", f"{self._issues}/{number}"), word)

    def has_comment(self, number: str, message: Message, word: str) -> bool:
        asked: dict[str, str | int] = {"per_page": MOST_COMMENTS}
        if message.made_at:
            asked["since"] = f"{message.made_at - SKEW:%Y-%m-%dT%H:%M:%SZ}"
        found = self._api.newest(f"{self._issues}/{number}/comments?{urlencode(asked)}")
        return any(ends_with(each.get("body"), comment_mark(word)) for each in found)

    def comment(self, number: str, message: Message, word: str) -> None:
        self._api.ask("POST", f"{self._issues}/{number}/comments", {"body": markdown(message, word, is_ticket=False)})

    def reopen(self, number: str) -> None:
        self._api.ask("PATCH", f"{self._issues}/{number}", {"state": "open"})

    def _ticket(self, told: dict[str, Any], word: str = "") -> Ticket:
        is_of = bool(word) and str(told.get("body") or "").rstrip().endswith(f" {word} -->")
        url = web_address(told.get("html_url"))
        return Ticket(self._api.number(told.get("number")), url, told.get("state") != "closed", is_of)
