"""Deliveries and what is set aside, in the console: over a real receiver's log and spool, and a real database."""

import hmac
import html
import json
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI

from ingest.drain import Drain
from ingest.inbound.desk import Desk
from ingest.inbound.reading import Chosen, recent
from models.clock import now
from models.engine import engine_for
from reports.pages.app import create_app
from tests.reports.test_pages import HEALTH, Browser, logged_in
from tests.support.builders import PUBLIC_KEY
from tests.support.console import let_in
from tests.support.loading import settings
from tests.support.receiver import HOOK_KEY, SECRET, receiving
from tests.support.wait import until

HOSTILE = "</td><script>alert(1)</script>"
BROKEN = '{"broken": "' + HOSTILE + '"'


class Given(NamedTuple):
    app: FastAPI
    data_dir: Path
    url: str


@pytest.fixture
def given(database_url: str, tmp_path: Path) -> Iterator[Given]:
    """Give a console beside a receiver that was asked for this and that, with nothing loaded yet."""
    made = settings(tmp_path, DATABASE_URL=database_url, WEBHOOK_SECRETS=SECRET)
    engine = engine_for(database_url)
    let_in(engine, now(), vera="viewer", ana="analyst", ada="admin")
    engine.dispose()
    with receiving(tmp_path) as running:
        post = running.client.post
        body = json.dumps({"action": "created", "installation": {}, "data": {"novel": 1}}).encode()
        signature = hmac.new(SECRET.encode(), body, sha256).hexdigest()
        headers = {"sentry-hook-resource": HOSTILE, "sentry-hook-signature": signature, "user-agent": HOSTILE}
        assert post("/hooks/sentry", content=body, headers=headers).status_code == 200
        assert post(f"/hooks/sentry/{HOOK_KEY}", content=BROKEN, headers={"user-agent": HOSTILE}).status_code == 400
        assert post("/hooks/sentry", content="{}").status_code == 401
        event = json.dumps({"event_id": "c" * 32, "message": "a message", "level": "info"})
        auth = {"x-sentry-auth": f"Sentry sentry_key={PUBLIC_KEY}, sentry_version=7"}
        assert post("/api/42/store/", content=event, headers=auth).status_code == 200
        until(lambda: len(recent(tmp_path, Chosen(), 9).requests) == 4, 10, "the log has them")
    app = create_app(made, database_url, lambda: HEALTH, now, Desk(made))
    yield Given(app, tmp_path, database_url)
    app.state.console.warehouse.close()


def load(given: Given) -> None:
    engine = engine_for(given.url)
    drain = Drain(engine, settings(given.data_dir, DATABASE_URL=given.url), now)
    while drain.step() or not drain.is_empty():
        pass
    drain.close()
    engine.dispose()


def links(browser: Browser, path: str, start: str) -> list[str]:
    return [html.unescape(found) for found in re.findall(rf'href="({start}[^"]+)"', browser.get(path).text)]


def keys(given: Given) -> dict[str, str]:
    found = recent(given.data_dir, Chosen(), 9).requests
    return {one.form or one.door: one.key for one in found if one.status != 401}


def test_deliveries_tell_all_that_came_and_a_viewer_no_address(given: Given) -> None:
    viewer, analyst = logged_in(given.app, "vera"), logged_in(given.app, "ana")
    seen, more = viewer.get("/deliveries").text, analyst.get("/deliveries").text
    for page in (seen, more):
        assert "<script" not in page
        assert "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert HOOK_KEY not in page
        assert "bad_signature" in page
    assert ("127.0.0.1" in seen, "127.0.0.1" in more) == (False, True)
    assert "/deliveries/" not in seen
    assert viewer.get(f"/deliveries/{keys(given)['store']}").status_code == 403
    only = analyst.get("/deliveries", status="4xx", reason="bad_signature").text
    assert "bad_signature" in only
    assert "not_json" not in only
    assert "No such request" in analyst.get("/deliveries", form='"><script>', slow="yes").text


def test_the_bytes_of_a_request_are_for_admins_while_they_are_spooled_or_set_aside(given: Given) -> None:
    analyst, admin = logged_in(given.app, "ana"), logged_in(given.app, "ada")
    path = f"/deliveries/{keys(given)['legacy_plugin']}"
    assert "in the spool" in admin.get(path).text
    load(given)
    page = admin.get(path).text
    assert "<script" not in page
    assert html.escape(HOSTILE) in page
    assert "broken" not in analyst.get(path).text
    assert "need the role admin" in analyst.get(path).text
    store = f"/deliveries/{keys(given)['store']}"
    assert f"/events/42/{'c' * 32}" in analyst.get(store).text
    assert admin.get("/deliveries/0-1-none").status_code == 404
    assert admin.get("/deliveries/%2e%2e%2f%3Cscript%3E").status_code == 404


def test_a_record_is_shown_as_text_and_loaded_again_by_an_admin_alone(given: Given) -> None:
    load(given)
    viewer, analyst, admin = (logged_in(given.app, name) for name in ("vera", "ana", "ada"))
    found = links(analyst, "/set-aside", "/set-aside/")
    assert len(found) == 2
    for path in found:
        assert viewer.get(path).status_code == 403
        page = analyst.get(path)
        assert page.status_code == 200
        assert "broken" not in page.text
        assert "As it was sent" in admin.get(path).text
        assert "<script" not in admin.get(path).text
    key = found[0].rpartition("/")[2]
    csrf = admin.csrf(found[0])
    assert analyst.post("/set-aside/replay", csrf=analyst.csrf(found[0]), key=key).status_code == 403
    assert admin.post("/set-aside/replay", csrf="0" * 64, key=key).status_code == 403
    assert admin.post("/set-aside/replay", csrf=csrf, key="x").status_code == 400
    told = {"key": key}, {"reason": "not_json"}, {"reason": HOSTILE}
    said = [admin.post("/set-aside/replay", csrf=csrf, **form).text for form in told]
    assert "0 loaded, 0 known already, 1 still set aside." in said[0]
    assert "1 still set aside." in said[1]
    assert "0 still set aside." in said[2]
    assert "There is no set-aside record" in admin.post("/set-aside/replay", csrf=csrf, key="1").text
    assert admin.get("/set-aside/1").status_code == 404


def test_what_can_be_read_by_now_becomes_a_row_and_leaves_the_list(given: Given, monkeypatch: Any) -> None:
    from ingest import forms

    with monkeypatch.context() as patch:
        for name in ("FORMS", "_OTHER_FORMS"):
            patch.setattr(forms, name, tuple(form for form in getattr(forms, name) if form.NAME != "store"))
        load(given)
    admin = logged_in(given.app, "ada")
    (path,) = [each for each in links(admin, "/set-aside", "/set-aside/") if "a message" in admin.get(each).text]
    said = admin.post("/set-aside/replay", csrf=admin.csrf(path), key=path.rpartition("/")[2]).text
    assert "1 loaded, 0 known already, 0 still set aside." in said
    assert admin.get(path).status_code == 404
    assert admin.get(f"/events/42/{'c' * 32}").status_code == 200
