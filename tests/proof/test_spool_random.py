"""Scenario C-04: random damage to a spool of ten megabytes, two thousand times."""

import hashlib
import time
from pathlib import Path
from random import Random
from typing import NamedTuple
from uuid import UUID

import pytest
import structlog.testing

from ingest.spool import segment_path
from ingest.spool.reader import SpoolReader
from ingest.spool.segment import FRAME_BYTES, HEADER_BYTES, encode, encode_header, keys
from ingest.spool.segment_reader import Damaged, Record
from tests.proof.lines import report

pytestmark = pytest.mark.timeout(3600)

RUNS = 2000
SEGMENTS = 5
SEGMENT_BYTES = 2_000_000
MOST_SECONDS = 5.0
"""Of processor time, for one reading of everything: more is a reader that hangs."""
SPOOL = UUID("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0")


class Place(NamedTuple):
    """Where something lies: segment, from, to."""

    segment: int
    start: int
    end: int

    def meets(self, other: "Place") -> bool:
        return self.segment == other.segment and self.start < other.end and other.start < self.end


def made(folder: Path, random: Random) -> tuple[dict[int, bytes], dict[bytes, Place]]:
    """Make a spool; give its segments' bytes, and where each record lies. A record begins with the hash of its rest."""
    folder.mkdir()
    (folder / "spool.json").write_text(f'{{"format":1,"spool":"{SPOOL}"}}')
    whole, places = {}, {}
    for segment in range(1, SEGMENTS + 1):
        records, at = [], HEADER_BYTES
        while at < SEGMENT_BYTES:
            rest = random.randbytes(random.choice((300, 4_000, 20_000, 65_535)))
            record = hashlib.sha256(rest).digest() + rest
            places[record] = Place(segment, at, at + FRAME_BYTES + len(record))
            at = places[record].end
            records.append(record)
        whole[segment] = encode_header(SPOOL, segment) + encode(records, keys(SPOOL, segment), 1)
        segment_path(folder, segment).write_bytes(whole[segment])
    segment_path(folder, SEGMENTS + 1).write_bytes(encode_header(SPOOL, SEGMENTS + 1))
    return whole, places


def damaged(data: bytearray, segment: int, random: Random) -> list[Place]:
    """Damage a segment's bytes in place: flip 1 to 64 of them, zero 4 KiB, or cut the end off. Say what was hit."""
    kind = random.choice(("flip", "zero", "cut"))
    at = random.randrange(len(data))
    if kind == "zero":
        end = min(len(data), at + 4096)
        data[at:end] = bytes(end - at)
        return [Place(segment, at, end)]
    if kind == "cut":
        end = len(data)
        del data[at:]
        return [Place(segment, at, end)]
    hits = random.sample(range(len(data)), random.randint(1, 64))
    for each in hits:
        data[each] ^= random.randint(1, 255)
    return [Place(segment, each, each + 1) for each in hits]


def read_all(folder: Path) -> tuple[list[bytes], int]:
    reader = SpoolReader(folder)
    records, bad = [], 0
    while items := reader.read():
        records += [item.payload for item in items if isinstance(item, Record)]
        bad += sum(isinstance(item, Damaged) for item in items)
    reader.close()
    return records, bad


@pytest.mark.scenario("C-04", tier=2)
def test_random_damage_loses_nothing_that_it_did_not_hit_and_invents_nothing(tmp_path: Path) -> None:
    random = Random(4)
    whole, places = made(tmp_path / "0", random)
    assert read_all(tmp_path / "0") == (list(places), 0)
    pieces = delivered = lost = hit_count = 0
    longest = 0.0
    for number in range(RUNS):
        segment = random.randint(1, SEGMENTS)
        data = bytearray(whole[segment])
        hits = damaged(data, segment, random)
        segment_path(tmp_path / "0", segment).write_bytes(data)
        begun = time.process_time()
        with structlog.testing.capture_logs():
            records, bad = read_all(tmp_path / "0")
        longest = max(longest, time.process_time() - begun)
        assert set(records) <= places.keys(), f"run {number}: invented"
        hit = {record for record, place in places.items() if any(place.meets(each) for each in hits)}
        spared = [record for record in places if record not in hit]
        assert [record for record in records if record not in hit] == spared, f"run {number}: lost what was not hit"
        assert longest < MOST_SECONDS
        segment_path(tmp_path / "0", segment).write_bytes(whole[segment])
        pieces += bad
        delivered += len(records)
        hit_count += len(hit)
        lost += len(places) - len(records)
    assert hit_count >= lost > RUNS // 2
    assert pieces > RUNS // 4
    report(
        f"C-04 pass runs {RUNS} records read {delivered} of those hit {lost} of {hit_count} not read "
        f"pieces told {pieces} longest {longest:.2f} s"
    )
