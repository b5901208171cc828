"""Payloads as the doors make them, a clock that is set by hand, and a loader over a test's own database."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from ingest.interpret import EPOCH, Interpreted, interpret
from ingest.load import Loader
from ingest.records import Door, EventRecord, Payload
from models.engine import engine_for
from models.settings import Settings
from tests.support.builders import envelope, event

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
PROJECT = 42
PLATFORM = {"sentry-hook-resource": "event_alert"}


class Clock:
    """Tells the time it was set to."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def settings(data_dir: Path, **overrides: Any) -> Settings:
    """Give settings that take nothing from the environment but defaults."""
    return Settings(DATA_DIR=data_dir, **overrides)


@contextmanager
def loading(url: str, clock: Clock | None = None, **overrides: Any) -> Iterator[tuple[Loader, Engine]]:
    """Give a loader and its engine, which is disposed of afterwards."""
    engine = engine_for(url)
    try:
        yield Loader(engine, settings(Path(), **overrides), clock or Clock()), engine
    finally:
        engine.dispose()


def us(moment: datetime) -> int:
    """Give an instant as payloads carry it."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def told(moment: datetime, digits: int = 6) -> str:
    """Write an instant with so many digits of the second, rounded as a sender would."""
    step = timedelta(microseconds=10 ** (6 - digits))
    rounded = EPOCH + round((moment - EPOCH) / step) * step
    fraction = f"{rounded.microsecond:06}"[:digits]
    return f"{rounded:%Y-%m-%dT%H:%M:%S}" + (f".{fraction}" if digits else "") + "Z"


def sdk(*events: Mapping[str, Any], at: datetime = NOON, project: int = PROJECT, **headers: Any) -> Payload:
    """Give an envelope as the receiver keeps it; by default it was sent when it was received."""
    return Payload(
        us(at), Door.ENVELOPE, envelope([*events], **{"sent_at": told(at), **headers}), project, {}, "198.51.100.7"
    )


def store(one: Mapping[str, Any], at: datetime = NOON, project: int = PROJECT) -> Payload:
    """Give a body of the store endpoint as the receiver keeps it."""
    return Payload(us(at), Door.STORE, json.dumps(one).encode(), project, {})


def webhook(one: Mapping[str, Any], at: datetime = NOON, project: int = PROJECT, **more: Any) -> Payload:
    """Give the same event as Sentry's alert webhook tells it, with `more` of what only Sentry knows."""
    told_by_sentry = {"title": "as Sentry says", "culprit": "as Sentry says", **one, "project": project, **more}
    body = {"action": "triggered", "installation": {"uuid": "u"}, "data": {"event": told_by_sentry}}
    return Payload(us(at), Door.HOOK, json.dumps(body).encode(), None, dict(PLATFORM))


def legacy(one: Mapping[str, Any], at: datetime = NOON, project: int = PROJECT, **about: Any) -> Payload:
    """Give the same event as the WebHooks plugin tells it; `about` is what stands beside the event."""
    body = {"project": "shop", "project_slug": "shop", "event": {**one, "project": project}, **about}
    return Payload(us(at), Door.LEGACY, json.dumps(body).encode(), None, {})


def read(payload: Payload) -> Interpreted:
    """Interpret with scrubbing on."""
    return interpret(payload, lambda _: True)


def record(**overrides: Any) -> EventRecord:
    """Give the record of one SDK event that happened at noon."""
    (found,) = read(sdk(event(**{"timestamp": told(NOON), **overrides}))).records
    return found
