"""
Opens one Jira issue for each issue, and comments on it; whether it is open is left to people.

developer.atlassian.com/cloud/jira/platform/rest/v3 and Data Center's REST API 2: issues, comments, search by JQL, "Rate
limiting" (2026-11). A summary has 255 characters, a description 32,767. Too many requests are 429 with Retry-After; all
other 3xx and 4xx are permanent but 408, 409, 423 and 425. A ticket is found again by a label, which no data can set;
the search lags behind by seconds.
"""

import re
from base64 import b64encode
from typing import Any
from urllib.parse import quote, urlencode

from reports.delivery.guard import check_header, check_url
from reports.delivery.message import Message
from reports.delivery.outgoing import Outgoing, Sent
from reports.delivery.targets import Option, Target
from reports.delivery.ticket_calls import Api, labels
from reports.delivery.ticket_text import document, document_mark, markup, title
from reports.delivery.ticketing import Ticket, sent
from reports.errors import DeliveryError

NAME: str = "jira"
SENTENCE: str = "Opens a Jira issue, once for each issue, and comments on it."
OPTIONS: tuple[Option, ...] = (
    Option("url", "The site, https://SITE.atlassian.net, or a Data Center's address.", is_required=True),
    Option("project", "The key of the project, such as SHOP.", is_required=True),
    Option("token", "An API token of Cloud, or a personal access token of Data Center.", True, is_required=True),
    Option("user", "The mail address the token is of, in Cloud; none for Data Center."),
    Option("type", "The type of issue, by its name; Bug when not told."),
    Option("labels", "Labels of every ticket, with commas between and no spaces in them."),
    Option("ca_file", "A PEM file with the certificates to trust in place of the system's."),
)
TYPE = "Bug"
MOST_COMMENTS = 10
MOST_TYPES = 50
CURES = {
    400: "its answer names the field it refuses: check project and type, and that labels can be set there",
    401: "the token or user is wrong or over; make a new token and set it",
    403: "the user may not do that; let them browse the project, and create and comment on its issues",
    404: "check url and project, that the user may browse it, and that the issue was not deleted",
    410: "what was asked for is gone; check url, or restore the issue",
}

_PROJECT = re.compile(r"[A-Z][A-Z0-9_]{1,49}", re.ASCII)
_NUMBER = re.compile(r"[A-Z][A-Z0-9_]{1,49}-[0-9]{1,18}", re.ASCII)
_PATH = re.compile(r"(?:/[A-Za-z0-9_.-]+)*/?", re.ASCII)


def check(target: Target) -> None:
    """Refuse an address, a project, a user, a token or labels that can be none."""
    _site(target)
    _headers(target)
    if not _PROJECT.fullmatch(target.get("project")):
        raise DeliveryError("project is the key of one, such as SHOP; its issues are called SHOP-1.", permanent=True)
    if any(" " in word for word in labels(target)):
        raise DeliveryError("Jira's labels have no spaces; write hyphens.", permanent=True)


def send(target: Target, message: Message, out: Outgoing) -> Sent:
    """Open a ticket, or comment on it; a test only looks."""
    return sent(_Jira(target, out), target, message, out)


class _Jira:
    """A project's issues; see reports.delivery.ticketing.Tracker."""

    def __init__(self, target: Target, out: Outgoing) -> None:
        self._api = Api(out.http(target), "Jira", _headers(target), out.now(), CURES)
        self._site = _site(target)
        self._is_cloud = bool(target.get("user"))
        self._rest = f"{self._site}/rest/api/{3 if self._is_cloud else 2}"
        self._project = target.get("project")
        self._type = target.get("type", TYPE)
        self._labels = labels(target)

    def look(self) -> Sent:
        asked = f"issue/createmeta/{self._project}/issuetypes?maxResults={MOST_TYPES}"
        found = self._api.many(f"{self._rest}/{asked}", "issueTypes" if self._is_cloud else "values")
        names = [str(each.get("name")) for each in found]
        if self._type not in names and len(names) < MOST_TYPES:
            raise DeliveryError(
                f"The project has no type of issue {self._type!a} for this user; set type to one it has.",
                permanent=True,
            )
        return Sent(200, "issues can be created in the project; none was")

    def found(self, key: str) -> Ticket | None:
        words = f'project = "{self._project}" AND labels = "{key}" ORDER BY created ASC'
        asked = urlencode({"jql": words, "fields": "labels", "maxResults": 3}, quote_via=quote)
        found = self._api.many(f"{self._rest}/search{'/jql' if self._is_cloud else ''}?{asked}", "issues")
        return self._ticket(found[0]) if found else None

    def opened(self, message: Message, key: str, word: str) -> Ticket:
        fields: dict[str, Any] = {
            "project": {"key": self._project},
            "issuetype": {"name": self._type},
            "summary": title(message),
            "description": self._text(message, f"{key} {word}", is_ticket=True),
            "labels": [key, *self._labels],
        }
        return self._ticket(self._api.one("POST", f"{self._rest}/issue", {"fields": fields}))

    def read(self, number: str, word: str) -> Ticket:
        told = self._api.one("GET", f"{self._rest}/issue/{number}?fields=description")
        fields = told.get("fields")
        description = fields.get("description") if isinstance(fields, dict) else None
        return self._ticket(told)._replace(is_of=_last(description).endswith(f" {word}"))

    def has_comment(self, number: str, _: Message, word: str) -> bool:
        asked = {"orderBy": "-created", "maxResults": MOST_COMMENTS}
        found = self._api.newest(f"{self._rest}/issue/{number}/comment?{urlencode(asked)}", "comments")
        return any(_last(each.get("body")) == f"errhouse {word}" for each in found)

    def comment(self, number: str, message: Message, word: str) -> None:
        body = self._text(message, f"errhouse {word}", is_ticket=False)
        self._api.ask("POST", f"{self._rest}/issue/{number}/comment", {"body": body})

    def reopen(self, number: str) -> None:
        """Leave it: which transition opens an issue again differs from workflow to workflow."""

    def _text(self, message: Message, last: str, *, is_ticket: bool) -> Any:
        return (document if self._is_cloud else markup)(message, last, is_ticket=is_ticket)

    def _ticket(self, told: dict[str, Any]) -> Ticket:
        key = told.get("key")
        if not isinstance(key, str) or not _NUMBER.fullmatch(key):
            raise self._api.strange()
        return Ticket(key, f"{self._site}/browse/{key}")


def _site(target: Target) -> str:
    place = check_url(target.get("url"), target.allow_private)
    if not _PATH.fullmatch(place.path):
        raise DeliveryError("url is the site alone: write https://SITE.atlassian.net.", permanent=True)
    return f"{place.scheme}://{place.authority}{place.path.rstrip('/')}"


def _headers(target: Target) -> dict[str, str]:
    user, token = target.get("user"), target.get("token")
    value = f"Basic {b64encode(f'{user}:{token}'.encode()).decode()}" if user else f"Bearer {token}"
    check_header("authorization", value)
    return {"authorization": value}


def _last(body: Any) -> str:
    """Give the words of the last line of a body, in Atlassian's document format or in markup."""
    if isinstance(body, str):
        return body.rstrip().rpartition("\n")[2].strip()
    try:
        node = body["content"][-1]
        (text,) = node["content"]
        return str(text["text"]) if node == {**node, **document_mark(text["text"])} else ""
    except (KeyError, IndexError, TypeError, ValueError):
        return ""
