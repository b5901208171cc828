"""
Fuzzing led by coverage, by atheris: `python tests/fuzz/coverage.py PART SECONDS`, for one part of what reads bytes.

Run by `make fuzz`, in an environment of its own. Ends with 0 when no input raised what is not declared, and none took a
second; atheris writes down the input that did, and says where.
"""

import gzip
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import atheris  # noqa: E402 - no dependency of the project: it has no wheels for every Python
import brotli  # noqa: E402 - the path is set above
import zstandard  # noqa: E402 - the same

with atheris.instrument_imports(include=["ingest"]):
    from ingest import jsontext
    from ingest.body import Decoder, Limits
    from ingest.codecs import codec
    from ingest.errors import MalformedPayload, Reason, TooLarge
    from ingest.forms import envelope, store
    from ingest.interpret import interpret
    from ingest.records import Door, Payload
    from ingest.spool import segment_path
    from ingest.spool.reader import SpoolReader
    from ingest.spool.segment import MAX_PAYLOAD_BYTES

CORPUS = ROOT / "tests" / "corpus"
MOST_BYTES = 8192
ENCODINGS = ("gzip", "deflate", "br", "zstd")
DOORS = (Door.HOOK, Door.LEGACY, Door.ENVELOPE, Door.STORE, Door.FILE)
RESOURCES = ("error", "event_alert", "issue", "comment", "installation", "metric_alert", "")
LIMITS = Limits(raw_bytes=MOST_BYTES, decoded_bytes=4 * 1024 * 1024)
DECLARED = (MalformedPayload, TooLarge)


def decoder(data: bytes) -> None:
    """Undo the encoding that the first byte names."""
    made = codec(ENCODINGS[data[0] % 4] if data else "gzip")
    assert made is not None
    undone = Decoder(made, LIMITS)
    half = len(data) // 2
    undone.feed(data[1:half])
    undone.feed(data[max(half, 1) :])
    undone.finish()


def framing(data: bytes) -> None:
    """Look into an envelope as the receiver does."""
    envelope.peek(data)


def text(data: bytes) -> None:
    """Read JSON, and write what can be stored."""
    store.peek(data)
    jsontext.encode(jsontext.clean(jsontext.parse(data)[0]))


def event(data: bytes) -> None:
    """Normalize and scrub a payload of the door that the first byte names; no fault of ours may come of it."""
    first = data[0] if data else 0
    headers = {"sentry-hook-resource": RESOURCES[first // 8 % len(RESOURCES)]} if first % 8 == 0 else {}
    found = interpret(Payload(1_795_000_000_000_000, DOORS[first % len(DOORS)], data[1:], 42, headers), lambda _: True)
    wrong = [aside.detail for aside in found.asides if aside.reason is Reason.INTERNAL]
    if wrong:
        raise AssertionError(wrong)


def spool(data: bytes) -> None:
    """Read a segment of a spool."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        segment_path(place, 1).write_bytes(data)
        reader = SpoolReader(place)
        try:
            while reader.read(100, MAX_PAYLOAD_BYTES):
                pass
        finally:
            reader.close()


PARTS: dict[str, Callable[[bytes], None]] = {
    "decoder": decoder, "framing": framing, "text": text, "event": event, "spool": spool,
}  # fmt: skip


def seeds(part: str) -> list[bytes]:
    """Give what is real, and small enough, as this part is handed it."""
    bodies = [
        body for path in sorted(CORPUS.rglob("*.*")) if path.is_file() and len(body := path.read_bytes()) < MOST_BYTES
    ]
    if part == "decoder":
        pack = (gzip.compress, zlib.compress, brotli.compress, zstandard.compress)
        return [bytes([n]) + pack[n](body) for body in bodies[::20] for n in range(4)]
    if part == "event":
        return [bytes([n * 8 + m]) + body for n, body in enumerate(bodies[::4]) for m in range(8) if n < 32]
    return bodies


def main(part: str, seconds: str) -> None:
    """Fuzz one part for so long."""

    def once(data: bytes) -> None:
        with suppress(*DECLARED):
            PARTS[part](data)

    with TemporaryDirectory() as folder:
        for number, body in enumerate(seeds(part)):
            (Path(folder) / str(number)).write_bytes(body)
        options = [f"-max_total_time={seconds}", f"-max_len={MOST_BYTES}", "-timeout=5", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *options, folder], once)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
