"""Files that reports made and that name a person go; those of other runs stay."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from ingest.erase import erase
from models.engine import engine_for
from tests.support.loading import NOON, settings

MADE = text("insert into warehouse.report_artifact values (:run_id, :format, '\\x00', octet_length(:body), :body)")
RUNS = text("select distinct run_id from warehouse.report_artifact")


def made(engine: Engine, **bodies: bytes) -> UUID:
    run_id = uuid4()
    with engine.begin() as connection:
        for kind, body in bodies.items():
            connection.execute(MADE, {"run_id": run_id, "format": kind, "body": body})
    return run_id


def left(engine: Engine) -> set[UUID]:
    with engine.connect() as connection:
        return set(connection.execute(RUNS).scalars())


@pytest.mark.parametrize("is_dry", [True, False])
def test_only_files_that_may_name_the_person_go(database_url: str, tmp_path: Path, is_dry: bool) -> None:
    engine = engine_for(database_url)
    named = made(engine, json=b'{"title": "mail to Ann@Example.org failed"}', xlsx=b"PK packed")
    packed = made(engine, parquet=b"PAR1")
    other = made(engine, html=b"<td>mail to bob@example.org failed</td>", png=b"\x89PNG")
    found = erase(engine, settings(tmp_path), "ann@example.org", NOON, lambda _: None, is_dry=is_dry)
    assert found.removed == {"report_artifact (files of reports)": 3}
    assert left(engine) == ({named, packed, other} if is_dry else {other})
    engine.dispose()
