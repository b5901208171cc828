"""
Content encodings, undone a bounded piece at a time.

A codec takes bytes as they come and gives them out decoded, in pieces of at most `MAX_PIECE_BYTES`, so that whoever
reads can stop after any of them: no stream, however it was made, unpacks further than one piece past a limit.
"""

import zlib
from collections.abc import Callable, Generator, Iterator
from typing import Protocol

import brotli  # type: ignore[import-untyped]  # ships no types, 1.2
import zstandard

from ingest.errors import MalformedPayload, Reason

MAX_PIECE_BYTES = 128 * 1024  # the most that one zstd block holds
MAX_WINDOW_BYTES = 8 * 1024 * 1024

_ZLIB_PIECE = 64 * 1024
_BROTLI_PIECE = 32 * 1024  # brotli passes the limit it is given, and gives up to 96 KiB
_GZIP_BITS = zlib.MAX_WBITS | 16
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"  # after a first byte of 0x50 to 0x5F
_ZSTD_RLE = 1


class Codec(Protocol):
    """One content encoding, for one body; both raise MalformedPayload(BAD_ENCODING)."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decode what can be decoded so far."""

    def finish(self) -> None:
        """Check that the stream is whole."""


class Gzip:
    """RFC 1952: one member or several; zeros after a member are padding."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_BITS)
        self._is_inside = False
        self._is_begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decode, going on from member to member."""
        while data:
            if not self._is_inside:
                if self._is_begun:
                    data = data.lstrip(b"\x00")
                    if not data:
                        return
                    self._member = zlib.decompressobj(_GZIP_BITS)
                self._is_inside = self._is_begun = True
            yield from _inflated(self._member, data, "gzip")
            if not self._member.eof:
                return
            data = self._member.unused_data
            self._is_inside = False

    def finish(self) -> None:
        """Check that the last member is whole."""
        if self._is_inside or not self._is_begun:
            raise _cut_off("gzip")


class Deflate:
    """RFC 1950, as HTTP says, or the bare RFC 1951 stream that some send in its stead."""

    def __init__(self) -> None:
        self._head = b""
        self._stream: zlib._Decompress | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decode, once two bytes have told which of the two it is."""
        if self._stream is None:
            data = self._head + data
            if len(data) < 2:
                self._head = data
                return
            is_zlib = data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
        if self._stream.eof and data:
            raise _trailing("deflate")
        yield from _inflated(self._stream, data, "deflate")
        if self._stream.unused_data:
            raise _trailing("deflate")

    def finish(self) -> None:
        """Check that the stream came to its end."""
        if self._stream is None or not self._stream.eof:
            raise _cut_off("deflate")


class Brotli:
    """RFC 7932."""

    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decode; a stream that neither gives nor takes is broken."""
        try:
            if self._stream.is_finished():
                if data:
                    raise _trailing("brotli")
                return
            piece = self._stream.process(data, output_buffer_limit=_BROTLI_PIECE)
            while piece:  # more output may wait inside although all input was taken
                yield piece
                piece = (
                    b"" if self._stream.is_finished() else self._stream.process(b"", output_buffer_limit=_BROTLI_PIECE)
                )
            if not (self._stream.can_accept_more_data() or self._stream.is_finished()):
                raise _broken("brotli")
        except brotli.error:
            raise _broken("brotli") from None

    def finish(self) -> None:
        """Check that the stream came to its end."""
        if not self._stream.is_finished():
            raise _cut_off("brotli")


class _ZstdPlace:
    """
    Where `_zstd_frames` is. It holds this and not its `Zstd`, which holds it: in a cycle, the memory of the library,
    up to the window, would stay until the collector of cycles comes by.
    """

    __slots__ = ("is_between", "piece")

    def __init__(self) -> None:
        self.piece = b""
        self.is_between = True


class Zstd:
    """
    RFC 8878: frames one after the other, skippable ones too.

    The library's incremental decompressor does not bound what it gives, and four bytes may stand for 128 KiB. So it is
    fed block by block, which also tells where a frame is cut off.
    """

    def __init__(self) -> None:
        self._pending = bytearray()
        self._is_begun = False
        self._at = _ZstdPlace()
        self._walk = _zstd_frames(self._at)
        self._wanted = next(self._walk)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decode every block that is complete."""
        self._is_begun = self._is_begun or bool(data)
        self._pending += data
        at = 0
        try:
            while len(self._pending) - at >= self._wanted:
                part = bytes(self._pending[at : at + self._wanted])
                at += self._wanted
                self._at.piece = b""
                self._wanted = self._walk.send(part)
                if self._at.piece:
                    yield self._at.piece
        except zstandard.ZstdError:
            raise _broken("zstd") from None
        del self._pending[:at]

    def finish(self) -> None:
        """Check that the last frame is whole."""
        if not self._at.is_between or self._pending or not self._is_begun:
            raise _cut_off("zstd")


def codec(encoding: str) -> Codec | None:
    """
    Give the codec for a `Content-Encoding`, None where the body is as it was sent.

    Raises: MalformedPayload(UNSUPPORTED_ENCODING), for one we do not know and for several on top of each other.
    """
    name = encoding.strip().lower()
    if name in _NO_ENCODING:
        return None
    made = _CODECS.get(name)
    if made is None:
        raise MalformedPayload(Reason.UNSUPPORTED_ENCODING, "content encodings: gzip, deflate, br or zstd, only one")
    return made()


# sentry-ruby sends an empty one, sentry.java.android "UTF-8": relay-server/src/middlewares/decompression.rs
_NO_ENCODING = frozenset({"", "identity", "utf-8"})
_CODECS: dict[str, Callable[[], Codec]] = {
    "gzip": Gzip,
    "x-gzip": Gzip,
    "deflate": Deflate,
    "br": Brotli,
    "zstd": Zstd,
}


def _inflated(stream: "zlib._Decompress", data: bytes, name: str) -> Iterator[bytes]:
    is_full = True
    while (data or is_full) and not stream.eof:  # a full piece may leave output inside, with no input to show for it
        try:
            piece = stream.decompress(data, _ZLIB_PIECE)
        except zlib.error:
            raise _broken(name) from None
        if piece:
            yield piece
        data = stream.unconsumed_tail
        is_full = len(piece) == _ZLIB_PIECE


def _zstd_frames(at: _ZstdPlace) -> Generator[int, bytes, None]:
    """Ask for the next bytes by their number, and leave what they decode to in `at`."""
    library = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
    while True:
        at.is_between = True
        magic = yield 4
        at.is_between = False
        if magic[1:] == _ZSTD_SKIPPABLE and magic[0] & 0xF0 == 0x50:
            yield int.from_bytes((yield 4), "little")
            continue
        if magic != _ZSTD_MAGIC:
            raise _broken("zstd")
        descriptor = yield 1
        header = yield _rest_of_header(descriptor[0])
        frame = library.decompressobj()
        at.piece = frame.decompress(magic + descriptor + header)
        is_last = False
        while not is_last:
            head = yield 3
            told = int.from_bytes(head, "little")
            is_last = bool(told & 1)
            size = 1 if told >> 1 & 3 == _ZSTD_RLE else told >> 3
            if size > MAX_PIECE_BYTES:
                raise _broken("zstd")
            at.piece = frame.decompress(head + ((yield size) if size else b""))
        if descriptor[0] & 4:
            at.piece = frame.decompress((yield 4))


def _rest_of_header(flags: int) -> int:
    """Length of a zstd frame header after its descriptor: window, dictionary id, content size."""
    is_single = bool(flags & 0x20)
    size_field = (1 if is_single else 0, 2, 4, 8)[flags >> 6]
    return (0 if is_single else 1) + (0, 1, 2, 4)[flags & 3] + size_field


def _broken(name: str) -> MalformedPayload:
    return MalformedPayload(Reason.BAD_ENCODING, f"the {name} stream is broken")


def _cut_off(name: str) -> MalformedPayload:
    return MalformedPayload(Reason.BAD_ENCODING, f"the {name} stream is cut off")


def _trailing(name: str) -> MalformedPayload:
    return MalformedPayload(Reason.BAD_ENCODING, f"something follows the {name} stream")
