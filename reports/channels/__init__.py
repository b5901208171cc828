"""
Ways out for reports: a channel is a module of this folder, a target one address of it, as `file:/srv/reports`.

What is sent may come twice after a crash, never not at all; `Message.key` tells the same message again.
"""

from collections.abc import Sequence
from typing import Protocol

from reports.channels import file
from reports.errors import BadSchedule
from reports.message import Message


class Channel(Protocol):
    """One kind of way out."""

    NAME: str

    def check(self, address: str) -> None:
        """Raise DeliveryError when this can be no address of the channel; nothing is reached for."""

    def send(self, address: str, message: Message) -> None:
        """Send it. Raises DeliveryError, permanent or not."""


CHANNELS: tuple[Channel, ...] = (file,)


def channel(target: str, channels: Sequence[Channel] = CHANNELS) -> tuple[Channel, str]:
    """Give the channel of a target, and its address in it. Raises BadSchedule."""
    name, _, address = target.partition(":")
    for each in channels:
        if name == each.NAME and address:
            return each, address
    known = ", ".join(each.NAME for each in channels)
    raise BadSchedule(f"{target!r} is no target; write CHANNEL:ADDRESS, where CHANNEL is one of: {known}.")
