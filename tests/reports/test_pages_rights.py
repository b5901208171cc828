"""Every page of the console and the least role it is for; a page that is not in this table is not to be had."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from models.clock import now as real_now
from models.engine import engine_for
from reports.pages.app import ROUTES
from tests.reports.test_pages import HEALTH, Browser, logged_in
from tests.support import postgres
from tests.support.console import console, filled, let_in, reported
from tests.support.loading import Clock

NOW = real_now()
ROLES = ("viewer", "analyst", "admin")
PEOPLE = dict(zip(("vera", "ana", "ada"), ROLES, strict=True))
RIGHTS = {
    "GET /": "viewer",
    "GET /deliveries": "viewer",
    "GET /deliveries/{key}": "analyst",
    "GET /events/{project_id}/{event_id}": "viewer",
    "GET /events/{project_id}/{event_id}/payload.json": "analyst",
    "GET /explore": "viewer",
    "GET /explore/table.csv": "viewer",
    "GET /health": "viewer",
    "GET /issues/{project_id}/{issue_id}": "viewer",
    "GET /login": "anybody",
    "GET /messages": "analyst",
    "GET /reports": "viewer",
    "GET /reports/runs/{run_id}": "viewer",
    "GET /reports/runs/{run_id}/{format}": "viewer",
    "GET /schedules": "viewer",
    "GET /set-aside": "analyst",
    "GET /set-aside/{key}": "analyst",
    "POST /login": "anybody",
    "POST /logout": "viewer",
    "POST /schedules": "admin",
    "POST /set-aside/replay": "admin",
}


@pytest.fixture(scope="module")
def url(postgres_url: str, template_database: str) -> Iterator[str]:
    with postgres.database(postgres_url, template_database) as made:
        filled(made, NOW, 60)
        reported(made, NOW)
        engine = engine_for(made)
        let_in(engine, NOW, **PEOPLE)
        engine.dispose()
        yield made


@pytest.fixture
def app(url: str, tmp_path: Any) -> Iterator[FastAPI]:
    with console(url, tmp_path, HEALTH, Clock(NOW)) as made:
        yield made


def test_every_page_has_its_row_and_every_row_its_page() -> None:
    assert {f"{route.method} {route.path}": route.role or "anybody" for route in ROUTES} == RIGHTS


@pytest.mark.parametrize("name", [None, *PEOPLE])
def test_a_role_is_let_in_where_the_table_says_and_nowhere_else(app: FastAPI, name: str | None) -> None:
    rank = ROLES.index(PEOPLE[name]) if name else -1
    browser = logged_in(app, name) if name else Browser(app)
    csrf = browser.csrf("/" if name else "/login")
    wrong = {}
    for row, least in sorted(RIGHTS.items(), key=lambda each: "logout" in each[0]):
        method, path = row.split()
        asked = re.sub(r"\{\w+\}", "1", path)
        answer = browser.ask(method, asked, data={"csrf": csrf} if method == "POST" else None)
        is_sent_to_login = answer.status_code == 303 and answer.headers["location"].startswith("/login")
        if row == "POST /logout":
            is_sent_to_login &= name is None  # which is where it leads
        is_in = answer.status_code != 403 and not is_sent_to_login
        if is_in != (least == "anybody" or rank >= ROLES.index(least)):
            wrong[row] = answer.status_code
        elif not is_in:
            assert is_sent_to_login == (name is None), row
    assert wrong == {}
