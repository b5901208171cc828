"""
Sample deliveries: every form that comes by HTTP, signed and addressed as Sentry and its SDKs do it.

`sample_payloads/<form>.json` holds a body of each, example data only. In it, `<event_id>`, `<now>` and `<now_unix>`
stand for what is new in every delivery, so that samples that were sent twice are two events.
"""

import gzip
import hmac
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from hashlib import sha256
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from time import perf_counter
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit
from uuid import uuid4

from sqlalchemy import Connection, Engine

from ingest.cures import cure
from ingest.errors import IngestError
from ingest.identity import number
from ingest.records import Door
from ingest.tls import trusting_own
from models import access, projects
from models.access import webhook_secrets
from models.clock import now
from models.settings import Settings

PLATFORM = (
    "error",
    "event_alert",
    "issue",
    "comment",
    "installation",
    "metric_alert",
    "activity_alert",
    "seer",
    "preprod_artifact",
)
SAMPLES = (*PLATFORM, "ui_component", "service_hook", "legacy_plugin", "envelope", "store")
IN_FILES_ONLY = ("rest_event", "sdk_event")  # forms nobody sends: `errhouse load` reads them

HOOK_NAME = "send-test"
TIMEOUT_SECONDS = 10
MAX_ANSWER_CHARS = 200

_FOLDER = Path(__file__).parent / "sample_payloads"
_GUID = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


class SampleAnswer(NamedTuple):
    """What a receiver said to one sample; `ms` from the connection to the end of the answer, `cure` what to do."""

    form: str
    status: int
    ms: float
    answer: str
    reason: str = ""
    cure: str = ""


class Told(NamedTuple):
    """What the operator tells of another receiver: a Client Secret, a DSN, a hook's key, whom to trust."""

    secret: str | None = None
    dsn: str | None = None
    hook_key: str | None = None
    ca_file: Path | None = None


class Rights(NamedTuple):
    """What a sender must know: a Client Secret, the key of a legacy hook, and a DSN's key and project."""

    secret: str
    hook_key: str
    public_key: str
    project_id: int


class Delivery(NamedTuple):
    """One request to come; `body` as it goes over the wire."""

    door: Door
    path: str
    headers: dict[str, str]
    body: bytes


def send(
    opened: Callable[[], AbstractContextManager[Engine]],
    settings: Settings,
    form: str | None,
    url: str | None,
    told: Told = Told(),  # noqa: B008 - a value
) -> list[SampleAnswer]:
    """
    Send one sample of each form, or of one form, and give what was answered.

    Takes:  `opened`, a way to the database, taken only for a key that is not told; `url`, the base of another receiver,
            which knows the keys if it works on the same database, and the signatures if it has the same secrets.
    Raises: IngestError for a form without sample, and when nothing answers.
    """
    names = _chosen(form)
    base = _base(url or own_url(settings))
    trusted = _trusted(settings, told.ca_file, is_own=url is None) if base.scheme == "https" else None
    given = tuple(secret.get_secret_value() for secret in settings.WEBHOOK_SECRETS)
    settings.DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = told.secret or webhook_secrets(settings.DATA_DIR, given)[0]
    public_key, project_id = _dsn(told.dsn) if told.dsn else ("", 0)
    _post(base, None, trusted)
    needs_hook = "legacy_plugin" in names and not told.hook_key
    needs_dsn = not told.dsn and any(name in names for name in (Door.ENVELOPE, Door.STORE))
    with ExitStack() as stack:
        rights = Rights(secret, told.hook_key or "", public_key, project_id)
        if needs_hook or needs_dsn:
            ours = stack.enter_context(_rights(stack.enter_context(opened()), settings, secret))
            hook_key = told.hook_key or ours.hook_key
            rights = rights._replace(hook_key=hook_key) if told.dsn else ours._replace(hook_key=hook_key)
        return [_sent(base, name, delivery(name, rights, uuid4().hex, now()), trusted) for name in names]


def own_url(settings: Settings) -> str:
    """Give the URL under which this machine's own receiver is reached."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.HOST, settings.HOST)  # noqa: S104 - looked up, not bound
    return f"{settings.scheme}://{f'[{host}]' if ':' in host else host}:{settings.PORT}"


def delivery(form: str, rights: Rights, event_id: str, now: datetime) -> Delivery:
    """Make the request by which a sample of `form` is sent (pure)."""
    body = _filled(form, event_id, now)
    headers = {"Content-Type": "application/json", "User-Agent": "errhouse send-test"}
    if form in PLATFORM:
        headers |= {
            "Request-ID": event_id,
            "Sentry-Hook-Resource": form,
            "Sentry-Hook-Timestamp": str(int(now.timestamp())),
            "Sentry-Hook-Signature": _signature(body, rights.secret),
        }
    elif form == "ui_component":
        headers["Sentry-App-Signature"] = _signature(body, rights.secret)
    elif form == "service_hook":
        headers |= {
            "X-ServiceHook-GUID": _GUID,
            "X-ServiceHook-Timestamp": str(int(now.timestamp())),
            "X-ServiceHook-Signature": _signature(body, rights.secret),
        }
    elif form == "legacy_plugin":
        return Delivery(Door.LEGACY, f"/hooks/sentry/{rights.hook_key}", headers, body)
    else:
        door, client = Door(form), f"sentry.python/{'2.40.0' if form == 'envelope' else '1.45.1'}"
        headers |= {
            "Content-Encoding": "gzip",
            "User-Agent": client,
            "X-Sentry-Auth": f"Sentry sentry_key={rights.public_key}, sentry_version=7, sentry_client={client}",
        }
        if door is Door.ENVELOPE:
            headers["Content-Type"] = "application/x-sentry-envelope"
            body = _envelope(body, event_id, now)
        return Delivery(door, f"/api/{rights.project_id}/{form}/", headers, gzip.compress(body))
    return Delivery(Door.HOOK, "/hooks/sentry", headers, body)


def _chosen(form: str | None) -> tuple[str, ...]:
    if form is None:
        return SAMPLES
    if form in IN_FILES_ONLY:
        raise IngestError(f"The form {form} is never sent by HTTP; `errhouse load FILE --form {form}` reads it.")
    if form not in SAMPLES:
        raise IngestError(f"There is no sample of a form {form}; there is one of each of {', '.join(SAMPLES)}.")
    return (form,)


def _base(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.rstrip("/"))
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise IngestError(f"{url} is not the URL of a receiver; write it as http://127.0.0.1:8000.")
    return parts


@contextmanager
def _rights(engine: Engine, settings: Settings, secret: str) -> Iterator[Rights]:
    """Give what a sender needs; the hook that is made for it is gone afterwards."""
    at = now()
    with engine.begin() as connection:
        projects.ensure_one(connection, at)
        project = next(each for each in projects.listed(connection) if each.public_key)
        hook_key = projects.hook_added(connection, HOOK_NAME, at)
        _published(connection, settings)
    try:
        yield Rights(secret, hook_key, str(project.public_key), project.project_id)
    finally:
        with engine.begin() as connection:
            projects.hook_removed(connection, hook_key)
            _published(connection, settings)


def _published(connection: Connection, settings: Settings) -> None:
    access.publish(settings.DATA_DIR, access.read(connection))


def _filled(form: str, event_id: str, now: datetime) -> bytes:
    text = (_FOLDER / f"{form}.json").read_text(encoding="utf-8")
    text = text.replace("<event_id>", event_id).replace("<now>", now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    text = text.replace('"<now_unix>"', f"{now.timestamp():.3f}")
    return json.dumps(json.loads(text), separators=(",", ":")).encode()


def _envelope(event: bytes, event_id: str, now: datetime) -> bytes:
    header = {"event_id": event_id, "sent_at": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    item = {"type": "event", "content_type": "application/json", "length": len(event)}
    return b"\n".join([json.dumps(header).encode(), json.dumps(item).encode(), event, b""])


def _signature(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, sha256).hexdigest()


def _sent(base: SplitResult, form: str, what: Delivery, trusted: ssl.SSLContext | None) -> SampleAnswer:
    begun = perf_counter()
    status, said = _post(base, what, trusted)
    ms = round((perf_counter() - begun) * 1000, 1)
    try:
        reason = str(json.loads(said)["reason"])[:40] if status >= 300 else ""
    except (ValueError, KeyError, TypeError):
        reason = ""
    return SampleAnswer(form, status, ms, said, reason, cure(status, reason))


def _dsn(dsn: str) -> tuple[str, int]:
    try:
        parts = urlsplit(dsn)
        project_id = number(parts.path.rpartition("/")[2])
    except ValueError:
        parts, project_id = urlsplit(""), None
    if not parts.username or project_id is None:
        raise IngestError("The DSN cannot be read; it is written as http://KEY@HOST/PROJECT.")
    return parts.username, project_id


def _trusted(settings: Settings, ca_file: Path | None, *, is_own: bool) -> ssl.SSLContext:
    if is_own:
        return trusting_own(settings)
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise IngestError(f"{ca_file} is no file of certificates ({error.strerror or error}).") from None


def _post(base: SplitResult, what: Delivery | None, trusted: ssl.SSLContext | None) -> tuple[int, str]:
    """Send one request and read its answer; without one, only see that somebody listens."""
    host = base.hostname or ""
    if trusted is not None:
        connection: HTTPConnection = HTTPSConnection(host, base.port, timeout=TIMEOUT_SECONDS, context=trusted)
    else:
        connection = HTTPConnection(host, base.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.connect()
        if what is None:
            return 0, ""
        connection.request("POST", base.path + what.path, what.body, what.headers)
        answer = connection.getresponse()
        text = answer.read(MAX_ANSWER_CHARS * 4).decode("utf-8", "replace")
    except ssl.SSLCertVerificationError as error:
        raise IngestError(
            f"The certificate at {base.geturl()} is not trusted ({error.verify_message}); name the authority that "
            "signed it with --ca-file, or mend it: Sentry refuses it too."
        ) from None
    except (OSError, HTTPException, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise IngestError(
            f"Nothing answers as a receiver should at {base.geturl()} ({why}); start it with `errhouse serve`, "
            "or name another with --url."
        ) from None
    else:
        return answer.status, "".join(char for char in text if char.isprintable())[:MAX_ANSWER_CHARS]
    finally:
        connection.close()
