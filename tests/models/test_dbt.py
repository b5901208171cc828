"""The dbt sources are what the views are, the real dbt reads them, and its tests pass over real payloads."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models import fold
from models.views import VIEWS
from tests.support import dbt
from tests.support.builders import event
from tests.support.corpus import corpus
from tests.support.loading import loading, sdk, told


@pytest.fixture(scope="module")
def command() -> Path:
    return dbt.installed()


@pytest.mark.timeout(1200)  # the environment is made once
def test_dbt_reads_the_sources_without_a_warning(command: Path, database_url: str, tmp_path: Path) -> None:
    done = dbt.run(command, tmp_path, database_url, "parse", "--warn-error")
    assert done.returncode == 0, done.stdout
    manifest = json.loads((tmp_path / "target" / "manifest.json").read_text())
    sources = {each["name"]: each for each in manifest["sources"].values()}
    assert list(sources) == [view.name for view in VIEWS]
    for view in VIEWS:
        told_by_dbt = sources[view.name]
        assert told_by_dbt["description"] == view.comment
        assert {name: column["description"] for name, column in told_by_dbt["columns"].items()} == {
            column.name: column.comment for column in view.columns
        }
    assert sources["events"]["loaded_at_field"] == "received_at"
    assert sources["events"]["freshness"]["error_after"] == {"count": 1, "period": "day"}


@pytest.mark.timeout(1200)
def test_dbt_s_tests_pass_over_the_corpus_and_find_what_is_wrong(
    command: Path, database_url: str, tmp_path: Path
) -> None:
    with loading(database_url) as (loader, engine):
        loader.load(corpus(), origin="test")
        fold.fold_all(engine, datetime(2026, 11, 24, tzinfo=UTC).date(), 14)
        loader.load([sdk(event(timestamp=told(datetime.now(UTC))), at=datetime.now(UTC))], origin="test")
    done = dbt.run(command, tmp_path, database_url, "test")
    assert done.returncode == 0, done.stdout
    passed = re.search(r"PASS=(\d+) WARN=0 ERROR=0", done.stdout)
    assert passed, done.stdout
    assert int(passed[1]) >= sum(bool(column.is_told) for view in VIEWS for column in view.columns)
    fresh = dbt.run(command, tmp_path, database_url, "source", "freshness")
    assert fresh.returncode == 0, fresh.stdout
    assert "PASS freshness of errhouse.events" in fresh.stdout
