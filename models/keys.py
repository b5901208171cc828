"""Hash keys: the first 8 bytes of blake2b over kind, project and description, as a signed 64-bit integer."""

from hashlib import blake2b

import msgspec

_encode = msgspec.msgpack.Encoder().encode


def dimension_key(kind: str, project_id: int, *description: object) -> int:
    """
    Make the key of one description in one project; the same on every replica, shard and day.

    Takes: JSON-like values; None and "" differ.
    Source: SCHEMA: for 10 million descriptions in one project the odds of two sharing a key are about 3 in a million.
    """
    digest = blake2b(_encode((kind, project_id, description)), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def content_key(*parts: bytes) -> int:
    """Make a key of bytes, each part set off from the next."""
    digest = blake2b(digest_size=8)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return int.from_bytes(digest.digest(), "big", signed=True)


def positive(key: int) -> int:
    """Give a key as a number people can type: 63 bits, never negative."""
    return key & 0x7FFF_FFFF_FFFF_FFFF
