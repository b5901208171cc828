"""Whatever strangers send, every line of the log is one line of JSON with known fields and none of their words."""

import json
import re
from pathlib import Path
from typing import Any

import httpx

from tests.support import warehouse
from tests.support.builders import auth, envelope, event, signed
from tests.support.server import ROOT, errhouse, serving

SECRET = "0123456789abcdef" * 4
WORDS = "planted-words-of-a-stranger-1f7c"
LEAST = 16  # characters in a row that are no accident
EVIL = f'{WORDS}\r\n\x1b[31m{{"event": "forged"}}\u202e'
MALFORMED = sorted(path for path in (ROOT / "tests" / "corpus" / "malformed").rglob("*") if path.is_file())
FIELDS = {"timestamp", "level", "role", "event", "why", "door", "status", "reason", "ms"}
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def send(client: httpx.Client, project_id: int, key: str, hook_path: str) -> None:
    """Send everything that is wrong in some way through every door."""
    evil = event(message=EVIL, transaction=EVIL, release=EVIL, tags={EVIL: EVIL})
    bodies = [path.read_bytes() for path in MALFORMED]
    bodies += [EVIL.encode(), b'{"message": "' + EVIL.encode(), json.dumps(evil).encode(), json.dumps([evil]).encode()]
    headers = {"x-sentry-error": WORDS, "user-agent": WORDS, "content-type": f"application/{WORDS}"}
    doors = (
        (f"/api/{project_id}/store/", auth(key)),
        (f"/api/{project_id}/envelope/", auth(key)),
        (hook_path, {}),
    )
    strangers = (
        (f"/api/{project_id}/store/?sentry_key={WORDS}", {}),
        (f"/api/{project_id}/envelope/", auth(WORDS)),
        ("/hooks/sentry", signed(bodies[-1], WORDS)),
        ("/hooks/sentry", {"sentry-hook-resource": WORDS, "sentry-hook-signature": WORDS}),
        (f"/hooks/sentry/{WORDS}", {}),
        (f"/{WORDS}/", {}),
    )
    tries = [(path, {**headers, **more}, body) for body in bodies for path, more in doors]
    tries += [("/hooks/sentry", {**headers, **signed(body, SECRET)}, body) for body in bodies]
    tries += [(path, {**headers, **more}, bodies[-1]) for path, more in strangers]
    for path, told, body in tries:
        answer = client.post(path, content=body, headers=told)
        assert answer.status_code < 500, (path, body[:200], answer.text)
    answer = client.post(f"/api/{project_id}/envelope/", content=envelope(evil), headers=auth(key))
    assert answer.status_code == 200


def people_s(text: str) -> list[str]:
    """Give the lines a person is greeted with."""
    return [line for line in text.removesuffix("\n").split("\n") if not line.startswith("{")]


def test_every_line_is_json_of_known_fields_without_a_word_of_what_was_sent(tmp_path: Path, database_url: str) -> None:
    folder = tmp_path / "data"
    with serving(folder, database_url, ERRHOUSE_WEBHOOK_SECRETS=SECRET, ERRHOUSE_LOG_LEVEL="debug") as server:
        hook = errhouse("hook", "add", "plugin", "--json", data_dir=folder, database_url=database_url)
        greeting = people_s(server.log())
        with httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client:
            send(client, *warehouse.first_project(database_url), json.loads(hook.stdout)["path"])
        warehouse.loaded(server)
        assert warehouse.value(database_url, "select count(*) from warehouse.set_aside") > 20
        assert (
            warehouse.value(database_url, "select count(*) from analytics.events where starts_with(message, 'planted')")
            > 0
        )
    text = server.log()
    assert people_s(text) == greeting
    log = [line for line in text.removesuffix("\n").split("\n") if line.startswith("{")]
    told: list[dict[str, Any]] = [json.loads(line) for line in log]
    assert [each for each in told if not FIELDS.issuperset(each)] == []
    assert len([each for each in told if each["event"] == "refused"]) > 20
    assert CONTROL.search("".join(log)) is None
    parts = {word[start : start + LEAST] for word in (SECRET, WORDS) for start in range(len(word) - LEAST + 1)}
    assert [part for part in parts if part in text] == []
