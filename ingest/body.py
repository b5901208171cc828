"""
Read a request body with a limit, undo its content encoding, refuse bombs.

The raw bytes are given too: a signature is over what was sent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from time import perf_counter
from typing import Any

import msgspec

from ingest.codecs import Codec, codec
from ingest.errors import MalformedPayload, Reason, TooLarge, TooSlow
from ingest.in_flight import Claim, InFlight
from models import failpoints

MAX_EVENT_BYTES = 4 * 1024 * 1024  # of one event from an SDK, decoded; Relay takes 1 MiB
MAX_RATIO = 100
RATIO_FREE_BYTES = 1024 * 1024  # of output, before the ratio counts

_SLICE_BYTES = 16 * 1024  # of input decoded between two looks at the clock
_TURN_SECONDS = 0.005  # after which others get the event loop

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Limits(msgspec.Struct, frozen=True):
    """
    How large a body may be, as sent and decoded, and how long it may take to arrive and be decoded.

    `grace_seconds` are everybody's; after them it is read for as long as so many bytes a second have come in the mean,
    and never for longer than `seconds`.
    """

    raw_bytes: int
    decoded_bytes: int
    grace_seconds: float = 4.5
    bytes_per_second: float = 1024
    seconds: float = 30.0

    def patience(self, size: int) -> float:
        """Give the seconds from its beginning for which a body is awaited of which so many bytes have come."""
        return min(self.seconds, max(self.grace_seconds, size / self.bytes_per_second))


class Decoder:
    """
    One encoded body on its way in.

    Holds at most `limits.decoded_bytes` and one piece of the codec, whatever comes.
    """

    def __init__(self, made: Codec, limits: Limits) -> None:
        self._codec = made
        self._limits = limits
        self._output = bytearray()
        self._raw_size = 0

    @property
    def size(self) -> int:
        """How many bytes are decoded by now."""
        return len(self._output)

    def feed(self, chunk: bytes) -> None:
        """
        Take the next bytes.

        Raises: TooLarge; MalformedPayload(BAD_ENCODING).
        """
        for _ in self.steps(chunk):
            pass

    def steps(self, chunk: bytes) -> Iterator[None]:
        """Do what `feed` does and pause after every piece of output."""
        self._raw_size += len(chunk)
        for piece in self._codec.feed(chunk):
            size = len(self._output) + len(piece)
            if size > self._limits.decoded_bytes:
                raise TooLarge(f"the body decodes to more than {self._limits.decoded_bytes} bytes")
            if size > RATIO_FREE_BYTES and size > MAX_RATIO * self._raw_size:
                raise TooLarge(f"the body decodes to more than {MAX_RATIO} times its size")
            self._output += piece
            yield

    def finish(self) -> bytes:
        """
        Give the whole body.

        Raises: MalformedPayload(BAD_ENCODING), when the stream is cut off.
        """
        self._codec.finish()
        return bytes(self._output)


async def read_body(
    receive: Receive, headers: Mapping[str, str], limits: Limits, in_flight: InFlight | None = None
) -> tuple[bytes, bytes]:
    """
    Read and decode the body of a request.

    Takes:  ASGI's `receive`; headers by lower-case name; what large bodies may hold together, else nothing is counted.
    Gives:  the bytes as sent, and decoded; one object twice when there was nothing to decode.
    Raises: TooLarge; TooSlow; TooBusy; MalformedPayload: UNSUPPORTED_ENCODING, BAD_ENCODING, TRUNCATED_BODY.
    """
    encoding = headers.get("content-encoding")
    made = codec(encoding) if encoding else None
    told = headers.get("content-length", "")
    if told.isascii() and told.isdigit() and (len(told) > 18 or int(told) > limits.raw_bytes):
        raise _too_large(limits)
    claim = Claim(in_flight or InFlight())
    begun = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(begun + limits.patience(0)) as end:

            def came(size: int) -> None:
                end.reschedule(begun + limits.patience(size))

            return await _received(receive, Decoder(made, limits) if made else None, limits, claim, came)
    except TimeoutError:
        raise TooSlow("the body comes too slowly") from None
    finally:
        claim.release()


async def _received(
    receive: Receive, decoder: Decoder | None, limits: Limits, claim: Claim, came: Callable[[int], None]
) -> tuple[bytes, bytes]:
    raw = bytearray()
    turn = perf_counter()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise MalformedPayload(Reason.TRUNCATED_BODY, "the sender went away before the end of the body")
        chunk: bytes = message.get("body", b"")
        is_last = not message.get("more_body", False)
        if len(raw) + len(chunk) > limits.raw_bytes:
            raise _too_large(limits)
        if decoder is None:
            if len(raw) + len(chunk) > limits.decoded_bytes:
                raise TooLarge(f"the body is larger than {limits.decoded_bytes} bytes")
            if is_last and not raw:
                return chunk, chunk
        else:
            turn = await _decode(decoder, chunk, turn, claim)
        claim.grow(len(raw) + len(chunk) + (decoder.size if decoder is not None else 0))
        raw += chunk
        if is_last:
            sent = bytes(raw)
            return sent, (decoder.finish() if decoder is not None and sent else sent)
        came(len(raw))
        failpoints.passed(failpoints.BODY_HALF)


async def _decode(decoder: Decoder, chunk: bytes, turn: float, claim: Claim) -> float:
    """Decode a chunk, letting others run where it takes long; gives when they last could."""
    for at in range(0, len(chunk), _SLICE_BYTES):
        for _ in decoder.steps(chunk[at : at + _SLICE_BYTES]):
            claim.grow(decoder.size)
            if perf_counter() - turn > _TURN_SECONDS:
                await asyncio.sleep(0)
                turn = perf_counter()
        if perf_counter() - turn > _TURN_SECONDS:
            await asyncio.sleep(0)
            turn = perf_counter()
    return turn


def _too_large(limits: Limits) -> TooLarge:
    return TooLarge(f"the body is larger than {limits.raw_bytes} bytes")
