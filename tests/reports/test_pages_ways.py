"""Where pages lead: to what is behind a row, by link, SQL and file; and what is said by a page that is none."""

import csv
import html
import io
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from models.clock import now as real_now
from models.engine import engine_for
from reports.pages.app import create_app
from tests.reports.test_pages import HEALTH, Browser, issue_path, logged_in, visible
from tests.support import postgres, warehouse
from tests.support.builders import event
from tests.support.console import console, filled, let_in
from tests.support.loading import Clock, loading, sdk, settings, told

NOW = real_now()
STARS = ("/users/*", "/users/1")


@pytest.fixture(scope="module")
def url(postgres_url: str, template_database: str) -> Iterator[str]:
    with postgres.database(postgres_url, template_database) as made:
        filled(made, NOW, 120)
        at = NOW - timedelta(minutes=30)
        payloads = [sdk(event(timestamp=told(at), transaction=name, release="star*\\1"), at=at) for name in STARS]
        with loading(made, Clock(NOW)) as (loader, _):  # and not folded
            loader.load(payloads, origin="test")
        engine = engine_for(made)
        let_in(engine, NOW, vera="viewer", ana="analyst")
        engine.dispose()
        yield made


@pytest.fixture
def app(url: str, tmp_path: Any) -> Iterator[FastAPI]:
    with console(url, tmp_path, HEALTH, Clock(NOW)) as made:
        yield made


@pytest.fixture
def analyst(app: FastAPI) -> Browser:
    return logged_in(app, "ana")


def sql_of(page: str, name: str) -> str:
    found = re.search(rf'<pre id="{name}"[^>]*><code>(.*?)</code></pre>', page, re.DOTALL)
    assert found
    return html.unescape(found[1]).replace("%", "%%")


def links(page: str, words: str) -> list[str]:
    return [html.unescape(found) for found in re.findall(rf'<a href="([^"]+)"[^>]*>(?:{words})</a>', page)]


@pytest.mark.parametrize(
    "by", ["project", "culprit", "level", "culprit,release", "issue", "project,level,culprit,issue"]
)
def test_every_row_leads_to_a_page_of_its_events_alone(analyst: Browser, by: str) -> None:
    query = {"by": by, "last": "7d"}
    page = analyst.get("/explore", **query)
    rows = list(csv.DictReader(io.StringIO(analyst.get("/explore/table.csv", **query).text)))
    ways = links(page.text, "issues|only it")
    assert len(ways) == len(rows) > 0
    for row, way in zip(rows, ways, strict=True):
        assert re.search(r'id="h-found">([\d,]+) event', analyst.get(way).text)[1] == f"{int(row['events']):,}", way  # type: ignore[index]


def test_a_star_in_a_culprit_is_a_star_in_its_link(analyst: Browser) -> None:
    page = analyst.get("/explore", by="culprit", culprit="/users/*", last="24h").text
    assert links(page, "<bdi>/users/1</bdi>")
    (way,) = links(page, r"<bdi>/users/\*</bdi>")
    alone = analyst.get(way).text
    assert ">1 event <" in alone
    assert "<bdi>/users/1</bdi>" not in alone


@pytest.mark.parametrize("name", ["sql", "sql-of-events"])
@pytest.mark.parametrize(
    "more", [{}, {"culprit": "/users/*"}, {"level": "error", "environment": "staging", "project": "42"}]
)
def test_the_sql_behind_a_page_runs_as_it_is(analyst: Browser, url: str, name: str, more: Mapping[str, str]) -> None:
    told_sql = sql_of(analyst.get("/explore", by="project,culprit", last="7d", **more).text, name)
    assert told_sql.endswith(";")
    assert warehouse.rows(url, told_sql)


def test_an_issue_and_an_event_tell_their_sql(analyst: Browser, url: str) -> None:
    path = issue_path(url, "culprit = '/checkout'")
    page = analyst.get(path).text
    assert len(warehouse.rows(url, sql_of(page, "sql"))) == min(50, len(links(page, "<time.*?</time>")))
    shown = next(way for way in re.findall(r'href="(/events/[^"]+)"', page))
    assert len(warehouse.rows(url, sql_of(analyst.get(shown).text, "sql"))) == 1
    assert f"project={path.split('/')[2]}" in page


def test_the_file_holds_the_rows_of_the_table(analyst: Browser) -> None:
    query = {"by": "project,issue", "last": "30d", "users": "yes"}
    rows = list(csv.DictReader(io.StringIO(analyst.get("/explore/table.csv", **query).text)))
    page = analyst.get("/explore", **query).text
    shown = [int(each.replace(",", "")) for each in re.findall(r'data-l="events">([\d,]+)<', page)]
    users = [int(each.replace(",", "")) for each in re.findall(r'data-l="users">([\d,]+)<', page)]
    assert [(int(row["events"]), int(row["users"])) for row in rows] == list(zip(shown, users, strict=True))
    assert all(row["title"] and row["project_id"] for row in rows)


def test_users_are_counted_where_they_are_few_or_asked_for(analyst: Browser) -> None:
    assert "count users too" in analyst.get("/explore").text
    assert "users" not in analyst.get("/explore/table.csv").text.splitlines()[0].split(",")
    for query in ({"users": "yes"}, {"project": "42"}, {"culprit": "/checkout"}):
        assert 'data-l="users"' in analyst.get("/explore", **query).text


def test_a_new_issue_is_told_before_it_is_folded(analyst: Browser, url: str) -> None:
    assert warehouse.value(url, "select count(*) from warehouse.rollup_delta") == len(STARS)
    page = analyst.get("/").text
    assert "<bdi>/users/1</bdi>" in page[page.index("h-new") :] or "<bdi>/users/*</bdi>" in page[page.index("h-new") :]


def test_the_overview_tells_which_culprits_make_most_events(analyst: Browser, url: str) -> None:
    page = analyst.get("/")
    found = [int(n) for n in re.findall(r'data-l="events">(\d+)<', page.text)]
    since = (NOW - timedelta(days=6)).replace(hour=0, minute=0, second=0, microsecond=0)
    wanted = warehouse.rows(
        url,
        "select count(*)::int as n from analytics.events where occurred_at >= %s group by project_id, culprit "
        "order by 1 desc limit 8",
        since,
    )
    assert found == [row["n"] for row in wanted]


def test_a_page_that_is_none_keeps_the_way_and_says_what_next(analyst: Browser, app: FastAPI) -> None:
    for path, status in (("/nowhere", 404), ("/issues/42/1", 404), ("/explore?last=soon", 400)):
        answer = analyst.get(path)
        assert answer.status_code == status
        assert 'aria-label="Main"' in answer.text, path
        assert re.search(r"Go to the overview|Explore from the start", answer.text), path
    assert "an admin can change that" in visible(logged_in(app, "vera").get("/set-aside"))


def test_a_fault_is_a_page_that_says_so_and_the_session_stays(url: str, tmp_path: Any) -> None:
    made = create_app(settings(tmp_path), url, dict, Clock(NOW))  # health without a word: the template fails
    browser = logged_in(made, "ana")
    answer = browser.get("/")
    assert answer.status_code == 500
    assert "load it again" in answer.text
    assert "Traceback" not in answer.text
    assert browser.get("/explore").status_code == 200
    made.state.console.warehouse.close()


def test_a_database_that_is_away_is_a_page_that_says_so(tmp_path: Any) -> None:
    made = create_app(settings(tmp_path), "postgresql://x:x@127.0.0.1:1/x", lambda: HEALTH, Clock(NOW))
    answer = Browser(made).get("/login")
    assert answer.status_code == 503
    assert "accepted and kept meanwhile" in answer.text
    made.state.console.warehouse.close()
