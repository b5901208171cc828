"""Pages over a real database: who may see what, what may be sent, and that a sender's words stay words."""

import asyncio
import csv
import html
import io
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from models.clock import now as real_now
from models.engine import engine_for
from reports.pages.app import ROUTES, create_app
from tests.support import postgres, warehouse
from tests.support.console import HOSTILE_CULPRIT, HOSTILE_TITLE, PASSWORD, console, filled, let_in, reported
from tests.support.loading import Clock, settings

HEALTH = {
    "ready": True, "reasons": [], "spool_events": 0, "oldest_seconds": 0.0, "loaded_total": 1, "duplicate_total": 0,
    "set_aside_total": 0, "database": "ok",
}  # fmt: skip
NOW = real_now()


class Browser:
    """A browser that speaks to the application in this process, as receivers would hand its requests on."""

    def __init__(self, app: FastAPI, headers: dict[str, str] | None = None) -> None:
        self._app = app
        self._headers = {"x-errhouse-client": "198.51.100.7", "x-errhouse-scheme": "http", **(headers or {})}
        self.cookies = httpx.Cookies()

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://console", cookies=self.cookies
            ) as client:
                answer = await client.request(method, path, headers=self._headers, **more)
                self.cookies = client.cookies
                return answer

        return asyncio.run(asked())

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self.ask("GET", path, params=params or None)

    def post(self, path: str, **form: str) -> httpx.Response:
        return self.ask("POST", path, data=form)

    def csrf(self, path: str = "/login") -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.get(path).text)
        assert found
        return found[1]

    def log_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        return self.post("/login", csrf=self.csrf(), name=name, password=password)


@pytest.fixture(scope="module")
def url(postgres_url: str, template_database: str) -> Iterator[str]:
    with postgres.database(postgres_url, template_database) as made:
        filled(made, NOW)
        engine = engine_for(made)
        let_in(engine, NOW, vera="viewer", ana="analyst", ada="admin")
        engine.dispose()
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def app(url: str, clock: Clock, tmp_path: Any) -> Iterator[FastAPI]:
    with console(url, tmp_path, HEALTH, clock) as made:
        yield made


def logged_in(app: FastAPI, name: str) -> Browser:
    browser = Browser(app)
    assert browser.log_in(name).status_code == 303
    return browser


@pytest.fixture
def viewer(app: FastAPI) -> Browser:
    return logged_in(app, "vera")


@pytest.fixture
def analyst(app: FastAPI) -> Browser:
    return logged_in(app, "ana")


def event_path(url: str, where: str) -> str:
    (row,) = warehouse.rows(url, f"select project_id, event_id from analytics.events where {where} limit 1")
    return f"/events/{row['project_id']}/{row['event_id'].hex}"


def issue_path(url: str, where: str) -> str:
    (row,) = warehouse.rows(url, f"select project_id, issue_id from analytics.issues where {where} limit 1")
    return f"/issues/{row['project_id']}/{row['issue_id']}"


def visible(answer: httpx.Response) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", answer.text))


def test_every_page_but_the_login_sends_a_stranger_to_the_login(app: FastAPI) -> None:
    for route in ROUTES:
        path = re.sub(r"\{\w+\}", "1", route.path)
        answer = Browser(app).ask(route.method, path)
        if route.role is None:
            assert answer.status_code in {200, 403}, path
        else:
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/login"), path


def test_a_login_leads_to_where_one_wanted_to_go_and_nowhere_else(app: FastAPI) -> None:
    browser = Browser(app)
    answer = browser.get("/explore", by="level")
    assert answer.headers["location"] == "/login?next=%2Fexplore%3Fby%3Dlevel"
    for target, wanted in (("/explore?by=level", "/explore?by=level"), ("//evil.example", "/"), ("https://evil", "/")):
        browser = Browser(app)
        sent = browser.post("/login", csrf=browser.csrf(), name="vera", password=PASSWORD, next=target)
        assert (sent.status_code, sent.headers["location"]) == (303, wanted)


def test_a_wrong_password_and_an_unknown_name_are_answered_alike_and_guessing_is_slowed_down(
    app: FastAPI, clock: Clock
) -> None:
    browser = Browser(app)
    said = {browser.log_in(name, "wrong-password").text.count("Name or password is wrong.") for name in ("vera", "x")}
    assert said == {1}
    for _ in range(4):
        browser.log_in("vera", "wrong-password")
    answer = browser.log_in("vera")
    assert answer.status_code == 429
    assert "too often" in answer.text
    clock.now = NOW + timedelta(hours=2)
    assert browser.log_in("vera").status_code == 303


def test_a_session_ends_with_a_logout_with_time_and_with_a_new_password(app: FastAPI, url: str, clock: Clock) -> None:
    browser = logged_in(app, "vera")
    assert browser.get("/").status_code == 200
    stolen = Browser(app)
    stolen.cookies = httpx.Cookies(browser.cookies)
    assert browser.post("/logout", csrf=browser.csrf("/")).headers["location"] == "/login"
    assert stolen.get("/").status_code == 303
    browser = logged_in(app, "vera")
    clock.now = NOW + timedelta(days=4)  # idle
    assert browser.get("/").status_code == 303
    clock.now = NOW
    browser = logged_in(app, "vera")
    engine = engine_for(url)
    let_in(engine, NOW, vera="viewer")
    engine.dispose()
    assert browser.get("/").status_code == 303


def test_tokens_and_passwords_are_nowhere_in_the_database(url: str, analyst: Browser) -> None:
    token = analyst.cookies["errhouse_session"]
    with psycopg.connect(url) as connection:
        kept = connection.execute("select * from warehouse.console_session").fetchall()
        people = connection.execute("select password_hash from warehouse.console_user").fetchall()
    assert kept
    assert token not in repr(kept)
    assert all(hashed.startswith("$argon2id$") for (hashed,) in people)


def test_cookies_are_for_the_server_alone_and_for_https_where_it_is(app: FastAPI) -> None:
    for scheme in ("http", "https"):
        browser = Browser(app, {"x-errhouse-scheme": scheme})
        page = browser.get("/login")
        csrf = re.search(r'name="csrf" value="(\w+)"', page.text)
        assert csrf
        # a client that speaks http to the application in this process does not send a secure cookie back by itself
        before = page.headers["set-cookie"].split(";")[0]
        browser._headers["cookie"] = before
        answer = browser.post("/login", csrf=csrf[1], name="vera", password=PASSWORD)
        assert answer.status_code == 303
        set_cookie = answer.headers.get_list("set-cookie")[0].lower()
        assert "httponly" in set_cookie
        assert "samesite=lax" in set_cookie
        assert ("secure" in set_cookie) == (scheme == "https")


def test_a_form_without_its_session_s_token_changes_nothing(app: FastAPI, viewer: Browser) -> None:
    other = logged_in(app, "ana")
    for csrf in ("", "0" * 64, other.csrf("/")):
        assert viewer.post("/logout", csrf=csrf).status_code == 403
    assert viewer.get("/").status_code == 200
    assert Browser(app).post("/login", name="vera", password=PASSWORD).status_code == 403


def test_every_answer_has_headers_that_let_nothing_in(analyst: Browser, url: str) -> None:
    for path in ("/", "/explore", "/login", "/nowhere", event_path(url, "true"), "/explore?by=nothing"):
        headers = analyst.get(path).headers
        csp = headers["content-security-policy"]
        assert "default-src 'none'" in csp
        assert "script-src" not in csp
        assert "unsafe" not in csp
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY"), path
        assert headers["cache-control"] == "no-store"


def test_no_page_needs_what_the_policy_forbids(analyst: Browser, url: str) -> None:
    for path in ("/", "/explore?by=issue,level", event_path(url, "true"), issue_path(url, "true"), "/health"):
        text = analyst.get(path).text
        markup = re.sub(r"<pre.*?</pre>", "", text, flags=re.DOTALL)
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=[\"']", markup)
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text)


def test_the_health_page_tells_what_became_of_all_that_was_loaded_on_a_day(analyst: Browser, url: str) -> None:
    day = (NOW - timedelta(days=3)).date()
    with psycopg.connect(url) as connection:
        connection.execute(
            """
            insert into warehouse.load_tally (origin, loaded_on, payload_count, event_count, loaded_count,
                duplicate_count, refused_count, set_aside_count, issue_change_count, conflict_count)
            values ('another', %s, 9111, 9110, 9001, 88, 21, 33, 0, 17)
            """,
            (day,),
        )
    row = next(each for each in re.findall(r"<tr>.*?</tr>", analyst.get("/health").text) if "9,001" in each)
    assert re.findall(r'<td class="n">([\d,]+)</td>', row) == ["9,111", "9,001", "88", "17", "33"]


def test_a_viewer_sees_no_person_and_no_payload(viewer: Browser, analyst: Browser, url: str) -> None:
    path = event_path(url, "user_email is not null")
    for word in ("ada@example.com", "203.0.113.9", "ada logged in", "WSGIRequest"):
        assert word in visible(analyst.get(path)), word
        assert word not in visible(viewer.get(path)), word
    assert "shop/price.py" in visible(viewer.get(path))
    assert viewer.get(f"{path}/payload.json").status_code == 403
    assert analyst.get(f"{path}/payload.json").json()["user"]["email"] == "ada@example.com"
    assert (viewer.get("/set-aside").status_code, analyst.get("/set-aside").status_code) == (403, 200)


def test_what_a_sender_wrote_stays_text_everywhere(analyst: Browser, url: str) -> None:
    event = event_path(url, "level = 'fatal' and title like '<script>%%'")
    issue = issue_path(url, "title like '<script>%%'")
    for path in (event, issue, "/", "/explore?by=culprit,environment,release,issue", "/explore?culprit=%3Cscript%3E"):
        text = analyst.get(path).text
        for word in ("<script", "<img", "<b>", "<i>", "<u>", "</dl>:", "onmouseover='"):
            assert word not in text.replace("</b>", ""), (path, word)
        assert "\u202e" not in text, path
    assert HOSTILE_TITLE.split("</")[0] in visible(analyst.get(event))


def test_the_explorer_s_numbers_are_those_of_the_events(analyst: Browser, url: str) -> None:
    where = "occurred_at >= %s and occurred_at < %s"
    for last, hours in (("24h", 24), ("7d", 168), ("30d", 720)):
        since = NOW - timedelta(hours=hours)
        wanted = warehouse.rows(
            url,
            f"select culprit, level, count(*)::int as events from analytics.events where {where} "
            "group by 1, 2 order by 3 desc, 1, 2",
            since,
            NOW,
        )
        answer = analyst.get("/explore/table.csv", by="culprit,level", last=last)
        found = list(csv.DictReader(io.StringIO(answer.text)))
        told = [(row["culprit"].removeprefix("'"), row["level"], int(row["events"])) for row in found]
        assert told == [(row["culprit"], row["level"], row["events"]) for row in wanted]
        assert sum(float(row["share"]) for row in found) == pytest.approx(1)
        before = warehouse.value(
            url, f"select count(*) from analytics.events where {where}", since - timedelta(hours=hours), since
        )
        total = sum(row["events"] for row in wanted)
        page = visible(analyst.get("/explore", last=last))
        assert f"{total} events" in page
        assert f"{before} in the period before" in page


@pytest.mark.parametrize(
    ("name", "word", "where"),
    [
        ("project", "42", "project_id = 42"),
        ("level", "warning", "level = 'warning'"),
        ("culprit", "/checkout", "culprit = '/checkout'"),
        ("culprit", "shop.*", "culprit like 'shop.%%'"),
        ("culprit", "100%_", "false"),
        ("environment", "staging", "environment = 'staging'"),
        ("release", "shop@2.4.0", "release = 'shop@2.4.0'"),
        ("culprit", HOSTILE_CULPRIT, "culprit like '=cmd%%'"),
    ],
)
def test_filters_keep_what_they_say(analyst: Browser, url: str, name: str, word: str, where: str) -> None:
    since = NOW - timedelta(days=7)
    wanted = warehouse.value(
        url,
        f"select count(*) from analytics.events where {where} and occurred_at >= %s and occurred_at < %s",
        since,
        NOW,
    )
    answer = analyst.get("/explore/table.csv", by="project", **{name: word})
    assert sum(int(row["events"]) for row in csv.DictReader(io.StringIO(answer.text))) == wanted
    page = analyst.get("/explore", by="project,level", last="24h", **{name: word})
    assert page.status_code == 200


def test_the_sql_that_is_shown_gives_the_table(analyst: Browser, url: str) -> None:
    page = analyst.get("/explore", by="culprit", culprit="*shop*", last="30d")
    found = re.search(r"<pre[^>]*><code>(.*?)</code></pre>", page.text, re.DOTALL)
    assert found
    rows = warehouse.rows(url, html.unescape(found[1]).replace("%", "%%"))
    assert rows
    for row in rows:
        assert row["culprit"] in visible(page)
    evil = analyst.get("/explore", by="culprit", culprit="'; drop table x; --")
    assert "''; drop table x" in html.unescape(evil.text)


def test_a_file_does_nothing_in_a_spreadsheet(analyst: Browser) -> None:
    answer = analyst.get("/explore/table.csv", by="culprit,environment")
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    cells = [cell for row in csv.reader(io.StringIO(answer.text)) for cell in row]
    assert any(cell.startswith("'=cmd|") for cell in cells)
    assert not [cell for cell in cells if cell[:1] in "=@\t\r" and cell]


@pytest.mark.parametrize(
    "query",
    [
        "by=nothing",
        "last=soon",
        "last=99999w",
        "from=never",
        "to=2026-01-01",
        "project=x",
        "from=2026-02-01&to=2026-01-01",
    ],
)
def test_a_question_that_cannot_be_understood_is_a_sentence(analyst: Browser, query: str) -> None:
    answer = analyst.get(f"/explore?{query}")
    assert answer.status_code == 400
    assert "cannot be answered" in answer.text


def test_what_is_not_there_is_a_page_that_says_so(analyst: Browser) -> None:
    nothing = f"/events/42/{uuid4().hex}"
    paths = (
        nothing,
        "/events/42/x",
        "/events/-1/1",
        "/issues/42/1",
        "/reports/runs/1",
        f"/reports/runs/{uuid4()}",
        "/x",
    )
    for path in (*paths, "/issues/42/99999999999999999999"):
        answer = analyst.get(path)
        assert (answer.status_code, "Not found" in answer.text) == (404, True), path
    assert (
        analyst.get("/explore", culprit="\0a", level="x\ud800".encode("utf-8", "replace").decode()).status_code == 200
    )


def test_a_person_whom_a_trusted_proxy_names_needs_no_password(url: str, clock: Clock, tmp_path: Any) -> None:
    made = create_app(settings(tmp_path, CONSOLE_USER_HEADER="X-Forwarded-User"), url, lambda: HEALTH, clock)
    header = {"x-forwarded-user": "stranger"}
    assert Browser(made, header).get("/").status_code == 303  # nobody trusted says so
    trusted = Browser(made, {**header, "x-errhouse-proxied": "1"})
    assert "stranger" in trusted.get("/").text
    assert trusted.get("/set-aside").status_code == 403
    assert Browser(made, {"x-forwarded-user": "ana", "x-errhouse-proxied": "1"}).get("/set-aside").status_code == 200
    made.state.console.warehouse.close()


def test_a_report_is_shown_in_a_frame_without_rights(app: FastAPI, viewer: Browser, url: str) -> None:
    reported(url, NOW)
    run_id = warehouse.value(url, "select run_id from warehouse.report_run where status = 'done'")
    assert "weekly shop" in viewer.get("/reports").text
    page = viewer.get(f"/reports/runs/{run_id}")
    assert f'sandbox src="/reports/runs/{run_id}/html"' in page.text
    made = viewer.get(f"/reports/runs/{run_id}/html")
    assert "sandbox;" in made.headers["content-security-policy"]
    assert made.headers["x-frame-options"] == "SAMEORIGIN"
    assert viewer.get(f"/reports/runs/{run_id}/json").headers["content-disposition"].startswith("attachment")
    admin = logged_in(app, "ada")
    assert "Pause" in admin.get("/schedules").text
    assert "Pause" not in viewer.get("/schedules").text
    form = {"name": "weekly shop", "enable": "no"}
    assert viewer.post("/schedules", csrf=viewer.csrf("/"), **form).status_code == 403
    assert admin.post("/schedules", csrf=admin.csrf("/"), **form).status_code == 303
    assert "paused" in admin.get("/schedules").text
    sent = "insert into warehouse.outbox (message_id, key, target, kind, message, created_at, due_at, status,"
    values = (
        f"(gen_random_uuid(), '{run_id}:ops', 'ops', 'report', '{{\"title\": \"<b>it</b>\"}}', now(), now(), 'failed',"
    )
    postgres.run(url, "update warehouse.report_run set targets = '{ops}'")
    postgres.run(url, f"{sent} attempt_count, error) values {values} 7, '<i>gone</i>')")
    postgres.run(url, "insert into warehouse.target_state values ('ops', 3, null, now(), null, '<i>gone</i>')")
    for shown in (viewer.get(f"/reports/runs/{run_id}").text, admin.get("/messages").text):
        assert "&lt;i&gt;gone" in shown
        assert "<i>gone" not in shown
    assert "&lt;b&gt;it" in admin.get("/messages", target="ops").text
    assert viewer.get("/messages").status_code == 403
