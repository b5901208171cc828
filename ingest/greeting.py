"""What the operator is told when the service has started: where senders send to, and once, the secrets."""

import http.client
import os
import sys

import structlog
from sqlalchemy import Engine

from ingest.tls import trusting_own
from models import access, console_users, projects
from models.clock import now
from models.settings import Settings

GREETING_SECONDS = 15
FIRST_USER = "admin"

log = structlog.get_logger()


def greet(settings: Settings, engine: Engine, *, has_receivers: bool, is_new: bool) -> None:
    """Tell the operator where senders send to; the secret only on the very first start, and only to the terminal."""
    if not has_receivers:
        _say([f"errhouse loads what comes into {settings.spool_dir}"])
        return
    _wait_for_receiver(settings)
    lines = [f"errhouse listens on {settings.public_url}"]
    if is_new:
        with engine.connect() as connection:
            first = projects.listed(connection)[0]
        password = _first_user(engine)
        secret_file = settings.DATA_DIR / access.SECRET_FILE
        secret = "as set in ERRHOUSE_WEBHOOK_SECRETS" if settings.WEBHOOK_SECRETS else secret_file.read_text()
        us = sys.argv[0] if os.sep in sys.argv[0] else "errhouse"
        lines += [
            "",
            f"  webhook URL     {settings.public_url}/hooks/sentry",
            f"  client secret   {secret}",
            f"  DSN             {projects.dsn(settings.public_url, first.public_key, first.project_id)}",
            f"  console         {settings.public_url}/",
            f"  log in as       {FIRST_USER}, password {password}",
            "",
            f"Next: in another terminal, `{us} send-test` sends a sample of every form, then",
            f'`{us} db psql -c "select project, level, culprit, title from analytics.events"` shows them.',  # noqa: S608 - shown to a person
        ]
    _say(lines)


def _first_user(engine: Engine) -> str:
    """Let somebody into the console, and give the password, which is kept nowhere."""
    password = console_users.made_password()
    with engine.begin() as connection:
        if console_users.listed(connection):
            return "as it was set"
        console_users.put(connection, FIRST_USER, "admin", password, now())
    return password


def _wait_for_receiver(settings: Settings) -> None:
    """Return when the first receiver answers: a request waits in the socket until it does."""
    host = "127.0.0.1" if settings.HOST in {"0.0.0.0", "::"} else settings.HOST  # noqa: S104 - compared, not bound
    asking = http.client.HTTPConnection(host, settings.PORT, timeout=GREETING_SECONDS)
    if settings.TLS_CERT_FILE:
        context = trusting_own(settings)
        asking = http.client.HTTPSConnection(host, settings.PORT, timeout=GREETING_SECONDS, context=context)
    try:
        asking.request("GET", "/healthz")
        asking.getresponse()
    except (OSError, http.client.HTTPException) as error:
        log.warning("no receiver answers yet", why=str(error))
    finally:
        asking.close()


def _say(lines: list[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
