import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.records import Door
from ingest.routes import doorway

MANY_SECONDS = 1.0

DOORS = [
    ("/hooks/sentry", Door.HOOK, ""),
    ("/hooks/sentry/", Door.HOOK, ""),
    ("/hooks/sentry/k3y-_", Door.LEGACY, "k3y-_"),
    ("/hooks/sentry/k3y/", Door.LEGACY, "k3y"),
    ("/api/42/envelope/", Door.ENVELOPE, "42"),
    ("/api/42/envelope", Door.ENVELOPE, "42"),
    ("/api/42/store/", Door.STORE, "42"),
    ("/api/42/store", Door.STORE, "42"),
    ("/api/store/", Door.STORE, ""),
    ("/api/store", Door.STORE, ""),
    ("/sentry/api/42/envelope/", Door.ENVELOPE, "42"),
    ("/a/b/c/api/42/store/", Door.STORE, "42"),
    ("/api/api/42/store/", Door.STORE, "42"),
    ("//api//42//envelope//", Door.ENVELOPE, "42"),
    ("/api/9223372036854775807/envelope/", Door.ENVELOPE, "9223372036854775807"),
]
NO_DOORS = [
    "", "/", "/healthz", "/hooks", "/hooks/", "/hooks/sentryx", "/hooks/sentry/a/b", "/hooks/sentry//a",
    "/hooks/Sentry",
    "/api", "/api/", "/api/42", "/api/42/", "/api/42/envelopes/", "/api/42/envelope/x", "/api/envelope/",
    "/api/x/store/",
    "/api/-1/store/", "/api/42x/store/", "/api/4 2/store/", "/api/42/Store/", "/api/42/minidump/", "/api/0x2a/store/",
    "/api/123456789012345678901/store/", "/api/٤٢/store/", "api/42/store/", "/api/42/store/\n", "/metrics",
]  # fmt: skip


@pytest.mark.parametrize(("path", "door", "argument"), DOORS)
def test_each_path_of_a_sender_is_its_door(path: str, door: Door, argument: str) -> None:
    assert doorway(path) == (door, argument)


@pytest.mark.parametrize("path", NO_DOORS)
def test_any_other_path_is_none(path: str) -> None:
    assert doorway(path) is None


@given(st.text())
def test_no_path_is_too_strange_to_be_told(path: str) -> None:
    assert doorway(path) is None or path


@pytest.mark.parametrize(
    "path", ["/" * 60_000, "/a" * 30_000 + "/api/42", "/api/" * 12_000, "/api/1" * 10_000 + "/storex"]
)
def test_a_path_of_any_length_is_told_at_once(path: str) -> None:
    begun = time.process_time()
    assert doorway(path) is None
    assert time.process_time() - begun < MANY_SECONDS
