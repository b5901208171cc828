"""What is sent: a finished report as files, and what to call it."""

from typing import NamedTuple


class Artifact(NamedTuple):
    """A report in one format."""

    format: str
    extension: str
    media_type: str
    body: bytes


class Message(NamedTuple):
    """A report on its way to a target; the same `key` is the same message, should it come twice."""

    key: str
    name: str
    """Name of the schedule."""
    report: str
    title: str
    period: str
    artifacts: tuple[Artifact, ...]
