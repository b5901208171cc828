"""Twelve secrets are planted, every vendor repeats what it was sent, and then everything that is kept is searched."""

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg import sql

from tests.support import warehouse
from tests.support.builders import auth, event
from tests.support.mail import mail_server
from tests.support.server import command, environment, errhouse, serving
from tests.support.vendor import Vendor, answering, vendor
from tests.support.wait import until

WITHIN = 90
WHSEC = "whsec_" + base64.b64encode(b"canary-of-the-signature-32-bytes").decode()
CANARIES = {
    "slack's address": "canary-slack-path-b41d",
    "slack's token": "xoxb-canary-token-77aa",
    "teams' signature": "canary-teams-sig-0c5e",
    "signing secret": WHSEC,
    "header": "canary-bearer-19f3",
    "apprise's password": "canary-apprise-word-5d21",
    "github's token": "ghp_canaryGithub7f0c",
    "gitlab's token": "glpat-canaryGitlab2e9b",
    "jira's token": "canary-jira-token-63cd",
    "mail password": "canary-mail-password-e8a4",
    "client secret": "canary-client-secret-90be",
    "console password": "canary-console-password-4411",
}
KEPT_APART = {"seal.key", "webhook_secret"}  # where secrets are meant to be


def echoing(seen: Vendor, connection: Any, request: Any) -> None:
    """Refuse a request with all that it held."""
    answering(400, f"{request.path} {request.headers} {request.body!r}".encode())(seen, connection, request)


def targets(port: int, mail_port: int) -> dict[str, tuple[str, ...]]:
    """Give the words that add a target of each channel; every second secret comes from the environment."""
    base, say = f"http://127.0.0.1:{port}", CANARIES
    apprise, gitlab, jira = (say[name] for name in ("apprise's password", "gitlab's token", "jira's token"))
    return {
        "slack": ("--channel", "slack", "--url", base + "/services/" + say["slack's address"]),
        "bot": (
            *("--channel", "slack", "--set", "token=env:CANARY_TOKEN", "--set", "conversation=C0123ABCD"),
            *("--set", f"api={base}/api"),
        ),
        "teams": ("--channel", "teams", "--url", base + "/invoke?sig=" + say["teams' signature"]),
        "webhook": (
            *("--channel", "webhook", "--url", f"{base}/in", "--set", f"secret={WHSEC}"),
            *("--set", f"headers=Authorization: Bearer {say['header']}"),
        ),
        "apprise": ("--channel", "apprise", "--url", f"json://user:{apprise}@127.0.0.1:{port}/hook"),
        "github": ("--channel", "github", "--url", f"{base}/repos/shop/web", "--set", "token=env:CANARY_GITHUB"),
        "gitlab": (
            *("--channel", "gitlab", "--url", f"{base}/api/v4/projects/7"),
            *("--set", f"token={gitlab}"),
        ),
        "jira": (
            *("--channel", "jira", "--url", base, "--set", "project=SHOP", "--set", f"token={jira}"),
            *("--set", "user=ops@example.com"),
        ),
        "mail": (
            *("--channel", "email", "--url", f"smtp://127.0.0.1:{mail_port}", "--set", "from=errhouse@example.com"),
            *("--set", "to=ops@example.com", "--set", "user=errhouse"),
            *("--set", f"password={say['mail password']}"),
        ),
    }


def forms_of(secret: str) -> Iterator[str]:
    """Give a secret as it may have been written."""
    yield secret
    yield base64.b64encode(secret.encode()).decode().rstrip("=")[:-2]
    yield secret.encode().hex()


def rows(url: str) -> Iterator[tuple[str, str]]:
    """Give every row of every table, as text."""
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "select schemaname, tablename from pg_tables where schemaname in ('warehouse', 'public')"
        ).fetchall()
        for schema, name in names:
            question = sql.SQL("select t::text from {} t").format(sql.Identifier(schema, name))
            for (row,) in connection.execute(question):
                yield f"{schema}.{name}", row


def pages(url: str, paths: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Give pages of the console to an admin."""
    with httpx.Client(base_url=url, timeout=20, trust_env=False, follow_redirects=True) as client:
        token = re.search(r'name="csrf" value="([0-9a-f]+)"', client.get("/login").text)
        assert token
        form = {"csrf": token[1], "name": "canary", "password": CANARIES["console password"]}
        answer = client.post("/login", data=form)
        assert answer.status_code == 200, answer.text[:300]
        for path in paths:
            found = client.get(path)
            assert found.status_code == 200, (path, found.status_code)
            yield path, found.text


def test_no_planted_secret_is_in_any_row_log_file_page_or_output(tmp_path: Path, database_url: str) -> None:
    data_dir = tmp_path / "data"
    secrets = {
        "CANARY_TOKEN": CANARIES["slack's token"],
        "CANARY_GITHUB": CANARIES["github's token"],
        "ERRHOUSE_WEBHOOK_SECRETS": CANARIES["client secret"],
    }
    found: list[tuple[str, str]] = []
    with ExitStack() as stack:
        receiver = stack.enter_context(vendor(echoing))
        mail = stack.enter_context(mail_server(("MAIL", f"535 no, {CANARIES['mail password']} is wrong")))
        server = stack.enter_context(serving(data_dir, database_url, **secrets))

        def run(*words: str, code: int | None = None) -> str:
            done = errhouse(*words, data_dir=data_dir, database_url=database_url, **secrets)
            said = str(done.stdout + done.stderr)
            found.append((" ".join(words[:3]), said))
            assert code is None or done.returncode == code, said
            return said

        added = targets(receiver.port, mail.port)
        for name, words in added.items():
            run("target", "add", name, *words, "--allow-private", code=0)
        rule = ("rule", "add", "new", "--when", "new_issue")
        run(*rule, *(word for name in added for word in ("--target", name)), code=0)
        password = CANARIES["console password"]
        made = errhouse_user(data_dir, database_url, password)
        found.append(("user add", made))
        project_id, key = warehouse.first_project(database_url)
        sent = httpx.post(f"{server.url}/api/{project_id}/store/", json=event(), headers=auth(key), trust_env=False)
        assert sent.status_code == 200
        for signature in ("0" * 64, CANARIES["client secret"]):
            httpx.post(f"{server.url}/hooks/sentry", content=b"{}", headers={"sentry-hook-signature": signature})
        attempted = "select count(distinct target) from warehouse.delivery"
        until(lambda: warehouse.value(database_url, attempted) == len(added), WITHIN, "every target was tried")
        for name in ("webhook", "mail"):
            run("target", "test", name, code=1)
        for words in (
            ("target", "list"),
            ("target", "list", "--json"),
            ("rule", "list", "--json"),
            ("deliveries", "--json"),
            ("doctor", "--json"),
            ("db", "status"),
        ):
            run(*words)
        found += pages(server.url, ("/", "/messages", "/deliveries", "/set-aside", "/schedules", "/health"))
        found.append(("/metrics", httpx.get(server.url + "/metrics", trust_env=False).text))
        found.append(("/readyz", json.dumps(server.readyz())))
        said = [str(request.body) for request in receiver.requests]
        heard = "".join(f"{request.path} {request.headers}" for request in receiver.requests)
    found.append(("the log", server.log()))
    found += rows(database_url)
    for path in data_dir.rglob("*"):
        if path.is_file() and path.name not in KEPT_APART and os.access(path, os.R_OK):
            found.append((str(path.relative_to(data_dir)), path.read_bytes().decode("latin-1")))
    found += [("a body that was sent", body) for body in said]
    assert len(said) >= len(added)
    for name in ("slack's address", "teams' signature", "header"):
        assert CANARIES[name] in heard, f"{name} was never used"
    leaks = [
        (where, name)
        for where, text in found
        for name, secret in CANARIES.items()
        if any(form in text for form in forms_of(secret))
    ]
    assert leaks == []


def errhouse_user(data_dir: Path, url: str, password: str) -> str:
    """Add an admin whose password comes by standard input; give what was said."""
    done = subprocess.run(
        [*command(), "user", "add", "canary", "--role", "admin", "--password-stdin"],
        input=password + "\n",
        env=environment(ERRHOUSE_DATA_DIR=str(data_dir), ERRHOUSE_DATABASE_URL=url),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
