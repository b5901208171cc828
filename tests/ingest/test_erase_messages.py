"""A person in messages, in answers to them and in what scripts printed goes; operators' addresses are told."""

from pathlib import Path
from uuid import uuid4

from sqlalchemy import text

from ingest.erase import erase
from models.engine import engine_for
from reports.delivery import outbox
from reports.delivery.message import Fact, Message, found
from tests.support import warehouse
from tests.support.loading import NOON, settings

DELIVERY = text(
    "insert into warehouse.delivery (message_id, attempt, target, started_at, ended_at, outcome, detail) "
    "values (:id, 1, 'ops', :at, :at, 'temporary', 'no mailbox ann@example.org')"
)
SCRIPT_RUN = text(
    "insert into warehouse.script_run (run_id, script, sha256, is_dry_run, started_at, outcome, output) "
    "values (:id, 'page', '\\x00', false, :at, 'done', 'paging ann@example.org now')"
)
TARGET = text(
    "insert into warehouse.target (name, channel, options, allow_private, most_per_minute, created_at, updated_at) "
    "values ('mail', 'email', '{\"to\": \"ann@example.org\"}', false, 20, :at, :at)"
)


def test_a_person_is_found_in_messages_answers_and_output_and_targets_are_left_to_the_operator(
    database_url: str, tmp_path: Path
) -> None:
    engine = engine_for(database_url)
    message = Message("k", "alert", "mail to Ann@example.org failed", facts=(Fact("user", "ann@example.org"),))
    with engine.begin() as connection:
        assert outbox.put(connection, message, "ops", NOON)
        for statement in (DELIVERY, SCRIPT_RUN, TARGET):
            connection.execute(statement, {"id": uuid4(), "at": NOON})
    done = erase(engine, settings(tmp_path), "ann@example.org", NOON, lambda _: None, is_dry=False)
    assert {name: done.removed.get(name) for name in ("outbox", "delivery", "script_run", "target")} == {
        "outbox": 1, "delivery": 1, "script_run": 1, "target": None
    }  # fmt: skip
    assert any("mail" in each and "errhouse target list" in each for each in done.left)
    for table in ("outbox", "delivery", "script_run"):
        assert "ann@" not in str(warehouse.rows(database_url, f"select * from warehouse.{table}")).lower()
    kept = found(warehouse.value(database_url, "select message from warehouse.outbox"))
    assert (kept.key, kept.kind) == ("k", "alert")
    engine.dispose()
