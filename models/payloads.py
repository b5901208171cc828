"""
How an event's JSON is kept: zstd, with a dictionary where there is one, and a number that says which.

A payload's `codec` is the dictionary's number in payload_dictionary, and also the dictionary id inside the frame, so
that a body beside the wrong dictionary is refused instead of misread. 0 is plain zstd.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Self

import zstandard
from sqlalchemy import Connection, text

from models.errors import ModelsError

LEVEL = 3  # above it a dictionary gains next to nothing, and costs twice the time
PLAIN = 0

READ_DICTIONARIES = text("select codec, trained_at, body from warehouse.payload_dictionary order by codec")
READ_NEWEST = text("select codec, trained_at from warehouse.payload_dictionary order by codec desc limit 1")

Compress = Callable[[bytes], tuple[int, bytes]]
"""What makes a payload's codec and body of its JSON."""


class UnknownCodec(ModelsError):
    """A payload names a dictionary that is not there."""


class Codebook:
    """
    The dictionaries there are, ready for use: the newest compresses, each can be read.

    For one thread at a time. Making one costs some milliseconds: keep it, and ask `is_current` now and then.
    """

    def __init__(
        self, dictionaries: Mapping[int, bytes] | None = None, newest: tuple[int, datetime] | None = None
    ) -> None:
        self._newest = newest
        self._decompressors = {PLAIN: zstandard.ZstdDecompressor()}
        self.codec = PLAIN
        compressor = zstandard.ZstdCompressor(level=LEVEL)
        for codec, body in sorted((dictionaries or {}).items()):
            dictionary = zstandard.ZstdCompressionDict(body)
            self._decompressors[codec] = zstandard.ZstdDecompressor(dict_data=dictionary)
            self.codec = codec
        if self.codec != PLAIN:
            dictionary.precompute_compress(level=LEVEL)
            compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=dictionary)
        self._compress = compressor.compress

    @classmethod
    def read(cls, connection: Connection) -> Self:
        """Read all dictionaries."""
        found = connection.execute(READ_DICTIONARIES).all()
        newest = (found[-1].codec, found[-1].trained_at) if found else None
        return cls({codec: bytes(body) for codec, _, body in found}, newest)

    def is_current(self, connection: Connection) -> bool:
        """Whether the newest dictionary is still the one known here; reads one row of the key."""
        found = connection.execute(READ_NEWEST).one_or_none()
        return (tuple(found) if found else None) == self._newest

    def compress(self, data: bytes) -> tuple[int, bytes]:
        """Give the codec and the body of a payload."""
        return self.codec, self._compress(data)

    def decompress(self, codec: int, body: bytes) -> bytes:
        """
        Give a payload's JSON.

        Raises: UnknownCodec.
        """
        decompressor = self._decompressors.get(codec)
        if decompressor is None:
            raise UnknownCodec(
                f"Dictionary {codec} of a payload is not in warehouse.payload_dictionary; restore that table's rows."
            )
        return decompressor.decompress(body)
