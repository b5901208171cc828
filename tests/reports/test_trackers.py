"""Tickets: opened once, commented on, opened again; and what trackers refuse."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest

from reports.channels import channel_of, check
from reports.delivery.message import Message
from reports.delivery.outgoing import Outgoing, Sent
from reports.delivery.targets import Target
from reports.delivery.ticket_text import mark
from reports.errors import DeliveryError
from tests.support.contracts import ISSUE, MESSAGE
from tests.support.doors import NOON, MemoryTickets, doors
from tests.support.tracker import Tracker, options
from tests.support.vendor import Vendor, answering, vendor

KINDS = ("github", "gitlab", "jira", "data-center")
PLACE = (ISSUE.project_id, ISSUE.issue_id, "there")


@dataclass
class Desk:
    """A tracker, a target of it and what is remembered of tickets."""

    tracker: Tracker
    server: Vendor
    target: Target
    out: Outgoing
    tickets: MemoryTickets

    def send(self, message: Message = MESSAGE) -> Sent:
        self.tracker.asked.clear()
        return channel_of(self.target.channel).send(self.target, message, self.out)


def about(transition: str, key: str = "", **more: Any) -> Message:
    issue = msgspec.structs.replace(ISSUE, transition=transition, **more)
    return msgspec.structs.replace(MESSAGE, key=key or f"rule:ops:1:7:{transition}", issue=issue)


def target_of(channel: str, told: dict[str, str]) -> Target:
    return Target("there", "jira" if channel == "data-center" else channel, told, allow_private=True)


@pytest.fixture(params=KINDS)
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    tracker, tickets = Tracker(), MemoryTickets()
    with vendor(tracker) as server:
        target = target_of(request.param, options(request.param, server.port))
        check(target)
        yield Desk(tracker, server, target, doors(server.port, None, tickets), tickets)


def test_a_ticket_is_opened_once_and_told_of_what_follows(desk: Desk) -> None:
    assert desk.send().status == 201
    assert desk.tracker.asked == ["POST issue"]
    assert desk.send(about("new", "rule:other:1:7:new")).status == 200  # the ticket says it
    assert desk.tracker.asked == []
    desk.send(about("seen"))
    desk.send(about("seen"))  # as after a crash
    desk.send(about("seen", "rule:ops:1:7:seen:2"))
    (one,) = desk.tracker.issues
    assert len(one.comments) == 2
    assert desk.tickets.links[PLACE].number in {"1", "SHOP-1"}
    assert desk.tickets.links[PLACE].url


def test_a_regression_opens_a_ticket_again_but_in_jira(desk: Desk) -> None:
    desk.send()
    (one,) = desk.tracker.issues
    one.is_open = False
    desk.send(about("regressed"))
    assert one.is_open == (desk.target.channel != "jira")
    one.is_open = False
    desk.send(about("regressed"))  # as after a crash between comment and opening
    assert one.is_open == (desk.target.channel != "jira")
    assert len(one.comments) == 1


def test_a_regression_that_opened_the_ticket_is_no_comment_of_it(desk: Desk) -> None:
    desk.send(about("regressed"))
    desk.send(about("regressed"))
    (one,) = desk.tracker.issues
    assert one.comments == []


@pytest.mark.parametrize("transition", ["new", "regressed"])
def test_a_ticket_that_was_opened_and_not_written_down_is_found_again(desk: Desk, transition: str) -> None:
    desk.tracker.add("somebody else's", "about something else\n\n<!-- errhouse-9-9 x -->")
    desk.send(about(transition))
    opened = desk.tickets.links[PLACE]
    desk.tracker.add("copied", f"{opened.key}\n\n```\n<!-- {opened.key} x -->\n```")  # by somebody who read it
    desk.tickets.links[PLACE] = replace(opened, number=None, url=None)
    desk.send(about(transition))
    assert desk.tracker.asked[0] == "GET search"
    assert desk.tickets.links[PLACE].number == opened.number
    assert len(desk.tracker.issues) == 3
    assert desk.tracker.issues[1].comments == []


def test_a_ticket_that_was_begun_and_not_opened_is_opened(desk: Desk) -> None:
    desk.tickets.begun(ISSUE, "there")
    assert desk.send().status == 201
    assert desk.tracker.asked == ["GET search", "POST issue"]


def test_a_ticket_that_another_is_opening_is_waited_for(desk: Desk) -> None:
    desk.tickets.links[PLACE] = replace(desk.tickets.begun(ISSUE, "there"), is_new=False, is_held=True)
    with pytest.raises(DeliveryError, match="a moment ago") as wrong:
        desk.send()
    assert (wrong.value.permanent, wrong.value.retry_after) == (False, 60)
    assert desk.tracker.asked == []


def test_a_ticket_that_was_deleted_is_told_with_what_to_do(desk: Desk) -> None:
    desk.send()
    desk.tracker.issues.clear()
    with pytest.raises(DeliveryError, match="answered 404; check") as wrong:
        desk.send(about("seen"))
    assert wrong.value.permanent


@pytest.mark.parametrize("kind", ["digest", "report", "alert"])
def test_what_is_about_no_issue_is_refused_in_a_sentence(desk: Desk, kind: str) -> None:
    with pytest.raises(DeliveryError, match="send this to a chat or by mail") as wrong:
        desk.send(Message("k", kind, "Many"))
    assert wrong.value.permanent
    assert desk.tracker.asked == []


def test_a_mark_tells_messages_apart_and_nothing_of_them() -> None:
    assert mark("rule:ops:1:7:new") != mark("rule:ops:1:7:seen")
    assert mark("shop").isalnum()


TYPES = "issue/createmeta/SHOP/issuetypes?maxResults=50"
LOOKS = {
    "github": ("/repos/acme/shop", {"has_issues": True}, {"has_issues": False}),
    "gitlab": ("/api/v4/projects/acme%2Fshop", {"id": 1, "issues_enabled": True}, {"issues_enabled": False}),
    "jira": (f"/rest/api/3/{TYPES}", {"issueTypes": [{"name": "Bug"}]}, {"issueTypes": []}),
    "data-center": (f"/rest/api/2/{TYPES}", {"values": [{"name": "Bug"}]}, {"values": []}),
}  # fmt: skip


@pytest.mark.parametrize("channel", KINDS)
def test_a_test_looks_and_opens_nothing(channel: str) -> None:
    path, good, bad = LOOKS[channel]
    with vendor(answering(200, msgspec.json.encode(good))) as server:
        target, out = target_of(channel, options(channel, server.port)), doors(server.port)
        way = channel_of(target.channel)
        assert "no" in (way.send(target, Message("k", "test", "Test"), out).detail or "")
        assert [(each.method, each.path) for each in server.requests] == [("GET", path)]
        server.answer = answering(200, msgspec.json.encode(bad))
        with pytest.raises(DeliveryError) as wrong:
            way.send(target, Message("k", "test", "Test"), out)
        assert wrong.value.permanent


SECOND = int(NOON.timestamp())
PASSING: list[tuple[int, dict[str, str], bytes, float]] = [
    (403, {"retry-after": "40"}, b"{}", 40),
    (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(SECOND + 90)}, b"{}", 90),
    (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(SECOND - 9)}, b"{}", 1),
    (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(SECOND + 90_000)}, b"{}", 3600),
    (403, {}, b'{"message": "You have exceeded a secondary rate limit."}', 60),
    (429, {"ratelimit-remaining": "0", "ratelimit-reset": str(SECOND + 30)}, b"", 30),
    (429, {"retry-after": "5", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, b"", 5),
]  # fmt: skip


@pytest.mark.parametrize(("status", "headers", "body", "seconds"), PASSING)
@pytest.mark.parametrize("channel", KINDS)
def test_too_many_requests_are_tried_again_when_the_tracker_says(
    channel: str, status: int, headers: dict[str, str], body: bytes, seconds: float
) -> None:
    with vendor(answering(status, body, headers)) as server:
        target = target_of(channel, options(channel, server.port))
        with pytest.raises(DeliveryError) as wrong:
            channel_of(target.channel).send(target, MESSAGE, doors(server.port))
    assert (wrong.value.permanent, wrong.value.retry_after) == (False, seconds)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410, 422])
@pytest.mark.parametrize("channel", KINDS)
def test_refusals_are_permanent_and_say_what_to_do(channel: str, status: int) -> None:
    with vendor(answering(status, b"Basic b3BzQGV4YW1wbGUuY29tOnRva2Vu", {"location": "https://x.example"})) as server:
        target = target_of(channel, options(channel, server.port))
        with pytest.raises(DeliveryError) as wrong:
            channel_of(target.channel).send(target, MESSAGE, doors(server.port))
        assert len(server.requests) == 1
    assert wrong.value.permanent
    assert ";" in str(wrong.value) or status in {400, 422}
    if channel == "jira":
        assert "b3Bz" not in (wrong.value.detail or "")


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"{}", b'{"number": "1/../2", "iid": -1, "key": "../x"}', b"[" * 60_000]
)
@pytest.mark.parametrize("channel", KINDS)
def test_an_answer_that_is_no_trackers_is_not_believed(channel: str, body: bytes) -> None:
    with vendor(answering(200, body)) as server:
        target, tickets = target_of(channel, options(channel, server.port)), MemoryTickets()
        with pytest.raises(DeliveryError, match="did not answer as its REST API does") as wrong:
            channel_of(target.channel).send(target, MESSAGE, doors(server.port, None, tickets))
    assert not wrong.value.permanent
    assert tickets.links[PLACE].number is None


GOOD = {"url": "https://api.github.com/repos/acme/shop", "token": "t", "project": "SHOP", "user": "u@example.com"}
BAD = [
    ("github", {"url": "https://github.com/acme"}, "none of a repository"),
    ("github", {"url": "https://github.com/acme/shop/issues"}, "none of a repository"),
    ("github", {"url": "https://github.com/acme/shop?x=1"}, "none of a repository"),
    ("github", {"url": "https://api.github.com/repos/acme/shop%20repo:x"}, "none of a repository"),
    ("github", {"url": "https://127.0.0.1/repos/acme/shop"}, "--allow-private"),
    ("github", {"token": "a\nb"}, "not one line"),
    ("github", {"labels": ",".join("abcdefghijk")}, "ten at most"),
    ("gitlab", {"url": "https://gitlab.com/acme"}, "none of a repository"),
    ("gitlab", {"url": "https://gitlab.com/api/v4/groups/1"}, "none of a repository"),
    ("gitlab", {"token": "ü"}, "not one line"),
    ("jira", {"url": "https://acme.atlassian.net/browse/SHOP?x=1"}, "the site alone"),
    ("jira", {"project": 'SHOP" OR 1=1'}, "is the key of one"),
    ("jira", {"labels": "two words"}, "no spaces"),
    ("review", {"url": "https://github.com/acme"}, "none of a repository"),
    ("review", {"url": "https://gitlab.com/acme"}, "none of a repository"),
]


@pytest.mark.parametrize(("channel", "told", "why"), BAD)
def test_what_can_be_no_target_is_refused_without_the_network(channel: str, told: dict[str, str], why: str) -> None:
    with pytest.raises(DeliveryError, match=why) as wrong:
        channel_of(channel).check(Target("there", channel, {**GOOD, **told}))
    assert wrong.value.permanent
