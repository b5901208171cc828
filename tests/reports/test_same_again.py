"""The same period and the same events give the same report to the byte, whoever makes it and whenever."""

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from models import fold
from reports.built_in import REPORTS
from tests.support.builders import event
from tests.support.loading import NOON, loading, sdk, told
from tests.support.server import errhouse

PERIOD = ("--period", "2026-W47", "--tz", "Europe/Berlin")


def parcel(seed: int, project: int) -> list[dict[str, object]]:
    source = random.Random(seed)
    return [
        event(
            event_id=UUID(int=1000 * project + number + 1).hex,
            timestamp=told(NOON - timedelta(days=2, minutes=source.randrange(1, 10 * 24 * 60))),
            level=source.choice(["fatal", "error", "info"]),
            release=source.choice([None, "shop@1.0.0", "shop@1.1.0"]),
            transaction=source.choice([None, "/checkout", "/cart"]),
            user={"id": str(source.randrange(5))},
            fingerprint=[source.choice(["basket", "checkout", "login"])],
        )
        for number in range(80)
    ]


@pytest.mark.scenario("G-08")
def test_every_report_is_the_same_after_folding_late_duplicates_and_a_rebuild(
    database_url: str, tmp_path: Path
) -> None:
    def made() -> dict[str, str]:
        """Make every report, each in a process of its own."""
        found = {}
        for each in REPORTS:
            done = errhouse(
                *("report", "run", each.name, *PERIOD, "--format", "json"), data_dir=tmp_path, database_url=database_url
            )
            assert done.returncode == 0, done.stderr
            found[each.name] = done.stdout
        return found

    def loaded(do: Callable[[int, int], None]) -> None:
        for project in (42, 43):
            do(project, project)

    with loading(database_url) as (loader, engine):
        loaded(lambda seed, project: loader.load([sdk(*parcel(seed, project), project=project)], origin="test"))
        first = made()
        fold.fold_all(engine, NOON.date(), 14)
        assert made() == first
        loaded(lambda seed, project: loader.load([sdk(*parcel(seed, project), project=project)], origin="late"))
        assert made() == first
    rebuilt = errhouse(
        "db", "rebuild", "2026-11-11", "--to", "2026-11-22", data_dir=tmp_path, database_url=database_url
    )
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert made() == first
