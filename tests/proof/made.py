"""
Events that are a pure function of a seed and a number, and prove their own wholeness.

Everything of event `n` follows from `(seed, n)`: its id, its size, its text. Its tags carry the number and the hash of
its filler, so that a row alone tells whether it is one that was sent, and whether it is all there.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from tests.support.builders import event

SPACE = UUID("9d2f6f0e-0000-4000-8000-000000000000")
DISTINCT_ERRORS = 500

KIB = 1024
MIXED = (300, 4_000, 4_000, 20_000, 20_000, 20_000, 20_000, 64 * KIB)
"""Bytes of filler by `n % 8`; the last is a byte less or more by turns, and now and then much more."""
SMALL = (300, 2_000, 2_000, 2_000, 2_000, 2_000, 2_000, 4_000)
SIZES = {"mixed": MIXED, "small": SMALL}
HALF_MEGABYTE, MEGABYTE = 512 * KIB, 1024 * KIB - 2048
LARGE_EVERY = 1000

_POOL_SIZE = 4 * 1024 * KIB
_pool = ""


class Told(NamedTuple):
    """What a stored event says of itself."""

    event_id: UUID
    tags: Mapping[str, str]
    filler: str


def event_id(seed: str, number: int) -> UUID:
    """Give the id of event `number`."""
    return uuid5(uuid5(SPACE, seed), str(number))


def filler(seed: str, number: int, profile: str) -> str:
    """Give the text by which an event gets its size: letters and spaces, so that nothing has a reason to change it."""
    global _pool  # noqa: PLW0603 - made once, of a fixed seed
    _pool = _pool or "".join(Random(1).choices("abcdefghijklmnop ", k=_POOL_SIZE))
    size = _size(number, profile)
    begin = int.from_bytes(hashlib.sha256(f"{seed} {number}".encode()).digest()[:8], "big") % (_POOL_SIZE - size)
    return _pool[begin : begin + size]


def made(seed: str, number: int, profile: str, **overrides: Any) -> dict[str, Any]:
    """Make event `number`; `timestamp` is now unless overridden."""
    text = filler(seed, number, profile)
    kind = number % DISTINCT_ERRORS
    return event(
        event_id=event_id(seed, number).hex,
        fingerprint=[f"proof {kind}"],
        tags={"number": str(number), "sha256": _hash(text)},
        extra={"filler": text},
        **{"timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), **overrides},
    )


def body(seed: str, number: int, profile: str, **overrides: Any) -> bytes:
    """Make event `number` as an SDK's envelope."""
    one = made(seed, number, profile, **overrides)
    item = json.dumps(one).encode()
    return b'{"event_id":"%s"}\n{"type":"event","length":%d}\n%s\n' % (one["event_id"].encode(), len(item), item)


def number_of(seed: str, told: Told) -> int | None:
    """Give the number of a stored event, None when it is none of this seed's."""
    number = told.tags.get("number", "")
    if not number.isdigit() or event_id(seed, int(number)) != told.event_id:
        return None
    return int(number)


def is_whole(told: Told) -> bool:
    """Say whether nothing of it has changed on its way."""
    return _hash(told.filler) == told.tags.get("sha256")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _size(number: int, profile: str) -> int:
    if profile == "mixed" and number % LARGE_EVERY == LARGE_EVERY - 1:
        return (HALF_MEGABYTE, MEGABYTE)[number // LARGE_EVERY % 2]
    size = SIZES[profile][number % 8]
    return size if size != 64 * KIB else size + number // 8 % 3 - 1
