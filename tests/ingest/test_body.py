import asyncio
import gzip
import io
import json
import random
import time
import tracemalloc
import zlib
from pathlib import Path

import brotli
import pytest
import zstandard

from ingest.body import Decoder, Limits, read_body
from ingest.codecs import MAX_PIECE_BYTES, MAX_WINDOW_BYTES, codec
from ingest.errors import MalformedPayload, Reason, TooLarge, TooSlow

MIB = 1024 * 1024
LIMITS = Limits(raw_bytes=20 * MIB, decoded_bytes=64 * MIB)
CORPUS = Path(__file__).parents[1] / "corpus"
PLAIN = json.dumps({"message": "hello é", "extra": {str(n): n * n for n in range(40)}}).encode()


def raw_deflate(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def zstd_with_checksum(data):
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def zstd_streamed(data):
    packer = zstandard.ZstdCompressor().compressobj()
    return (
        packer.compress(data[:50])
        + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        + packer.compress(data[50:])
        + packer.flush()
    )


PACKERS = {
    "gzip": ("gzip", gzip.compress),
    "gzip_members": ("gzip", lambda data: gzip.compress(data[:7]) + gzip.compress(b"") + gzip.compress(data[7:])),
    "gzip_padded": ("gzip", lambda data: gzip.compress(data) + bytes(9)),
    "deflate_zlib": ("deflate", zlib.compress),
    "deflate_raw": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstandard.compress),
    "zstd_checksum": ("zstd", zstd_with_checksum),
    "zstd_streamed": ("zstd", zstd_streamed),
    "zstd_frames": (
        "zstd",
        lambda data: zstandard.compress(data[:9]) + b"\x5a\x2a\x4d\x18\x03\0\0\0abc" + zstandard.compress(data[9:]),
    ),
}
FAST = {
    "gzip": lambda data: gzip.compress(data, 1),
    "deflate": lambda data: zlib.compress(data, 1),
    "br": lambda data: brotli.compress(data, quality=3),
    "zstd": zstandard.compress,
}
packed = pytest.mark.parametrize(("encoding", "pack"), PACKERS.values(), ids=PACKERS)


def chunked(body, *sizes):
    """ASGI's `receive` for a body that arrives in pieces of these sizes, the last as often as needed."""
    chunks, at = [], 0
    for size in sizes:
        chunks.append(body[at : at + size])
        at += size
    chunks.append(body[at:])
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages[-1]["more_body"] = False
    waiting = iter(messages)

    async def receive():
        return next(waiting)

    return receive


def read(body, encoding=None, limits=LIMITS, sizes=(), **headers):
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if encoding is not None:
        given["content-encoding"] = encoding
    return asyncio.run(read_body(chunked(body, *sizes), given, limits))


def decoded(body, encoding, limits=LIMITS):
    decoder = Decoder(codec(encoding), limits)
    decoder.feed(body)
    return decoder.finish()


def outcome(body, encoding):
    """What a stream decodes to, or the reason it does not."""
    try:
        return decoded(body, encoding)
    except MalformedPayload as error:
        return error.reason


@packed
def test_every_encoding_is_undone_and_the_raw_bytes_are_given_too(encoding, pack):
    body = pack(PLAIN)
    assert read(body, encoding) == (body, PLAIN)
    assert read(body, f" {encoding.upper()} ") == (body, PLAIN)


@packed
def test_a_body_split_anywhere_gives_the_same(encoding, pack):
    body = pack(PLAIN[:300])
    for at in range(len(body) + 1):
        decoder = Decoder(codec(encoding), LIMITS)
        decoder.feed(body[:at])
        decoder.feed(body[at:])
        assert decoder.finish() == PLAIN[:300]
    decoder = Decoder(codec(encoding), LIMITS)
    for at in range(len(body)):
        decoder.feed(body[at : at + 1])
    assert decoder.finish() == PLAIN[:300]


@packed
def test_a_body_cut_off_anywhere_is_refused(encoding, pack):
    body = pack(PLAIN[:300]).rstrip(b"\0") if encoding == "gzip" else pack(PLAIN[:300])
    short = [outcome(body[:at], encoding) for at in range(1, len(body))]
    whole = [found for found in short if found is not Reason.BAD_ENCODING]
    if pack in (
        PACKERS["gzip_members"][1],
        PACKERS["zstd_frames"][1],
    ):  # between two members or frames a stream is whole
        assert {len(found) for found in whole} <= {7, 9}
    else:
        assert whole == []


@packed
def test_flipped_bits_raise_nothing_but_their_reason(encoding, pack):
    body = pack(PLAIN)
    chance = random.Random(encoding)
    for _ in range(300):
        damaged = bytearray(body)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        found = outcome(bytes(damaged), encoding)
        assert isinstance(found, bytes) or found is Reason.BAD_ENCODING


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("body", [b"random", b"{}", b"\0", b"\0" * 30, b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xff" * 64])
def test_what_was_never_encoded_is_refused(encoding, body):
    with pytest.raises(MalformedPayload) as caught:
        decoded(body, encoding)
    assert caught.value.reason is Reason.BAD_ENCODING


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_trailing_bytes_are_refused(encoding):
    pack = dict(PACKERS.values())[encoding]
    with pytest.raises(MalformedPayload) as caught:
        decoded(pack(PLAIN) + b"trailing", encoding)
    assert caught.value.reason is Reason.BAD_ENCODING


def bomb(encoding, size=1024 * MIB):
    """`size` zeros, made without holding them."""
    block = bytes(MIB)
    if encoding == "br":
        packer = brotli.Compressor(quality=1)
        return b"".join([packer.process(block) for _ in range(size // MIB)]) + packer.finish()
    if encoding == "zstd":
        packer = zstandard.ZstdCompressor().compressobj()
    else:
        packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16 if encoding == "gzip" else zlib.MAX_WBITS)
    return b"".join([packer.compress(block) for _ in range(size // MIB)]) + packer.flush()


@pytest.fixture(scope="module", params=["gzip", "deflate", "br", "zstd"])
def bombs(request):
    return request.param, bomb(request.param)


@pytest.mark.parametrize("chunk", [1 << 30, 65536])
def test_a_gigabyte_of_zeros_is_refused_soon_and_in_little_memory(bombs, chunk):
    encoding, body = bombs
    tracemalloc.start()
    began = time.perf_counter()
    try:
        with pytest.raises(TooLarge, match="100 times"):
            read(body, encoding, sizes=[chunk] * (len(body) // chunk))
        assert tracemalloc.get_traced_memory()[1] < 12 * MIB  # the chunks themselves are up to 5
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_no_more_than_a_piece_is_unpacked_past_a_limit(encoding):
    noise = random.Random(1).randbytes(60_000)
    body = FAST[encoding]((noise + bytes(2_000_000)) * 2)
    for limit in (10, 50_000, 70_000, 1_000_000):
        pieces = []
        with pytest.raises(TooLarge):
            _decode_counting(codec(encoding), Limits(raw_bytes=MIB, decoded_bytes=limit), body, pieces)
        assert max(pieces) <= MAX_PIECE_BYTES
        assert sum(pieces) <= limit + MAX_PIECE_BYTES


def _decode_counting(made, limits, body, pieces):
    class Counting:
        def feed(self, data):
            for piece in made.feed(data):
                pieces.append(len(piece))
                yield piece

        def finish(self):
            made.finish()

    Decoder(Counting(), limits).feed(body)


def test_ten_thousand_members_are_read_in_reasonable_time():
    body = gzip.compress(b"ab") * 10_000
    began = time.perf_counter()
    assert read(body, "gzip")[1] == b"ab" * 10_000
    assert time.perf_counter() - began < 1


def test_a_zstd_window_larger_than_ours_is_refused():
    params = zstandard.ZstdCompressionParameters(window_log=27)
    packer = zstandard.ZstdCompressor(compression_params=params).compressobj()
    body = packer.compress(PLAIN) + packer.flush()
    assert zstandard.get_frame_parameters(body).window_size > MAX_WINDOW_BYTES
    with pytest.raises(MalformedPayload, match="bad_encoding"):
        decoded(body, "zstd")


def test_repetitive_events_are_no_bombs():
    event = json.loads((CORPUS / "webhook_platform/error/derived-ruby_zero_division.json").read_text())
    frames = event["data"]["error"]["exception"]["values"][0]["stacktrace"]["frames"]
    chance = random.Random(3)
    body = json.dumps([frame | {"lineno": chance.randrange(10**6)} for frame in frames * 80]).encode()
    assert len(body) > 1.2 * MIB
    for encoding, pack in FAST.items():
        assert read(pack(body), encoding)[1] == body


@pytest.mark.parametrize("encoding", [None, "", " ", "identity", "UTF-8", "utf-8", "Identity"])
def test_no_encoding_has_many_names(encoding):
    assert read(PLAIN, encoding) == (PLAIN, PLAIN)


@pytest.mark.parametrize(
    "encoding", ["compress", "gzip, gzip", "gzip,br", "deflate, identity", "lzma", "g zip", "gzip;q=1"]
)
def test_unknown_and_stacked_encodings_are_told(encoding):
    with pytest.raises(MalformedPayload) as caught:
        read(gzip.compress(PLAIN), encoding)
    assert caught.value.reason is Reason.UNSUPPORTED_ENCODING


def test_one_small_plain_chunk_is_given_as_it_came():
    raw, plain = read(PLAIN)
    assert raw is plain is PLAIN


@pytest.mark.parametrize("sizes", [(), (0,), (1, 1, 1), (0, 0, 500, 0)])
def test_chunks_add_up(sizes):
    assert read(PLAIN, sizes=sizes) == (PLAIN, PLAIN)
    assert read(gzip.compress(PLAIN), "gzip", sizes=sizes)[1] == PLAIN


@pytest.mark.parametrize("encoding", [None, "gzip", "deflate", "br", "zstd"])
def test_an_empty_body_is_empty_in_every_encoding(encoding):
    assert read(b"", encoding) == (b"", b"")


def test_a_body_over_the_raw_limit_is_refused_before_its_end():
    limits = Limits(raw_bytes=100, decoded_bytes=1000)
    assert read(bytes(100), limits=limits)[0] == bytes(100)
    for sizes in ((), (60,), (101,)):
        with pytest.raises(TooLarge, match="100 bytes"):
            read(bytes(101), limits=limits, sizes=sizes)
    with pytest.raises(TooLarge):
        read(bytes(101), "gzip", limits=limits)


def test_a_plain_body_over_the_decoded_limit_is_refused():
    with pytest.raises(TooLarge):
        read(bytes(101), limits=Limits(raw_bytes=1000, decoded_bytes=100))


@pytest.mark.parametrize(
    ("told", "is_refused"),
    [("101", True), ("9" * 40, True), ("100", False), ("-1", False), ("\u0661\u0660\u0661", False)],
)
def test_a_declared_length_over_the_limit_is_refused_unread(told, is_refused):
    limits = Limits(raw_bytes=100, decoded_bytes=1000)
    if is_refused:
        with pytest.raises(TooLarge):
            read(b"", limits=limits, content_length=told)
    else:
        assert read(b"ab", limits=limits, content_length=told)[0] == b"ab"


def test_a_sender_that_goes_away_left_a_truncated_body():
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def receive():
        return next(messages)

    with pytest.raises(MalformedPayload) as caught:
        asyncio.run(read_body(receive, {}, LIMITS))
    assert caught.value.reason is Reason.TRUNCATED_BODY


def test_a_slow_body_is_given_up():
    async def receive():
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    began = time.perf_counter()
    with pytest.raises(TooSlow):
        asyncio.run(read_body(receive, {}, Limits(raw_bytes=MIB, decoded_bytes=MIB, seconds=0.1)))
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_large_body_lets_others_run_while_it_is_decoded(encoding):
    chance = random.Random(4)
    plain = b"".join(b'{"n":%d}' % chance.getrandbits(40) for _ in range(600_000))
    body = FAST[encoding](plain)
    longest = 0.0

    async def watch():
        nonlocal longest
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - began)

    async def both():
        watching = asyncio.create_task(watch())
        await asyncio.sleep(0)
        out = await read_body(chunked(body), {"content-encoding": encoding}, Limits(20 * MIB, 64 * MIB))
        watching.cancel()
        return out

    assert asyncio.run(both())[1] == plain
    assert longest < 0.1


def test_what_raven_sent_as_deflate_is_read():
    plain = (CORPUS / "event_sdk/python/live-sentry-sdk-1.45.1-001.json").read_bytes()
    with io.BytesIO(zlib.compress(plain)) as sent:
        assert read(sent.read(), "deflate")[1] == plain
