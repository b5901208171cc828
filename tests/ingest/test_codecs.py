import gc
import json
import random
import weakref

import pytest
import zstandard

from ingest.body import Decoder, Limits
from ingest.codecs import MAX_PIECE_BYTES, MAX_WINDOW_BYTES, codec
from ingest.errors import MalformedPayload, Reason, TooLarge
from tests.support.packers import FAST, PACKERS

HOLDS = ("E-02",)
MIB = 1024 * 1024
LIMITS = Limits(raw_bytes=20 * MIB, decoded_bytes=64 * MIB)
PLAIN = json.dumps({"message": "hello é", "extra": {str(n): n * n for n in range(40)}}).encode()
packed = pytest.mark.parametrize(("encoding", "pack"), PACKERS.values(), ids=PACKERS)


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


def test_a_zstd_window_larger_than_ours_is_refused():
    params = zstandard.ZstdCompressionParameters(window_log=27)
    packer = zstandard.ZstdCompressor(compression_params=params).compressobj()
    body = packer.compress(PLAIN) + packer.flush()
    assert zstandard.get_frame_parameters(body).window_size > MAX_WINDOW_BYTES
    with pytest.raises(MalformedPayload, match="bad_encoding"):
        decoded(body, "zstd")


@packed
@pytest.mark.parametrize("is_whole", [True, False])
def test_a_codec_is_gone_with_the_last_who_held_it(encoding, pack, is_whole):
    body = pack(PLAIN) if is_whole else pack(PLAIN)[:-4]
    gc.collect()
    gc.disable()
    try:
        made = codec(encoding)
        left = weakref.ref(made)
        for _ in made.feed(body):
            pass
        del made
        assert left() is None
    finally:
        gc.enable()
