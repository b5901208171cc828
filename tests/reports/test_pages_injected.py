"""Three hundred texts that would be SQL if anything formatted them into a statement, in everything a person can say."""

import csv
import io
import itertools
import re
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from psycopg import sql

from models.clock import now as real_now
from models.engine import engine_for
from tests.reports.test_pages import HEALTH, Browser, logged_in
from tests.support import postgres
from tests.support.console import console, filled, let_in, reported
from tests.support.loading import Clock

NOW = real_now()
LEAVING = ("'", "''", "\\'", '"', "`", "')", "'))", "%'", "%' or '%'='", "$$", "$a$", "1", "1)", "\u02bc", "\uff07")
DOING = (
    " or 1=1",
    " or '1'='1'",
    " and 1=cast(version() as int)",
    " union all select null, null, null, null, null, null, null, null",
    "; drop table warehouse.fact_event",
    "; delete from warehouse.fact_event",
    "; insert into warehouse.dim_project (project_id, created_at) values (666, now())",
    " or (select pg_sleep(30)) is null",
    "; copy warehouse.console_user to program 'cat'",
    " or exists (select 1 from warehouse.console_user where name like 'a%')",
)
ENDING = ("", " -- ")
PAYLOADS = ["".join(parts) for parts in itertools.product(LEAVING, DOING, ENDING)]
BOUND = ("culprit", "environment", "level", "release")  # what reaches a statement as a text
SAID = (
    *(("/explore", name) for name in ("by", "last", "from", "to", "project", "issue", "users", "unknown")),
    *(("/explore/table.csv", name) for name in ("by", "from", "issue")),
    *(("/deliveries", name) for name in ("form", "status", "reason", "slow")),
    *(("/reports", "name"), ("/messages", "target"), ("/set-aside", "reason"), ("/login", "next")),
)
PLACES = ("/events/{}/1", "/events/42/{}", "/issues/42/{}", "/reports/runs/{}", "/deliveries/{}", "/set-aside/{}")
LONGEST_SECONDS = 15  # half of what the texts would sleep


@pytest.fixture(scope="module")
def url(postgres_url: str, template_database: str) -> Iterator[str]:
    with postgres.database(postgres_url, template_database) as made:
        filled(made, NOW, 60)
        reported(made, NOW)
        engine = engine_for(made)
        let_in(engine, NOW, ada="admin")
        engine.dispose()
        yield made


@pytest.fixture
def app(url: str, tmp_path: Any) -> Iterator[FastAPI]:
    with console(url, tmp_path, HEALTH, Clock(NOW)) as made:
        yield made


@pytest.fixture
def counts(url: str) -> Iterator[None]:
    """Every table has as many rows afterwards as before, and there is none more."""
    before = counted(url)
    assert before["warehouse.fact_event"] == 61
    yield
    assert counted(url) == before


def counted(url: str) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "select schemaname, tablename from pg_tables where schemaname !~ '^(pg_|information_schema)'"
            " and tablename <> 'console_session'"  # which a login makes
        ).fetchall()
        ask = sql.SQL("select count(*) from {}")
        found = {}
        for schema, table in tables:
            row = connection.execute(ask.format(sql.Identifier(schema, table))).fetchone()
            assert row
            found[f"{schema}.{table}"] = row[0]
        return found


def asked(browser: Browser, path: str, **params: str) -> Any:
    start = time.monotonic()
    answer = browser.get(path, **params)
    assert time.monotonic() - start < LONGEST_SECONDS, (path, params)
    assert answer.status_code < 500, (path, params, answer.text[-500:])
    return answer


def test_there_are_as_many_as_was_promised() -> None:
    assert len(set(PAYLOADS)) == 300


@pytest.mark.usefixtures("counts")
def test_no_text_finds_more_than_itself(app: FastAPI) -> None:
    admin = logged_in(app, "ada")
    whole = asked(admin, "/explore/table.csv", last="14d", by="culprit")
    assert len(list(csv.reader(io.StringIO(whole.text)))) > 3
    for name, payload in zip(itertools.cycle(BOUND), PAYLOADS, strict=False):
        found = asked(admin, "/explore/table.csv", last="14d", by="culprit", **{name: payload})
        assert found.status_code == 200
        assert len(list(csv.reader(io.StringIO(found.text)))) == 1, (name, payload)


@pytest.mark.usefixtures("counts")
def test_a_text_may_be_in_every_place_of_a_statement_at_once(app: FastAPI) -> None:
    admin = logged_in(app, "ada")
    for payload in PAYLOADS[::5]:
        answer = asked(admin, "/explore", last="14d", by="culprit,level", **dict.fromkeys(BOUND, payload))
        assert answer.status_code == 200


@pytest.mark.usefixtures("counts")
def test_what_is_no_text_is_refused_or_has_no_effect(app: FastAPI) -> None:
    admin = logged_in(app, "ada")
    for number, (path, name) in enumerate(SAID):
        for payload in PAYLOADS[number % 20 :: 20]:
            assert asked(admin, path, **{name: payload}).status_code in {200, 400, 404}
    for number, place in enumerate(PLACES):
        for payload in PAYLOADS[number % 20 :: 20]:
            path = place.format(re.sub(r"[/?#%]", "", payload))
            assert asked(admin, path).status_code == 404


@pytest.mark.usefixtures("counts")
def test_no_form_takes_a_text_for_more_than_a_text(app: FastAPI) -> None:
    admin = logged_in(app, "ada")
    csrf = admin.csrf("/")
    for number, payload in enumerate(PAYLOADS[::10]):
        for path, form in (
            ("/schedules", {"name": payload, "enable": "yes"}),
            ("/set-aside/replay", {"key": payload}),
            ("/set-aside/replay", {"reason": payload}),
        ):
            answer = admin.post(path, csrf=csrf, **form)
            assert answer.status_code < 500, (path, payload, answer.text[-500:])
        if number < 3:  # more would be slowed down
            stranger = Browser(app)
            assert stranger.log_in(payload, payload).status_code in {401, 403, 429}
