"""Messages in a test's own database, a sender of them, and a channel that tells a local server what it was given."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import Engine

from reports.channels import Channel
from reports.delivery import outbox
from reports.delivery.doors import doors
from reports.delivery.message import Message
from reports.delivery.outgoing import Outgoing, Sent, accepted
from reports.delivery.sending import Sender
from reports.delivery.targets import Option, Target
from reports.delivery.targets_kept import Targets
from reports.errors import DeliveryError
from tests.support.loading import NOON, Clock, settings

WITHIN = 30


def check(_: Target) -> None:
    """Take every target."""


def send(target: Target, message: Message, out: Outgoing) -> Sent:
    """Post the message's key, and the event if there is one."""
    body = json.dumps({"key": message.key, "event": message.event}).encode()
    return accepted(out.http(target).request("POST", target.get("url"), {}, body), "The test's server")


TOLD = cast(
    "Channel",
    SimpleNamespace(
        NAME="webhook",
        SENTENCE="For tests.",
        OPTIONS=(Option("url", "Address.", is_secret=True),),
        check=check,
        send=send,
    ),
)


class House:
    """An outbox with a clock that is set by hand, and senders of it."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.clock = Clock()
        self.settings = settings(folder, SEAL_KEY_FILE=folder / "seal.key")
        self.targets = Targets(self.settings)

    def target(self, name: str, url: str, most: int = 20, **about: Any) -> None:
        """Add a target of the test's channel."""
        made = Target(name, "webhook", {"url": url}, allow_private=True, most_per_minute=most, **about)
        with self.engine.begin() as connection:
            self.targets.keep(connection, made, NOON, is_replaced=True)

    def put(self, *keys: str, target: str = "ops", **about: Any) -> None:
        """Put messages, the first of them the oldest."""
        with self.engine.begin() as connection:
            for number, key in enumerate(keys):
                message = Message(key, "alert", f"Title of {key}")
                outbox.put(connection, message, target, self.clock.now + timedelta(microseconds=number), **about)

    def sender(self, channels: Sequence[Channel] = (TOLD,)) -> Sender:
        """Give a sender that goes by the clock."""
        return Sender(
            self.engine, self.targets, doors(self.engine, self.settings), channels, clock=lambda _: self.clock.now
        )

    def sent(self, sender: Sender) -> None:
        """Send what is due, and wait for its end."""
        sender.tick()
        assert sender.settle(WITHIN)

    def later(self, **delta: float) -> datetime:
        """Let time pass."""
        self.clock.now += timedelta(**delta)
        return self.clock.now


Failing = Callable[[], DeliveryError | None]


def failing(why: Failing) -> Channel:
    """Give a channel that goes nowhere, and fails as it is told."""

    def send_nowhere(_: Target, __: Message, ___: Outgoing) -> Sent:
        if wrong := why():
            raise wrong
        return Sent(200, "ok")

    return cast(
        "Channel", SimpleNamespace(NAME="webhook", SENTENCE="", OPTIONS=TOLD.OPTIONS, check=check, send=send_nowhere)
    )
