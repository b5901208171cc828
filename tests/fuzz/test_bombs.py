"""Bombs of every codec, twenty at once, beside honest senders; and bodies that only look like bombs."""

import gzip
import json
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import brotli
import httpx
import pytest
import zstandard

from ingest.body import MAX_RATIO
from tests.bench.events import events
from tests.proof.lines import report
from tests.support import postgres, warehouse
from tests.support.builders import auth, event
from tests.support.most import Most
from tests.support.packers import FAST
from tests.support.server import Server, serving

HOLDS = ("E-01", "E-03")
MIB = 1024 * 1024
GIBIBYTE = 1024
AT_ONCE = 20
LOOK_SECONDS = 0.01
MOST_GROWTH_BYTES = 50 * MIB
HONEST = 500


class Target(NamedTuple):
    """A service, and how to send to it."""

    server: Server
    url: str
    path: str
    headers: dict[str, str]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, postgres_url: str, template_database: str) -> Iterator[Target]:
    with (
        postgres.database(postgres_url, template_database) as url,
        serving(tmp_path_factory.mktemp("bombs") / "data", url) as server,
    ):
        project_id, key = warehouse.first_project(url)
        yield Target(server, url, f"/api/{project_id}/store/", auth(key))


def zeros(encoding: str, mebibytes: int = GIBIBYTE) -> bytes:
    """Give so many mebibytes of zeros, packed without holding them."""
    block = bytes(MIB)
    if encoding == "br":
        brotli_packer = brotli.Compressor(quality=1)
        return b"".join(brotli_packer.process(block) for _ in range(mebibytes)) + brotli_packer.finish()
    if encoding == "zstd":
        packer = zstandard.ZstdCompressor().compressobj()
    else:
        packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | (16 if encoding == "gzip" else 0))
    return b"".join(packer.compress(block) for _ in range(mebibytes)) + packer.flush()


def real_json() -> bytes:
    """Give an event that is sound JSON, 900 MB of it one string."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    letters = b"a" * MIB
    parts = [packer.compress(b'{"event_id":"' + b"0" * 32 + b'","message":"')]
    parts += [packer.compress(letters) for _ in range(900)]
    return b"".join(parts) + packer.compress(b'"}') + packer.flush()


def bombs() -> dict[str, tuple[str, bytes]]:
    wide = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters.from_level(3, window_log=30)
    ).compressobj()
    return {
        "gzip": ("gzip", zeros("gzip")),
        "deflate": ("deflate", zeros("deflate")),
        "br": ("br", zeros("br")),
        "zstd": ("zstd", zeros("zstd")),
        "zstd of many frames": ("zstd", zstandard.compress(bytes(MIB)) * GIBIBYTE),
        "zstd of a window of a gibibyte": ("zstd", wide.compress(bytes(MIB)) + wide.flush()),
        "gzip in gzip": ("gzip", gzip.compress(zeros("gzip"))),
        "gzip in gzip, told": ("gzip, gzip", gzip.compress(zeros("gzip"))),
        "ten thousand members": ("gzip", gzip.compress(bytes(100_000)) * 10_000),
        "sound JSON": ("gzip", real_json()),
    }


def test_twenty_bombs_at_once_are_refused_in_little_memory_beside_an_honest_sender(target: Target) -> None:
    receiver = target.server.receiver()
    made = bombs()
    chosen = [made[name] for name in (list(made) * AT_ONCE)[:AT_ONCE]]
    honest: list[float] = []
    is_over = threading.Event()

    def send(one: tuple[str, bytes]) -> tuple[int, float]:
        begun = time.perf_counter()
        headers = {**target.headers, "Content-Encoding": one[0]}
        answer = httpx.post(target.server.url + target.path, content=one[1], headers=headers, timeout=30)
        assert answer.json()["reason"]
        return answer.status_code, time.perf_counter() - begun

    def be_honest() -> None:
        with httpx.Client(base_url=target.server.url, timeout=30, trust_env=False) as client:
            while not is_over.is_set():
                begun = time.perf_counter()
                assert client.post(target.path, json=event(), headers=target.headers).status_code == 200
                honest.append(time.perf_counter() - begun)

    beside = threading.Thread(target=be_honest)
    beside.start()
    try:
        for _ in range(2):  # once, so that what is held for ever is held
            before = receiver.memory_info().rss
            with Most(lambda: receiver.memory_info().rss, LOOK_SECONDS) as watch, ThreadPoolExecutor(AT_ONCE) as pool:
                answers = list(pool.map(send, chosen))
    finally:
        is_over.set()
        beside.join()
    growth = watch.most - before
    times = sorted(honest)
    slowest = max(seconds for _, seconds in answers)
    p99 = times[int(0.99 * (len(times) - 1))]
    report(
        f"E-01 pass bombs {len(made)} at once {AT_ONCE} growth {growth / MIB:.0f} MB slowest {slowest * 1e3:.0f} ms "
        f"honest {len(times)} p99 {p99 * 1e3:.0f} ms"
    )
    assert {status for status, _ in answers} <= {400, 413, 415}
    assert growth < MOST_GROWTH_BYTES
    assert receiver.is_running()


def test_repetitive_but_honest_events_are_taken_in_every_encoding(target: Target) -> None:
    known = warehouse.tally(target.url)["loaded"]
    ratios = []
    with httpx.Client(base_url=target.server.url, timeout=30, trust_env=False) as client:
        for number, (event_id, body) in enumerate(events(HONEST, 3000, seed=3)):
            made = json.loads(body)
            frames = [
                {"filename": f"app/f{at % 9}.py", "function": "handle", "lineno": at, "vars": {"self": "<App>"}}
                for at in range(250)
            ]
            made["exception"] = {"values": [{"type": "E", "value": "v", "stacktrace": {"frames": frames}}] * 6}
            whole = json.dumps(made).encode()
            encoding = list(FAST)[number % len(FAST)]
            packed = FAST[encoding](whole)
            ratios.append(len(whole) / len(packed))
            headers = {**target.headers, "Content-Encoding": encoding}
            answer = client.post(target.path, content=packed, headers=headers)
            assert (answer.status_code, answer.json()["id"]) == (200, event_id), answer.text
    warehouse.loaded(target.server)
    assert warehouse.tally(target.url)["loaded"] - known >= HONEST
    report(f"E-03 pass events {HONEST} ratios {min(ratios):.0f} to {max(ratios):.0f}, refused above {MAX_RATIO}")
