import asyncio
import gzip
import json
import random
import time
import tracemalloc
import zlib
from pathlib import Path

import brotli
import pytest
import zstandard

from ingest.body import Limits, read_body
from ingest.errors import MalformedPayload, Reason, TooLarge, TooSlow
from tests.support.packers import FAST, PACKERS

MIB = 1024 * 1024
LIMITS = Limits(raw_bytes=20 * MIB, decoded_bytes=64 * MIB)
CORPUS = Path(__file__).parents[1] / "corpus"
PLAIN = json.dumps({"message": "hello é", "extra": {str(n): n * n for n in range(40)}}).encode()
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


@packed
def test_every_encoding_is_undone_and_the_raw_bytes_are_given_too(encoding, pack):
    body = pack(PLAIN)
    assert read(body, encoding) == (body, PLAIN)
    assert read(body, f" {encoding.upper()} ") == (body, PLAIN)


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
    began = time.process_time()
    try:
        with pytest.raises(TooLarge, match="100 times"):
            read(body, encoding, sizes=[chunk] * (len(body) // chunk))
        assert tracemalloc.get_traced_memory()[1] < 12 * MIB  # the chunks themselves are up to 5
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 0.5


def test_ten_thousand_members_are_read_in_reasonable_time():
    body = gzip.compress(b"ab") * 10_000
    began = time.process_time()
    assert read(body, "gzip")[1] == b"ab" * 10_000
    assert time.process_time() - began < 1


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
        asyncio.run(read_body(receive, {}, Limits(raw_bytes=MIB, decoded_bytes=MIB, grace_seconds=0.1)))
    assert time.perf_counter() - began < 1


def test_a_body_is_awaited_for_as_long_as_enough_of_it_comes_and_not_for_ever():
    limits = Limits(raw_bytes=MIB, decoded_bytes=MIB)
    assert [limits.patience(kib * 1024) for kib in (0, 4, 5, 6, 20, 30, 1024)] == [4.5, 4.5, 5, 6, 20, 30, 30]


def test_a_body_that_comes_slowly_but_comes_is_taken():
    pieces = [(b"x", True)] * 20 + [(b"x", False)]

    async def receive():
        await asyncio.sleep(0.02)
        body, is_more = pieces.pop(0)
        return {"type": "http.request", "body": body, "more_body": is_more}

    limits = Limits(raw_bytes=MIB, decoded_bytes=MIB, grace_seconds=0.2, bytes_per_second=0.5)
    assert asyncio.run(read_body(receive, {}, limits))[0] == b"x" * 21


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_large_body_lets_others_run_while_it_is_decoded(encoding):
    chance = random.Random(4)
    plain = b"".join(b'{"n":%d}' % chance.getrandbits(40) for _ in range(600_000))
    body = FAST[encoding](plain)
    longest = 0.0

    async def watch():
        nonlocal longest
        while True:
            began = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - began)

    async def both():
        watching = asyncio.create_task(watch())
        await asyncio.sleep(0)
        out = await read_body(chunked(body), {"content-encoding": encoding}, Limits(20 * MIB, 64 * MIB))
        watching.cancel()
        return out

    assert asyncio.run(both())[1] == plain
    assert longest < 0.05  # of processor time, so that a busy machine does not count
