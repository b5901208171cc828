"""Scenario B-06: a loader that dies with a batch in hand, of memory or of a record, again and again."""

import asyncio
import subprocess
from pathlib import Path

import msgspec
import pytest

from ingest.health import loader_state
from ingest.in_hand import MOST_DEATHS
from ingest.spool.writer import SpoolWriter
from models.clock import now
from tests.proof.lines import report
from tests.support import warehouse
from tests.support.builders import event
from tests.support.loading import sdk, told
from tests.support.server import ROOT, command, environment, errhouse

MIB = 1024 * 1024
LIMIT_MIB = 230  # it starts with 150; a batch of 64 fits into 300
BATCH_MIB = 64
MOST_RUNS = 20
SMALL = 100
FILLER = "abcdefghijklmnop " * 1200  # 20 KB, as many an event has
ASIDE = "select reason, detail, seen_count from warehouse.set_aside"
LEFT = "select count(*)::int from warehouse.fact_event"


def accept(data_dir: Path, count: int, filler: str = "") -> None:
    """Put events into a spool, as a receiver does."""

    async def append() -> None:
        writer = SpoolWriter(data_dir / "spool" / "0", 1024 * MIB)
        for _ in range(count):
            at = now()
            one = sdk(event(timestamp=told(at), extra={"filler": filler}), at=at)
            await writer.append(msgspec.msgpack.encode(one))
        await writer.close()

    data_dir.mkdir(mode=0o700)
    asyncio.run(append())


def in_hand(data_dir: Path) -> tuple[int, int] | None:
    """Give how many records the last loader had in hand when it died, and how many had died there before."""
    said = loader_state(data_dir / "run")
    found = said and said.in_hand.get("0")
    return (found.records, found.deaths) if found else None


@pytest.mark.scenario("B-06")
def test_loaders_that_die_at_one_place_take_less_and_less_until_one_record_is_set_aside_alone(
    tmp_path: Path, database_url: str
) -> None:
    data_dir = tmp_path / "data"
    accept(data_dir, SMALL)
    told_by: list[tuple[int, int] | None] = []
    for _ in range(MOST_DEATHS):
        died = errhouse(
            "drain",
            data_dir=data_dir,
            database_url=database_url,
            ERRHOUSE_FAILPOINT="batch_read",
            ERRHOUSE_LOAD_BATCH_EVENTS=str(SMALL),
        )
        assert died.returncode == -9, died.stderr
        told_by.append(in_hand(data_dir))
    assert told_by == [(SMALL, 0), (SMALL // 2, 1), (SMALL // 16, 2), (1, 3), (1, 4)]
    assert warehouse.value(database_url, LEFT) == 0

    done = errhouse("drain", data_dir=data_dir, database_url=database_url)
    assert done.returncode == 0, done.stderr
    assert warehouse.value(database_url, LEFT) == SMALL - 1
    (aside,) = warehouse.rows(database_url, ASIDE)
    assert (aside["reason"], aside["seen_count"]) == ("internal", 1)
    assert "died" in aside["detail"]
    assert in_hand(data_dir) is None

    again = errhouse("set-aside", "replay", data_dir=data_dir, database_url=database_url)
    assert again.returncode == 0, again.stdout + again.stderr
    assert warehouse.value(database_url, LEFT) == SMALL
    audit = errhouse("db", "audit", data_dir=data_dir, database_url=database_url)
    assert audit.returncode == 0, audit.stdout + audit.stderr


@pytest.mark.scenario("B-06", tier=2)
def test_a_batch_that_does_not_fit_into_memory_is_taken_in_smaller_ones(tmp_path: Path, database_url: str) -> None:
    data_dir = tmp_path / "data"
    count = BATCH_MIB * MIB // len(FILLER)
    accept(data_dir, count, FILLER)
    settings = {"ERRHOUSE_LOAD_BATCH_EVENTS": "100000", "ERRHOUSE_LOAD_BATCH_BYTES": str(BATCH_MIB * MIB)}
    given = {"ERRHOUSE_DATA_DIR": str(data_dir), "ERRHOUSE_DATABASE_URL": database_url, **settings}
    limited = ["sh", "-c", f'ulimit -v {LIMIT_MIB * 1024}; exec "$0" drain', *command()]
    deaths = 0
    while (
        done := subprocess.run(limited, check=False, cwd=ROOT, env=environment(**given), capture_output=True, text=True)
    ).returncode:
        assert "MemoryError" in done.stderr, done.stderr
        deaths += 1
        assert deaths < MOST_RUNS
        found = in_hand(data_dir)
        assert found
        assert found[1] < MOST_DEATHS - 1
    report(
        f"B-06 {BATCH_MIB} MiB in one batch, {LIMIT_MIB} MiB of address space: {deaths} deaths, then all {count} loaded"
    )
    assert deaths >= 1
    assert warehouse.tally(database_url)["loaded"] == warehouse.value(database_url, LEFT) == count
    assert warehouse.rows(database_url, ASIDE) == []
