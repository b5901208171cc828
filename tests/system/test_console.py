"""The console as a person meets it: a browser, a real service, and nothing that a page may not do."""

import csv
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from models.clock import now
from models.engine import engine_for
from tests.support import postgres, warehouse
from tests.support.console import PASSWORD, filled, let_in, reported
from tests.support.server import ROOT, Server, serving

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-default-apps", "--disable-domain-reliability", "--disable-extensions",
    "--disable-dev-shm-usage", "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
SCREENSHOTS = ROOT / "screenshots"  # git ignores it
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}

pytestmark = pytest.mark.skipif(
    not shutil.which(CHROMIUM) and os.environ.get("CI") != "true", reason="chromium is not installed"
)


class Watched:
    """A page, with all that went wrong on it."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.wrong: list[str] = []
        page.on("console", lambda said: self.wrong.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("requestfailed", self._failed)
        page.on("request", lambda asked: None if asked.url.startswith(base) else self.wrong.append(asked.url))
        page.on("dialog", lambda dialog: (self.wrong.append(dialog.message), dialog.dismiss()))

    def _failed(self, asked: Any) -> None:
        if "ERR_ABORTED" not in (asked.failure or ""):  # a download is no navigation
            self.wrong.append(f"{asked.url}: {asked.failure}")


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, template_database: str
) -> Iterator[tuple[Server, str]]:
    with postgres.database(postgres_url, template_database) as url:
        filled(url, now())
        reported(url, now())
        engine = engine_for(url)
        let_in(engine, now(), vera="viewer", ana="analyst", ada="admin")
        engine.dispose()
        with serving(tmp_path_factory.mktemp("console") / "data", url) as server:
            yield server, url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS])
        yield launched
        launched.close()


def opened(browser: Browser, server: Server, **more: Any) -> tuple[BrowserContext, Watched]:
    context = browser.new_context(base_url=server.url, viewport=more.pop("viewport", DESK), **more)
    context.set_default_timeout(30_000)
    return context, Watched(context.new_page(), server.url)


def log_in(page: Page, name: str) -> None:
    page.goto("/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Overview").wait_for()


def test_an_analyst_finds_one_culprit_its_chart_its_file_and_an_event_that_is_hostile(
    browser: Browser, served: tuple[Server, str]
) -> None:
    server, _ = served
    context, watched = opened(browser, server)
    page = watched.page
    log_in(page, "ana")
    page.get_by_role("link", name="Explore").click()
    page.get_by_role("textbox", name="Culprit").fill("/checkout")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("list", name="Filters").get_by_text("/checkout").wait_for()
    chart = page.get_by_role("img", name="Events over time by level")
    assert chart.bounding_box()["height"] > 50  # type: ignore[index]
    drawn = chart.locator("rect.level-error")
    assert drawn.count() > 2
    found = re.search(r"([\d,]+) events", page.locator("#h-found").inner_text())
    assert found
    with page.expect_download() as downloading:
        page.get_by_role("link", name="CSV").click()
    rows = list(csv.DictReader(Path(downloading.value.path()).read_text(encoding="utf-8").splitlines()))
    assert {row["culprit"] for row in rows} == {"/checkout"}
    assert sum(int(row["events"]) for row in rows) == int(found[1].replace(",", ""))

    page.goto("/")
    page.locator(".issues").get_by_role("link", name="<script>").click()
    page.locator("tbody").get_by_role("link").first.click()
    assert "<script>alert(1)</script>" in page.locator("h1").inner_text()
    assert page.locator("script").count() == 0
    page.get_by_text("Show the JSON").click()

    page.get_by_role("link", name="Reports").click()
    page.locator("tbody").get_by_role("link", name="weekly shop").first.click()
    assert "Last week" in page.frame_locator("iframe").locator("h1").inner_text()
    page.wait_for_load_state("networkidle")
    assert watched.wrong == []
    context.close()


def test_a_person_without_a_mouse_gets_everywhere(browser: Browser, served: tuple[Server, str]) -> None:
    server, _ = served
    context, watched = opened(browser, server)
    page = watched.page
    log_in(page, "vera")
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.goto("/explore")
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input:not([type=hidden]), select, button')]"
        ".filter(e => !(e.labels && e.labels.length) && !e.innerText && !e.ariaLabel).length"
    )
    assert unnamed == 0
    assert watched.wrong == []
    context.close()


def test_a_row_leads_to_its_sql_without_any_script(browser: Browser, served: tuple[Server, str]) -> None:
    server, url = served
    context, watched = opened(browser, server, java_script_enabled=False)
    page = watched.page
    log_in(page, "ana")
    page.get_by_role("link", name="Explore").click()
    page.get_by_role("link", name="SQL of row 1", exact=True).click()
    shown = page.locator("#sql")
    shown.wait_for(state="visible")
    assert warehouse.rows(url, shown.inner_text().replace("%", "%%"))
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("heading", name="Log in").wait_for()
    assert watched.wrong == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desk", "phone"])
def test_every_page_fits_its_screen(browser: Browser, served: tuple[Server, str], scheme: Any, size: str) -> None:
    server, url = served
    context, watched = opened(browser, server, viewport=DESK if size == "desk" else PHONE, color_scheme=scheme)
    page = watched.page
    SCREENSHOTS.mkdir(exist_ok=True)

    def kept(name: str) -> None:
        page.wait_for_load_state("networkidle")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        page.screenshot(path=SCREENSHOTS / f"{name}-{size}-{scheme}.png", full_page=True)
        assert wide <= 0, f"{name} is {wide} px wider than a {size}"

    page.goto("/login")
    kept("login")
    log_in(page, "ada")
    kept("overview")
    hostile = warehouse.rows(
        url, "select project_id, issue_id, event_id from analytics.events where title like '<script>%%' limit 1"
    )[0]
    usual = warehouse.rows(
        url, "select project_id, issue_id, event_id from analytics.events where culprit = '/checkout' limit 1"
    )[0]
    run_id = warehouse.value(url, "select run_id from warehouse.report_run where status = 'done' limit 1")
    for name, path in (
        ("explore", "/explore"),
        ("explore-hours", "/explore?by=culprit,environment,release&last=24h&project=42"),
        ("explore-issues", "/explore?by=issue&last=30d"),
        ("explore-nothing", "/explore?culprit=nowhere"),
        ("issue", f"/issues/{usual['project_id']}/{usual['issue_id']}"),
        ("issue-hostile", f"/issues/{hostile['project_id']}/{hostile['issue_id']}"),
        ("event", f"/events/{usual['project_id']}/{usual['event_id'].hex}"),
        ("event-hostile", f"/events/{hostile['project_id']}/{hostile['event_id'].hex}"),
        ("reports", "/reports"),
        ("run", f"/reports/runs/{run_id}"),
        ("schedules", "/schedules"),
        ("set-aside", "/set-aside"),
        ("health", "/health"),
    ):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        kept(name)
    assert watched.wrong == []
    context.close()
