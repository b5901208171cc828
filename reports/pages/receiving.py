"""What pages ask the receiving side for; the front door gives it, since this room never imports that one."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection

Requests = tuple[Sequence[Mapping[str, Any]], int]
"""The last inbound requests, latest first, and how many more came than are written down."""

Bytes = Mapping[str, Any]
"""What a sender sent: `where` it is kept, `door`, `project_id`, `headers`, `body` as text, and `body_bytes`."""


class Receiving(Protocol):
    """The receiving side; every value it gives is a sender's words."""

    def requests(self, form: str | None, status: str | None, reason: str | None, *, is_slow: bool) -> Requests:
        """Give the last requests: rows of key, at, door, form, path, sender, agent, bytes, ms, status, reason, …."""

    def request(self, key: str) -> Mapping[str, Any] | None:
        """Give one request by its key."""

    def request_bytes(self, connection: Connection, key: str) -> Bytes | None:
        """Give what came with a request, while it is kept as it was sent."""

    def aside_bytes(self, connection: Connection, key: int) -> Bytes | None:
        """Give the bytes of a record that is set aside."""

    def replay(self, key: int | None, reason: str | None) -> str:
        """Load one record again, or all of a reason, and say in a sentence how it went."""


class Nobody:
    """Stands where nobody has told the console of the receiving side."""

    def requests(self, _form: str | None, _status: str | None, _reason: str | None, *, is_slow: bool) -> Requests:  # noqa: ARG002 - the protocol's
        """Know none."""
        return [], 0

    def request(self, _key: str) -> None:
        """Know none."""

    def request_bytes(self, _connection: Connection, _key: str) -> None:
        """Know none."""

    def aside_bytes(self, _connection: Connection, _key: int) -> None:
        """Know none."""

    def replay(self, _key: int | None, _reason: str | None) -> str:
        """Do nothing."""
        return "This console cannot load anything; `errhouse set-aside replay` can."
