"""
What each channel is held to: a target of it, and what its vendor answers.

A channel that is new adds an entry to CONTRACTS, and its cases to tests/reports/channels/<channel>/<case>/. In options,
`{port}` is the port of the server that stands for the vendor. Names lead to that server, too, over TLS where they are
https: `https://hooks.slack.com/services/x` is a good address of a target.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from reports.delivery.message import AboutEvent, AboutIssue, Fact, Message
from tests.support.doors import NOON, MemoryTickets, doors
from tests.support.mail import ENDLESS, SILENT, mail_server
from tests.support.vendor import Answerer, Authority, Vendor, answering, endless, silent, vendor

LOCAL = {"file", "script"}  # they speak to no vendor
RETRY_AFTER = 7

ISSUE = AboutIssue(
    project_id=1, project="shop", issue_id=7, transition="new", title="ValueError: no price",
    culprit="shop.cart in total", level="error", environment="production", release="shop@1.2.0", events=3, url="https://errhouse.example.com/issues/7",
)  # fmt: skip
MESSAGE = Message(
    key="rule:ops:1:7:new", kind="alert", title="ValueError: no price", text="A new issue in shop.", level="error",
    facts=(Fact("project", "shop"), Fact("culprit", "shop.cart in total")), link="https://errhouse.example.com/issues/7",
    made_at=NOON, rule="ops", issue=ISSUE, about_event=AboutEvent(1, "a" * 32, NOON),
)  # fmt: skip


class Outcome(NamedTuple):
    """What must come of an answer: delivered, permanent or temporary, and after how many seconds it is tried again."""

    word: str
    retry_after: float | None = None


OUTCOMES: Mapping[str, Outcome] = {
    "200": Outcome("delivered"),
    "400": Outcome("permanent"),
    "401": Outcome("permanent"),
    "404": Outcome("permanent"),
    "429": Outcome("temporary", RETRY_AFTER),
    "500": Outcome("temporary"),
    "timeout": Outcome("temporary"),
    "endless": Outcome("temporary"),
}


def _answers() -> dict[str, Answerer]:
    refusals = {str(status): answering(status, b"no") for status in (400, 401, 404, 500)}
    retry = answering(429, b"slow down", {"retry-after": str(RETRY_AFTER)})
    return {"200": answering(200, b"ok"), **refusals, "429": retry, "timeout": silent, "endless": endless}


@dataclass(frozen=True)
class Contract:
    """
    What one channel is held to.

    Takes: `options` of a target; `answers` and `outcomes`, where a vendor's differ from what most do; `message`;
        `serve`, a server that is no HTTP server: it is given how to answer, and has a `port`.
    """

    options: Mapping[str, str]
    allow_private: bool = False
    answers: Mapping[str, Any] = field(default_factory=dict)
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    message: Message = MESSAGE
    serve: Callable[[Any], Any] | None = None

    def answer(self, situation: str) -> Any:
        return {**_answers(), **self.answers}[situation]

    def outcome(self, situation: str) -> Outcome:
        return {**OUTCOMES, **self.outcomes}[situation]


MAIL_ANSWERS = {
    "200": ("", ""),
    "400": ("END", "554 this cannot be mail"),
    "401": ("MAIL", "530 log in first"),
    "404": ("RCPT", "550 nobody has this name"),
    "429": ("MAIL", "451 too many for now"),
    "500": ("GREETING", "421 later"),
    "timeout": ("END", SILENT),
    "endless": ("GREETING", ENDLESS),
}

CONTRACTS: dict[str, Contract] = {
    "apprise": Contract({"url": "json://key-of-a-canary@127.0.0.1:{port}/hook"}, allow_private=True),
    "email": Contract(
        {"url": "smtp://127.0.0.1:{port}", "from": "errhouse@example.com", "to": "ops@example.com"},
        allow_private=True,
        answers=MAIL_ANSWERS,
        outcomes={"429": Outcome("temporary")},
        serve=mail_server,
    ),
    "github": Contract(
        {"url": "https://api.github.com/repos/acme/shop", "token": "ghp_token-of-a-canary", "labels": "errhouse"},
        answers={"200": answering(201, b'{"number": 17, "html_url": "https://github.com/acme/shop/issues/17"}')},
    ),
    "gitlab": Contract(
        {"url": "https://gitlab.com/acme/web/shop", "token": "glpat-token-of-a-canary"},
        answers={"200": answering(201, b'{"iid": 17, "web_url": "https://gitlab.com/acme/web/shop/-/issues/17"}')},
    ),
    "jira": Contract(
        {
            "url": "https://acme.atlassian.net",
            "project": "SHOP",
            "user": "ops@example.com",
            "token": "token-of-a-canary",
        },
        answers={"200": answering(201, b'{"id": "10017", "key": "SHOP-17"}')},
    ),
    "review": Contract(
        {"url": "https://api.github.com/repos/acme/shop", "token": "ghp_token-of-a-canary"},
        answers={"200": answering(200, b'[{"number": 12, "html_url": "https://github.com/acme/shop/pull/12"}]')},
        message=msgspec.structs.replace(MESSAGE, issue=msgspec.structs.replace(ISSUE, release="shop@1f2e3d4c5b6a")),
    ),
    "slack": Contract({"url": "https://hooks.slack.com/services/T0/B0/path-of-a-canary"}),
    "teams": Contract({"url": "https://prod-01.westeurope.logic.azure.com/workflows/1/invoke?sig=canary"}),
    "webhook": Contract(
        {
            "url": "https://hooks.example.com/in/path-of-a-canary",
            "secret": "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5",
            "headers": "Authorization: Bearer bearer-of-a-canary",
        }
    ),
}


@contextmanager
def serving(options: Mapping[str, str], answer: Any, folder: Path, serve: Any = None) -> Iterator[tuple[Any, Any]]:
    """
    Run a vendor for a target.

    Gives: the server, and doors that lead to it.
    """
    names = {urlsplit(value).hostname for value in options.values() if value.startswith("https://")}
    authority = Authority(folder, *sorted(name for name in names if name)) if names else None
    with serve(answer) if serve else vendor(answer, authority) as server:
        yield server, doors(server.port, authority, MemoryTickets())


def with_port(options: Mapping[str, str], port: int) -> dict[str, str]:
    """Give options in which `{port}` is the server's."""
    return {name: value.replace("{port}", str(port)) for name, value in options.items()}


CLIENTS_OWN = {"host", "content-length", "connection", "accept-encoding", "accept"}


def asked(server: Any) -> list[dict[str, Any]]:
    """Give what a vendor was asked, as request.json tells it: a body that is JSON as that."""
    if not isinstance(server, Vendor):
        return list(server.asked())
    return [
        {
            "method": request.method,
            "path": request.path,
            "headers": {name: value for name, value in sorted(request.headers.items()) if name not in CLIENTS_OWN},
            "body": _body(request.headers.get("content-type", ""), request.body),
        }
        for request in server.requests
    ]


def _body(media_type: str, body: bytes) -> Any:
    return json.loads(body) if "json" in media_type and body else body.decode("utf-8", "backslashreplace")
