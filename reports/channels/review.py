"""
Comments on the pull or merge request that brought a release's commit, when an issue is new in it or comes back.

docs.github.com/rest, version 2022-11-28: "List pull requests associated with a commit" and comments of issues;
docs.gitlab.com/api: "List merge requests associated with a commit" and notes (2026-11). A body has 65,536 characters.
Limits of rate are those of the channels github and gitlab; permanent are 3xx and 4xx but 403 by rate, 408, 409, 423,
425 and 429, and the 404 and 422 of a commit that is not known there: then, or when no request brought it, nothing is
to be said and nothing failed.
"""

from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import urlencode

from models import failpoints
from reports.delivery.message import Message
from reports.delivery.outgoing import Outgoing, Sent
from reports.delivery.release_commit import commit_of
from reports.delivery.targets import Option, Target
from reports.delivery.ticket_calls import (
    Api,
    github_headers,
    gitlab_headers,
    is_github,
    project,
    repository,
    web_address,
)
from reports.delivery.ticket_text import comment_mark, ends_with, mark, markdown
from reports.errors import DeliveryError

NAME: str = "review"
SENTENCE: str = "Comments on the pull or merge request whose commit a new or regressed issue came with."
OPTIONS: tuple[Option, ...] = (
    Option(
        "url", "The repository, https://github.com/OWNER/REPO or https://gitlab.com/GROUP/PROJECT.", is_required=True
    ),
    Option("token", "A token that may read commits and comment on requests.", is_secret=True, is_required=True),
    Option("ca_file", "A PEM file with the certificates to trust in place of the system's."),
)
AGAIN_SECONDS = 60.0
MOST_COMMENTS = 10
MOST_REQUESTS = 5
LOOK_BACK = timedelta(days=1)
UNKNOWN = {404, 422}
CURES = {
    401: "the token is wrong or over; make a new one and set it",
    403: "the token may not do that; let it read the code and write comments on pull or merge requests",
    404: "check url, and that the token may read the code there",
}


class Requests(Protocol):
    """Pull or merge requests of one repository."""

    def look(self) -> None:
        """Read the repository."""

    def of(self, commit: str) -> tuple[str, str] | None:
        """Give number and address of the request that brought a commit."""

    def has_comment(self, number: str, message: Message, last: str) -> bool:
        """Say whether a comment with that last line is there."""

    def comment(self, number: str, body: str) -> None:
        """Comment on it."""


def check(target: Target) -> None:
    """Refuse an address that is no repository's, and a token that can be none."""
    if is_github(target):
        repository(target)
        github_headers(target)
    else:
        project(target)
        gitlab_headers(target)


def send(target: Target, message: Message, out: Outgoing) -> Sent:
    """Comment once for each issue and request; a test only looks."""
    requests: Requests = _GitHub(target, out) if is_github(target) else _GitLab(target, out)
    if message.kind == "test":
        requests.look()
        return Sent(200, "the repository can be read; no comment was made")
    issue = message.issue
    if message.kind != "alert" or issue is None:
        raise DeliveryError(
            "Only alerts about one issue become comments; send this to a chat or by mail.", permanent=True
        )
    if issue.transition not in {"new", "regressed"}:
        return Sent(None, "no comment: the issue is neither new nor regressed")
    commit = commit_of(issue.release)
    if commit is None:
        return Sent(None, "no comment: the release names no commit")
    found = requests.of(commit)
    if found is None:
        return Sent(None, "no comment: no pull or merge request brought the commit, as far as is known there")
    number, url = found
    link = out.tickets.begun(issue, f"{target.name}#{number}")
    if link.number is not None:
        return Sent(200, f"{number} has a comment on it already")
    if link.is_held:
        raise DeliveryError(
            "Its comment was begun a moment ago, and may be there soon; it is looked for in a minute.",
            permanent=False,
            retry_after=AGAIN_SECONDS,
        )
    last = mark(f"review:{issue.project_id}:{issue.issue_id}")
    is_there = requests.has_comment(number, message, comment_mark(last))
    if not is_there:
        requests.comment(number, markdown(message, last, is_ticket=True))
    failpoints.passed(failpoints.TICKET_OPENED)
    out.tickets.opened(issue, f"{target.name}#{number}", number, url)
    return Sent(200, f"{number} has a comment on it already") if is_there else Sent(201, f"commented on {number}")


class _GitHub:
    """Pull requests of a repository; see Requests."""

    def __init__(self, target: Target, out: Outgoing) -> None:
        self._api = Api(out.http(target), "GitHub", github_headers(target), out.now(), CURES)
        self._url = repository(target).url

    def look(self) -> None:
        self._api.one("GET", self._url)

    def of(self, commit: str) -> tuple[str, str] | None:
        # each tells all of its repositories, which is 20 KiB of the 64 that are read
        found = _known(self._api, self._url, f"commits/{commit}/pulls?per_page=1")
        return (self._api.number(found[0].get("number")), web_address(found[0].get("html_url"))) if found else None

    def has_comment(self, number: str, message: Message, last: str) -> bool:
        asked: dict[str, str | int] = {"per_page": MOST_COMMENTS}
        if message.made_at:
            asked["since"] = f"{message.made_at - LOOK_BACK:%Y-%m-%dT%H:%M:%SZ}"
        found = self._api.newest(f"{self._url}/issues/{number}/comments?{urlencode(asked)}")
        return any(ends_with(each.get("body"), last) for each in found)

    def comment(self, number: str, body: str) -> None:
        self._api.ask("POST", f"{self._url}/issues/{number}/comments", {"body": body})


class _GitLab:
    """Merge requests of a project; see Requests."""

    def __init__(self, target: Target, out: Outgoing) -> None:
        self._api = Api(out.http(target), "GitLab", gitlab_headers(target), out.now(), CURES)
        self._url = project(target)

    def look(self) -> None:
        self._api.one("GET", self._url)

    def of(self, commit: str) -> tuple[str, str] | None:
        found = _known(self._api, self._url, f"repository/commits/{commit}/merge_requests?per_page={MOST_REQUESTS}")
        alive = [each for state in ("merged", "opened") for each in found if each.get("state") == state]
        return (self._api.number(alive[0].get("iid")), web_address(alive[0].get("web_url"))) if alive else None

    def has_comment(self, number: str, _: Message, last: str) -> bool:
        asked = {"order_by": "created_at", "sort": "desc", "per_page": MOST_COMMENTS}
        found = self._api.newest(f"{self._url}/merge_requests/{number}/notes?{urlencode(asked)}")
        return any(ends_with(each.get("body"), last) for each in found)

    def comment(self, number: str, body: str) -> None:
        self._api.ask("POST", f"{self._url}/merge_requests/{number}/notes", {"body": body})


def _known(api: Api, url: str, asked: str) -> list[dict[str, Any]]:
    """Give the requests of a commit; none when it is not known there."""
    try:
        return api.many(f"{url}/{asked}")
    except DeliveryError as wrong:
        if wrong.status not in UNKNOWN:
            raise
        if wrong.status == 404:
            api.one("GET", url)  # a repository that is not there is a failure
        return []
