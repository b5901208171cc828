"""Whatever happens to a spool's bytes: the other records are read, the damaged bytes told, nothing is invented."""

import asyncio
import os
import stat
import time
from pathlib import Path
from random import Random
from uuid import UUID, uuid4

import pytest

from ingest.spool import Position, segment_path
from ingest.spool.reader import SpoolReader
from ingest.spool.segment import FRAME_BYTES, HEADER_BYTES, encode, encode_header, keys
from ingest.spool.segment_reader import DAMAGED_BYTES, Damaged, Record
from ingest.spool.writer import SpoolWriter

HOLDS = ("C-03",)
SPOOL = UUID("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0")
RECORDS = [b"%d:" % n + b"record " * (20 * n) for n in range(9)]  # three to a segment
META = b'{"format":1,"spool":"%s"}' % str(SPOOL).encode()


@pytest.fixture
def folder(tmp_path):
    """A spool of three segments with three records each, and a fourth segment without any."""
    folder = tmp_path / "0"
    folder.mkdir()
    for segment in (1, 2, 3):
        write(folder, segment, RECORDS[3 * segment - 3 : 3 * segment])
    write(folder, 4, [])
    (folder / "spool.json").write_bytes(META)
    return folder


def write(folder, segment, records, spool=SPOOL):
    data = encode_header(spool, segment) + encode(records, keys(spool, segment), 1)
    segment_path(folder, segment).write_bytes(data)


def read_all(folder, position=None):
    """Read to the end; also hold the time, the backlog and the order of positions to what is promised."""
    started = time.monotonic()
    reader = SpoolReader(folder, position)
    items = []
    while some := reader.read(max_records=4):
        items += some
    positions = [item.position for item in items]
    assert positions == sorted(positions)
    backlog = reader.backlog()
    if items:
        reader.release(items[-1].position)
        assert reader.backlog().events == 0
    reader.close()
    assert time.monotonic() - started < 3
    records = [item.payload for item in items if isinstance(item, Record)]
    damaged = [item for item in items if isinstance(item, Damaged)]
    if position is None and not damaged:
        assert (backlog.events, backlog.is_exact) == (len(records), True)
    return records, damaged, reader


def record_at(number):
    """Say in which segment a record is, and where its frame starts and ends."""
    first = number // 3 * 3
    start = HEADER_BYTES + sum(FRAME_BYTES + len(record) for record in RECORDS[first:number])
    return number // 3 + 1, start, start + FRAME_BYTES + len(RECORDS[number])


def change(folder, segment, at, data):
    path = segment_path(folder, segment)
    old = path.read_bytes()
    path.write_bytes(old[:at] + data + old[at + len(data) :])
    return old


PLACES = {"mark": 0, "checksum": 4, "length, low": 8, "length, high": 11, "time": 12, "payload": 21}


@pytest.mark.parametrize(
    "number",
    [0, 1, 2, 3, 4, 8],
    ids=["first", "middle", "last of segment", "first of segment", "inmost", "last"],
)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("bit", [0x01, 0x80])
def test_a_flipped_bit_costs_its_own_record_only(folder, number, place, bit):
    segment, start, end = record_at(number)
    at = start + PLACES[place]
    old = segment_path(folder, segment).read_bytes()
    change(folder, segment, at, bytes([old[at] ^ bit]))
    records, damaged, reader = read_all(folder)
    assert records == RECORDS[:number] + RECORDS[number + 1 :]
    assert b"".join(item.data for item in damaged) == (old[start:at] + bytes([old[at] ^ bit]) + old[at + 1 : end]), (
        "the damaged bytes are kept, and only those"
    )
    assert reader.damaged_count == 1


@pytest.mark.parametrize("lost", range(1, FRAME_BYTES + len(RECORDS[5]), 37))
def test_a_torn_last_record_is_told_and_costs_nothing_else(folder, lost):
    _, start, end = record_at(5)
    path = segment_path(folder, 2)
    path.write_bytes(path.read_bytes()[: end - lost])
    records, damaged, _ = read_all(folder)
    assert records == RECORDS[:5] + RECORDS[6:]
    assert [(len(item.data), item.why[:5]) for item in damaged] == [(end - lost - start, "torn:")]


@pytest.mark.parametrize("tail", [1, 19, 20, 511, 4096, 100_000])
def test_a_tail_of_nuls_is_what_a_power_cut_leaves_and_no_damage(folder, tail):
    with segment_path(folder, 2).open("ab") as file:
        file.write(bytes(tail))
    records, damaged, reader = read_all(folder)
    assert (records, damaged, reader.torn_count) == (RECORDS, [], 1)


@pytest.mark.parametrize(
    "content", [b"", b"EHSP", bytes(HEADER_BYTES), bytes(5000)], ids=["empty", "begun", "NUL", "NULs"]
)
def test_a_segment_that_was_only_begun_is_no_damage(folder, content):
    segment_path(folder, 4).write_bytes(content)
    write(folder, 5, [b"after"])
    records, damaged, reader = read_all(folder)
    assert (records, damaged) == ([*RECORDS, b"after"], [])
    assert reader.torn_count == 1


def test_a_damaged_header_does_not_cost_the_records_behind_it(folder):
    for at in range(HEADER_BYTES):
        old = change(folder, 2, at, bytes([segment_path(folder, 2).read_bytes()[at] ^ 0x10]))
        records, damaged, _ = read_all(folder)
        assert records == RECORDS
        assert [len(item.data) for item in damaged] == [HEADER_BYTES]
        segment_path(folder, 1).exists() or write(folder, 1, RECORDS[:3])
        segment_path(folder, 2).write_bytes(old)
        write(folder, 3, RECORDS[6:])


@pytest.mark.parametrize("meta", [None, b"", b"\0" * 60, b"{", b'{"format":1}', META[:-1]])
def test_without_spool_json_the_segments_say_which_spool_it_is(folder, meta):
    (folder / "spool.json").unlink()
    if meta is not None:
        (folder / "spool.json").write_bytes(meta)
    reader = SpoolReader(folder)
    assert {item.position.spool for item in reader.read()} == {SPOOL}
    reader.close()

    async def run():
        await SpoolWriter(folder, 1 << 30).close()

    asyncio.run(run())
    assert (folder / "spool.json").read_bytes() == META


def test_a_segment_missing_in_the_middle_is_told(folder):
    segment_path(folder, 2).unlink()
    records, damaged, _ = read_all(folder)
    assert records == RECORDS[:3] + RECORDS[6:]
    assert [(item.data, item.position) for item in damaged] == [(b"", Position(SPOOL, 3, 0))]
    assert "segments 2 to 2" in damaged[0].why


def test_a_segment_that_went_with_its_position_is_told(folder):
    position = Position(SPOOL, 2, record_at(4)[2])
    for segment in (1, 2):
        segment_path(folder, segment).unlink()
    records, damaged, _ = read_all(folder, position)
    assert records == RECORDS[6:]
    assert "segments 2 to 2" in damaged[0].why


def test_a_segment_removed_but_there_again_after_a_crash_is_not_read_twice(folder):
    position = Position(SPOOL, 3, record_at(6)[2])
    records, damaged, _ = read_all(folder, position)
    assert (records, damaged) == (RECORDS[7:], [])


def test_a_segment_of_a_newer_version_is_told_and_kept(folder):
    whole = segment_path(folder, 2).read_bytes()
    newer = encode_header(SPOOL, 2, version=2) + whole[HEADER_BYTES:]
    segment_path(folder, 2).write_bytes(newer)
    (folder / "aside").mkdir()
    (folder / "aside" / segment_path(folder, 2).name).write_bytes(b"an earlier one")
    records, damaged, _ = read_all(folder)
    assert records == RECORDS[:3] + RECORDS[6:]
    assert [item.why[:16] for item in damaged] == ["format version 2"]
    assert newer in [path.read_bytes() for path in (folder / "aside").iterdir()]
    assert len(list((folder / "aside").iterdir())) == 2


def test_a_segment_of_another_spool_is_read_as_well(folder):
    write(folder, 2, [b"from elsewhere"], spool=uuid4())
    records, damaged, _ = read_all(folder)
    assert (records, damaged) == ([*RECORDS[:3], b"from elsewhere", *RECORDS[6:]], [])


def test_a_segment_that_is_there_under_two_names_is_read_twice_and_costs_nothing_else(folder):
    segment_path(folder, 4).write_bytes(segment_path(folder, 2).read_bytes())
    write(folder, 5, [b"after"])
    records, damaged, _ = read_all(folder)
    assert (records, damaged) == ([*RECORDS, *RECORDS[3:6], b"after"], []), "rows are kept apart by their event's id"


def test_what_is_not_the_spools_is_left_alone_and_in_nobodys_way(folder):
    (folder / "notes.txt").write_text("mine")
    (folder / "00000000000000000006.seg").mkdir()
    (folder / "00000000000000000007.seg").symlink_to("/etc/passwd")
    os.mkfifo(folder / "00000000000000000008.seg")
    (folder / "9.seg").write_bytes(b"not a segment's name")
    records, damaged, _ = read_all(folder)
    assert (records, damaged) == (RECORDS, [])

    async def run():
        writer = SpoolWriter(folder, 1 << 30, 1)
        for n in range(4):
            await writer.append(b"%d" % n)
        await writer.close()

    asyncio.run(run())
    records, damaged, _ = read_all(folder)
    assert records[3:] == [b"0", b"1", b"2", b"3"]
    assert [item.why[:25] for item in damaged] == ["missing: segments 6 to 8 "], "a name taken from us is worth a word"
    assert {"notes.txt", "9.seg", *(f"{n:020d}.seg" for n in (6, 7, 8))} <= {path.name for path in folder.iterdir()}
    assert stat.S_ISFIFO((folder / f"{8:020d}.seg").lstat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_folder_of_another_user_is_refused_in_one_sentence(folder):
    os.chown(folder, 12345, 12345)
    with pytest.raises(PermissionError, match=r"belongs to user 12345, this is user 0: run as that user, or chown it"):
        SpoolReader(folder)


def test_files_that_nobody_may_read_are_ours_to_repair(folder):
    segment_path(folder, 2).chmod(0)
    records, damaged, _ = read_all(folder)
    assert (records, damaged) == (RECORDS, [])


def test_long_damage_is_told_in_pieces_and_a_restart_goes_on_in_between(tmp_path):
    folder = tmp_path / "0"
    folder.mkdir()
    noise = Random(5).randbytes(3 * DAMAGED_BYTES // 2)
    its = keys(SPOOL, 1)
    data = encode_header(SPOOL, 1) + encode([b"a"], its, 1) + noise + encode([b"b"], its, 1)
    segment_path(folder, 1).write_bytes(data)
    (folder / "spool.json").write_bytes(META)
    reader = SpoolReader(folder)
    items = reader.read(max_records=2)
    reader.close()
    items = items[:2]
    reader = SpoolReader(folder, items[-1].position)
    items += reader.read()
    reader.close()
    assert b"".join(item.data for item in items if isinstance(item, Damaged)) == noise
    assert [item.payload for item in items if isinstance(item, Record)] == [b"a", b"b"]


def test_a_payload_that_holds_frames_never_passes_for_records_when_its_own_frame_is_damaged(folder):
    forged = encode_header(SPOOL, 1) + encode([b"forged"], keys(uuid4(), 5), 1) * 3
    write(folder, 5, [forged, b"honest"])
    change(folder, 5, HEADER_BYTES + FRAME_BYTES + 1, b"?")
    records, damaged, _ = read_all(folder)
    assert records == [*RECORDS, b"honest"]
    assert len(damaged) == 1


def test_a_damaged_record_in_the_growing_segment_is_told_once_a_whole_one_follows(folder):
    write(folder, 5, [b"one", b"two"])
    change(folder, 5, HEADER_BYTES + FRAME_BYTES, b"?")
    path = segment_path(folder, 5)
    whole = path.read_bytes()
    path.write_bytes(whole[: HEADER_BYTES + FRAME_BYTES + 3])
    reader = SpoolReader(folder)
    assert [item.payload for item in reader.read()] == RECORDS
    path.write_bytes(whole)
    damaged, record = reader.read()
    assert isinstance(damaged, Damaged)
    assert record.payload == b"two"
    reader.close()


@pytest.mark.scenario("C-04")
@pytest.mark.parametrize("seed", range(300))
def test_random_damage_loses_only_what_it_hit(tmp_path, seed):
    random = Random(seed)
    folder = tmp_path / "0"
    folder.mkdir()
    (folder / "spool.json").write_bytes(META)
    where: dict[bytes, tuple[int, int, int]] = {}
    for segment in range(1, 5):
        records = [b"%d-%d:" % (segment, n) + random.randbytes(random.choice((3, 900, 20_000))) for n in range(20)]
        at = HEADER_BYTES
        for record in records:
            where[record] = (segment, at, at + FRAME_BYTES + len(record))
            at += FRAME_BYTES + len(record)
        write(folder, segment, records)
    write(folder, 5, [])
    hits = [_hit(folder, random) for _ in range(random.randint(1, 20))]
    records, damaged, _ = read_all(folder)
    assert not set(records) - set(where), "invented"
    spared = [
        record
        for record, (segment, start, end) in where.items()
        if not any(hit[0] == segment and hit[1] < end and hit[2] > start for hit in hits)
    ]
    assert [record for record in records if record in set(spared)] == spared, "lost what was not hit"
    assert all(item.data for item in damaged)


def _hit(folder: Path, random: Random) -> tuple[int, int, int]:
    """Damage something; say what was hit: segment, from, to."""
    segment = random.randint(1, 4)
    path = segment_path(folder, segment)
    data = bytearray(path.read_bytes())
    if not data:
        return segment, 0, 0
    at = random.randrange(len(data))
    kind = random.choices(("flip", "zero", "cut"), (8, 2, 1))[0]
    if kind == "flip":
        data[at] ^= 1 << random.randrange(8)
        end = at + 1
    elif kind == "zero":
        end = min(len(data), at + 4096)
        data[at:end] = bytes(end - at)
    else:
        end = 1 << 40
        del data[at:]
    path.write_bytes(data)
    return segment, at, end


VERSION_1 = """
    454853504f4f4c0ab6a84fa40100000007000000000000000f1e2d3c4b5a69788796a5b4c3d2e1f0
    4cbf24439c5eaec1050000000020ba2ca25f06006669727374
    4cbf2443cf73d871000000000020ba2ca25f0600
    4cbf2443080759c3070000000020ba2ca25f06000074686972640a
"""


@pytest.mark.scenario("C-09")
def test_a_spool_written_by_the_first_version_is_still_read(tmp_path):
    folder = tmp_path / "0"
    folder.mkdir()
    (folder / "spool.json").write_text('{"format":1,"spool":"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"}')
    (folder / "00000000000000000007.seg").write_bytes(bytes.fromhex(VERSION_1))
    records, damaged, _ = read_all(folder)
    assert (records, damaged) == ([b"first", b"", b"\0third\n"], [])
    reader = SpoolReader(folder, Position(SPOOL, 7, HEADER_BYTES + FRAME_BYTES + 5))
    assert [item.payload for item in reader.read()] == [b"", b"\0third\n"]
    assert reader.backlog().oldest_written_at_us == 1794000000000000
    reader.close()
