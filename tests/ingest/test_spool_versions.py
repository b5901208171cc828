"""
Spools that earlier versions wrote, one file a version, are drained to the last event.

A file holds the spool's files, segments in hex, and the rows that came of them. A version that writes another spool
adds its own file beside the others and changes none.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from ingest.drain import Drain
from models.engine import engine_for
from tests.support import warehouse
from tests.support.loading import Clock, settings

HOLDS = ("C-09",)
SPOOLS = sorted((Path(__file__).parent / "spools").glob("*.json"))
ROWS = (
    "select replace(event_id::text, '-', '') as event_id, source, level, title, release, environment "
    "from analytics.events order by event_id"
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url)
    yield made
    made.dispose()


def restored(told: dict[str, Any], folder: Path) -> None:
    """Put a spool's files back as they were."""
    folder.mkdir(parents=True)
    for name, content in told["files"].items():
        data = content.encode() if isinstance(content, str) else bytes.fromhex("".join(content))
        (folder / name).write_bytes(data)


@pytest.mark.parametrize("path", SPOOLS, ids=lambda path: path.stem)
def test_a_spool_of_an_earlier_version_is_drained(
    path: Path, tmp_path: Path, engine: Engine, database_url: str
) -> None:
    told = json.loads(path.read_text())
    assert told["events"], "a spool without events proves nothing"
    (tmp_path / "run").mkdir()
    restored(told, tmp_path / "spool" / "0")
    loop = Drain(engine, settings(tmp_path), Clock())
    while loop.step():
        pass
    assert loop.is_empty()
    loop.close()
    assert warehouse.rows(database_url, ROWS) == told["events"]
    assert warehouse.tally(database_url)["set_aside"] == 0


def test_this_version_writes_a_spool_that_is_among_them() -> None:
    formats = {json.loads(json.loads(path.read_text())["files"]["spool.json"])["format"] for path in SPOOLS}
    assert formats == {1}, "add the spool of a new format, and never change those of earlier ones"
