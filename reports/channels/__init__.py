"""
Ways out: a channel is a module of this folder, a target one address of it.

What is sent may come twice after a crash, never not at all; `Message.key` tells the same message again. A channel does
nothing but turn a message into requests, and answers into one of: it arrived, try again, or give up.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from reports.channels import apprise, email, file, github, gitlab, jira, review, script, slack, teams, webhook
from reports.delivery.message import Message
from reports.delivery.outgoing import Outgoing, Sent
from reports.delivery.targets import Option, Target
from reports.errors import BadTarget


class Channel(Protocol):
    """One kind of way out."""

    NAME: str
    SENTENCE: str
    """What it does, for the docs and for `errhouse target add --help`."""
    OPTIONS: tuple[Option, ...]
    """What a target of it is told; `url` is the first of them in most."""

    def check(self, target: Target) -> None:
        """Raise DeliveryError when this can be no target of the channel; nothing is reached for."""

    def send(self, target: Target, message: Message, out: Outgoing) -> Sent:
        """Send it. Raises DeliveryError, permanent or not."""


CHANNELS: tuple[Channel, ...] = (
    apprise, email, file, github, gitlab, jira, review, script, slack, teams, webhook,
)  # fmt: skip


def channel_of(name: str, channels: Sequence[Channel] = CHANNELS) -> Channel:
    """Give a channel by its name. Raises BadTarget."""
    for each in channels:
        if name == each.NAME:
            return each
    raise BadTarget(f"There is no channel {name!r}; there are {', '.join(each.NAME for each in channels)}.")


def check(target: Target, channels: Sequence[Channel] = CHANNELS) -> Channel:
    """Give the channel of a target whose options are what it asks for. Raises BadTarget, DeliveryError."""
    way = check_options(target, channels)
    way.check(target)
    return way


def check_options(target: Target, channels: Sequence[Channel] = CHANNELS) -> Channel:
    """Give the channel of a target that has the options it must have and no other. Raises BadTarget."""
    way = channel_of(target.channel, channels)
    known: Mapping[str, Option] = {option.name: option for option in way.OPTIONS}
    if strange := [name for name in target.options if name not in known]:
        raise BadTarget(f"{way.NAME} has no option {', '.join(strange)}; it has {', '.join(known)}.")
    if missing := [option.name for option in way.OPTIONS if option.is_required and not target.options.get(option.name)]:
        raise BadTarget(f"A target of {way.NAME} needs {', '.join(missing)}; see `errhouse target add --help`.")
    return way
