"""
The bytes of one spool segment.

    header   magic 8s | crc32 u32 of what follows | version u32 | segment id u64 | spool uuid 16s
    frame    mark 4s | crc32 u32 of what follows | length u32 | written at, us since the epoch, u64 | payload

All numbers are little-endian. The header is the same in every version, so that an older program knows a newer segment
when it sees one. Frames follow one another without padding; nothing is ever changed in place.

Mark and crc start value come out of the spool's uuid and the segment's id, which no sender knows: a payload that
holds the bytes of a frame can therefore never pass for one when the frame around it is damaged, and bytes of another
file, which a crash may leave in a block, do not verify either.
"""

import struct
import zlib
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

VERSION = 1
MAX_PAYLOAD_BYTES = 256 * 1024 * 1024  # a frame that claims more is damaged

_HEADER = struct.Struct("<8sI")
_HEADER_REST = struct.Struct("<IQ16s")
_MAGIC = b"EHSPOOL\n"
HEADER_BYTES = _HEADER.size + _HEADER_REST.size

_FRAME = struct.Struct("<4sIIQ")
_FRAME_REST = struct.Struct("<IQ")
_CRC_STARTS_AT = 8
FRAME_BYTES = _FRAME.size
_RESYNC_BYTES = 1024 * 1024

SHORT = -1  # what there is may be the beginning of a frame
DAMAGED = -2  # no frame starts here


class Keys(NamedTuple):
    """What makes a segment's frames its own."""

    mark: bytes
    start: int


class Header(NamedTuple):
    """What a segment says of itself; with a `version` other than ours its frames are not understood."""

    version: int
    spool: UUID
    segment: int


class FrameHead(NamedTuple):
    """The fixed part of a frame, not yet verified."""

    length: int
    written_at_us: int


def keys(spool: UUID, segment: int) -> Keys:
    """Derive mark and crc start value."""
    digest = sha256(spool.bytes + segment.to_bytes(8, "little")).digest()
    return Keys(digest[:4], int.from_bytes(digest[4:8], "little"))


def encode_header(spool: UUID, segment: int, version: int = VERSION) -> bytes:
    """Give the first bytes of a segment."""
    rest = _HEADER_REST.pack(version, segment, spool.bytes)
    return _HEADER.pack(_MAGIC, zlib.crc32(rest)) + rest


def decode_header(data: bytes) -> Header | None:
    """Read the first bytes of a segment; None when they are damaged or too few."""
    if len(data) < HEADER_BYTES:
        return None
    magic, crc = _HEADER.unpack_from(data)
    if magic != _MAGIC or zlib.crc32(data[_HEADER.size : HEADER_BYTES]) != crc:
        return None
    version, segment, spool = _HEADER_REST.unpack_from(data, _HEADER.size)
    return Header(version, UUID(bytes=spool), segment)


def encode(payloads: Sequence[bytes], its: Keys, written_at_us: int) -> bytes:
    """Give the frames of some payloads, one after the other."""
    parts: list[bytes] = []
    for payload in payloads:
        rest = _FRAME_REST.pack(len(payload), written_at_us)
        crc = zlib.crc32(payload, zlib.crc32(rest, its.start))
        parts += (_FRAME.pack(its.mark, crc, len(payload), written_at_us), payload)
    return b"".join(parts)


def frame_head(data: bytes | memoryview, at: int, its: Keys) -> FrameHead | None:
    """Read a frame's fixed part without verifying its payload; None when no frame starts here."""
    if len(data) - at < FRAME_BYTES:
        return None
    mark, _, length, written_at_us = _FRAME.unpack_from(data, at)
    if mark != its.mark or length > MAX_PAYLOAD_BYTES:
        return None
    return FrameHead(length, written_at_us)


def frame_end(view: memoryview, at: int, its: Keys) -> int:
    """Verify the frame that starts at `at`: where it ends, or SHORT, or DAMAGED."""
    if len(view) - at < FRAME_BYTES:
        return SHORT if its.mark.startswith(bytes(view[at : at + 4])[:4]) else DAMAGED
    mark, crc, length, _ = _FRAME.unpack_from(view, at)
    if mark != its.mark or length > MAX_PAYLOAD_BYTES:
        return DAMAGED
    end: int = at + FRAME_BYTES + length
    if end > len(view):
        return SHORT
    return end if zlib.crc32(view[at + _CRC_STARTS_AT : end], its.start) == crc else DAMAGED


def resync(read: Callable[[int, int], bytes], at: int, end: int, its: Keys) -> int:
    """
    Find the first whole, valid frame after `at`, where there is none; -1 when there is none up to `end`.

    Takes: `read(offset, size)`; a small part is tried first, since damage is mostly small and segments are not.
    """
    for size in (min(_RESYNC_BYTES, end - at), end - at):
        data = read(at, size)
        found = _next_frame(data, its, is_all=size == end - at)
        if found >= 0:
            return at + found
    return -1


def _next_frame(data: bytes, its: Keys, *, is_all: bool) -> int:
    view = memoryview(data)
    found = data.find(its.mark, 1)
    while found >= 0:
        end = frame_end(view, found, its)
        if end >= 0 or (end == SHORT and not is_all):
            return found if end >= 0 else -1
        found = data.find(its.mark, found + 1)
    return -1
