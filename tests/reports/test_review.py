"""Comments on the request that brought a commit: once for each issue and request, and nothing where there is none."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from socket import socket
from typing import Any

import msgspec
import pytest

from reports.channels import review
from reports.delivery.message import Message
from reports.delivery.outgoing import Sent
from reports.delivery.targets import Target
from reports.errors import DeliveryError
from tests.support.contracts import ISSUE, MESSAGE
from tests.support.doors import MemoryTickets, doors
from tests.support.vendor import Request, Vendor, answering, endless, vendor

SHA = "1f2e3d4c5b6a79887766554433221100ffeeddcc"
PLACE = (ISSUE.project_id, ISSUE.issue_id, "there#12")
Said = tuple[int, Any]
URLS = {"github": "repos/acme/shop", "gitlab": "api/v4/projects/7"}
REQUESTS = {
    "github": [{"number": 12, "html_url": "https://github.com/acme/shop/pull/12"}],
    "gitlab": [{"iid": 9, "state": "closed"}, {"iid": 12, "state": "opened", "web_url": "https://gitlab.com/a/-/12"}],
}


def about(transition: str = "new", release: str | None = f"shop@{SHA}", key: str = "k") -> Message:
    issue = msgspec.structs.replace(ISSUE, transition=transition, release=release)
    return msgspec.structs.replace(MESSAGE, key=key, issue=issue)


class Forge:
    """Answers as GitHub and GitLab do, and keeps the comments of its one request."""

    def __init__(self, kind: str, answers: Mapping[str, Said] | None = None) -> None:
        self.kind = kind
        self.answers = answers or {}
        self.comments: list[str] = []
        self.tickets = MemoryTickets()

    def __call__(self, server: Vendor, connection: socket, request: Request) -> None:
        place = request.path.partition("?")[0].rpartition("/")[2]
        status, said = self.answers.get(place) or self._said(request, place)
        answering(status, json.dumps(said).encode())(server, connection, request)

    def _said(self, request: Request, place: str) -> Said:
        if place in {"pulls", "merge_requests"}:
            return 200, REQUESTS[self.kind]
        if request.method == "POST":
            self.comments.append(json.loads(request.body)["body"])
            return 201, {"id": 1}
        return 200, [{"body": each} for each in self.comments] if place in {"comments", "notes"} else {"id": 7}

    def send(self, message: Message, answer: Callable[..., None] | None = None) -> tuple[Sent, list[str]]:
        with vendor(answer or self) as server:
            url = f"http://127.0.0.1:{server.port}/{URLS[self.kind]}"
            target = Target("there", "review", {"url": url, "token": "token"}, allow_private=True)
            review.check(target)
            sent = review.send(target, message, doors(server.port, None, self.tickets))
            return sent, [f"{each.method} {each.path.partition('?')[0]}" for each in server.requests]


@pytest.mark.parametrize("kind", URLS)
def test_an_issue_is_told_once_to_the_request_that_brought_it(kind: str) -> None:
    forge = Forge(kind)
    assert forge.send(about())[0] == Sent(201, "commented on 12")
    assert forge.send(about(key="another rule's"))[0].status == 200
    assert forge.send(about("regressed"))[0].status == 200
    assert len(forge.comments) == 1
    assert forge.tickets.links[PLACE].number == "12"


@pytest.mark.parametrize("kind", URLS)
def test_a_comment_that_was_made_and_not_written_down_is_found_again(kind: str) -> None:
    forge = Forge(kind)
    forge.send(about())
    forge.tickets.links[PLACE] = replace(forge.tickets.links[PLACE], number=None)
    assert forge.send(about())[0].detail == "12 has a comment on it already"
    assert len(forge.comments) == 1
    assert forge.tickets.links[PLACE].number == "12"


def test_a_comment_that_another_is_making_is_waited_for() -> None:
    forge = Forge("github")
    forge.tickets.links[PLACE] = replace(forge.tickets.begun(ISSUE, "there#12"), is_new=False, is_held=True)
    with pytest.raises(DeliveryError, match="a moment ago") as wrong:
        forge.send(about())
    assert not wrong.value.permanent
    assert forge.comments == []


@pytest.mark.parametrize(
    ("message", "answers", "why"),
    [
        (about("seen"), {}, "neither new nor regressed"),
        (about(release="shop@1.2.3"), {}, "names no commit"),
        (about(release=None), {}, "names no commit"),
        (about(), {"pulls": (200, []), "merge_requests": (200, [])}, "no pull or merge request"),
        (about(), {"pulls": (404, {}), "merge_requests": (404, {})}, "no pull or merge request"),
        (about(), {"pulls": (422, {}), "merge_requests": (404, {})}, "no pull or merge request"),
    ],
)
@pytest.mark.parametrize("kind", URLS)
def test_where_there_is_no_request_nothing_is_said_and_nothing_failed(
    kind: str, message: Message, answers: Mapping[str, Said], why: str
) -> None:
    forge = Forge(kind, answers)
    sent, _ = forge.send(message)
    assert sent.status is None
    assert why in (sent.detail or "")
    assert forge.comments == []


@pytest.mark.parametrize("kind", URLS)
def test_a_repository_that_is_not_there_is_a_failure(kind: str) -> None:
    with pytest.raises(DeliveryError, match="answered 404; check url") as wrong:
        Forge(kind).send(about(), answering(404, b"{}"))
    assert wrong.value.permanent


@pytest.mark.parametrize("kind", URLS)
def test_comments_too_long_to_read_do_not_keep_a_message(kind: str) -> None:
    forge = Forge(kind)

    def answer(server: Vendor, connection: socket, request: Request) -> None:
        is_listed = request.method == "GET" and request.path.partition("?")[0].endswith(("comments", "notes"))
        (endless if is_listed else forge)(server, connection, request)

    assert forge.send(about(), answer)[0].status == 201


@pytest.mark.parametrize("kind", URLS)
def test_a_test_looks_and_says_nothing(kind: str) -> None:
    forge = Forge(kind)
    sent, asked = forge.send(Message("k", "test", "Test"))
    assert "no comment was made" in (sent.detail or "")
    assert asked == [f"GET /{URLS[kind]}"]


@pytest.mark.parametrize("kind", ["digest", "report", "alert"])
def test_what_is_about_no_issue_is_refused_in_a_sentence(kind: str) -> None:
    with pytest.raises(DeliveryError, match="send this to a chat or by mail") as wrong:
        Forge("github").send(Message("k", kind, "Many"))
    assert wrong.value.permanent
