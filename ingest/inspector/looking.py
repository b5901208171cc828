"""Look at one request: its form, its signature or key, its body, and what errhouse would make of it."""

import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import parse_qsl

import msgspec

from ingest import auth, forms
from ingest.body import Decoder, Limits
from ingest.codecs import codec
from ingest.cures import CURES, cure
from ingest.errors import MalformedPayload, NotAllowed, TooLarge
from ingest.forms import envelope
from ingest.identity import number
from ingest.inbound import masked
from ingest.inspector import LONGEST_VALUE, MOST_SHOWN_BYTES, Looked
from ingest.interpret import interpret
from ingest.records import KEPT_HEADERS, Door, EventRecord, IssueChange, Payload
from ingest.routes import doorway

_SECRET = re.compile(r"auth|cookie|signature|token|secret|key|password", re.IGNORECASE)
_SHOWN = (
    "event_id", "project_id", "project_slug", "occurred_at", "time_quality", "level", "title", "culprit", "message",
    "platform", "release", "environment", "transaction", "logger", "issue_id", "exception_type", "exception_value",
    "top_frame", "sdk_name", "tags",
)  # fmt: skip
_CHANGE = ("project_id", "project_slug", "issue_id", "action", "changed_at", "status", "level", "title", "culprit")


class Came(NamedTuple):
    """One request as it came, and what it was answered."""

    at: datetime
    sender: str
    method: str
    path: str
    query: bytes
    headers: Mapping[str, str]
    raw: bytes
    status: int
    answer: bytes
    reason: str


def looked(number_: int, came: Came, secrets: Sequence[bytes], limits: Limits) -> Looked:
    """Look at it; never raises for anything a sender may send."""
    found = doorway(came.path)
    body, encoding = _decoded(came, limits)
    would: list[str] = []
    cures = [said] if (said := cure(came.status, came.reason)) else []
    events: list[dict[str, str]] = []
    form, signature, dsn = "", "", ""
    if found is None:
        would.append("refuse it: the path is no door of errhouse")
    else:
        payload = _payload(came, found.door, found.argument, body)
        form = _form(payload)
        if found.door is Door.HOOK:
            signature = verdict(came.raw, came.headers, secrets)
        elif found.door is not Door.LEGACY:
            dsn = _dsn(came, body)
        if came.method == "POST":
            _interpret(payload, would, cures, events)
    return Looked(
        number=number_,
        at=came.at.isoformat(timespec="milliseconds"),
        sender=came.sender,
        method=came.method,
        path=masked(came.path),
        query=_query(came.query),
        headers=[(name, _header(name, value)) for name, value in came.headers.items()],
        bytes=len(came.raw),
        encoding=encoding,
        status=came.status,
        answer=came.answer[:1000].decode("utf-8", "backslashreplace"),
        reason=came.reason,
        form=form,
        signature=signature,
        dsn=dsn,
        would=would,
        cures=list(dict.fromkeys(cures)),
        events=events,
        body=_pretty(body),
        body_bytes=len(body),
    )


def verdict(raw: bytes, headers: Mapping[str, str], secrets: Sequence[bytes]) -> str:
    """Say whether the signature of a webhook is right, and if not, why as far as it can be told."""
    sent = auth.sent_signature(headers)
    if sent is None:
        return (
            "missing: no Sentry-Hook-Signature, Sentry-App-Signature or X-ServiceHook-Signature; the legacy plugin "
            "does not sign, and sends to an address with a key"
        )
    if not secrets:
        return "not checked: name the Client Secret with --secret"
    try:
        auth.verify_signature(raw, sent, secrets)
    except NotAllowed:
        return f"wrong: {_why_wrong(raw, sent, secrets)}"
    return "right"


def _why_wrong(raw: bytes, sent: str, secrets: Sequence[bytes]) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", sent):
        return "it is not 64 lower-case hex digits"

    def fits(body: bytes, secret: bytes) -> bool:
        return hmac.compare_digest(hmac.new(secret, body, sha256).hexdigest(), sent)

    if any(fits(raw, other) for secret in secrets for other in (secret.strip(), secret.strip(b"\"'"))):
        return "the secret was given with spaces or quotes around it"
    changed = [raw.strip(), raw.replace(b"\r\n", b"\n")]
    try:
        data = msgspec.json.decode(raw)
        changed += [msgspec.json.encode(data), msgspec.json.format(msgspec.json.encode(data), indent=0)]
    except (msgspec.MsgspecError, RecursionError):
        pass
    if any(fits(body, secret) for body in changed for secret in secrets):
        return "the body was changed on its way; a proxy must hand it on byte by byte"
    return "it is of another secret, or of another body; compare the Client Secret with the one in Sentry"


def _dsn(came: Came, body: bytes) -> str:
    told = None
    if "x-sentry-envelope" in came.headers.get("content-type", "") or came.path.rstrip("/").endswith("/envelope"):
        try:
            told = envelope.peek(body).dsn
        except (MalformedPayload, TooLarge):
            told = None
    kept = ("x-sentry-auth", "authorization")
    places: list[tuple[str, Mapping[str, str], bytes, str | None]] = [
        *((f"the header {name}", {name: came.headers[name]}, b"", None) for name in kept if name in came.headers),
        ("the query", {}, came.query, None),
        ("the envelope's own DSN", {}, b"", told),
    ]
    why = "missing: no DSN key in X-Sentry-Auth, Authorization, the query or the envelope"
    for where, headers, query, dsn in places:
        try:
            key, client = auth.dsn_key(headers, query, dsn)
        except NotAllowed as no:
            if no.reason != "missing_key":
                why = f"wrong, in {where}: {no.detail}"
                break
            continue
        return f"in {where}: key {key[:4]}…{f', sent by {client}' if client else ''}; any key is taken here"
    return why


def _payload(came: Came, door: Door, argument: str, body: bytes) -> Payload:
    return Payload(
        received_at_us=int(came.at.timestamp() * 1e6),
        door=door,
        body=body,
        project_id=number(argument) if door in (Door.ENVELOPE, Door.STORE) else None,
        headers={name: value[:500] for name, value in came.headers.items() if name in KEPT_HEADERS},
        peer=came.sender or None,
    )


def _form(payload: Payload) -> str:
    try:
        return forms.form_of(payload)[0].NAME
    except MalformedPayload as bad:
        return f"none ({bad.reason})"
    except Exception as fault:  # noqa: BLE001 - whatever is sent, it is shown
        return f"none ({type(fault).__name__})"


def _interpret(payload: Payload, would: list[str], cures: list[str], events: list[dict[str, str]]) -> None:
    understood = interpret(payload, lambda _: True)
    for record in understood.records:
        would.append("write a row of one event")
        events.append(_fields(record, _SHOWN))
    for change in understood.changes:
        would.append("note the change of an issue")
        events.append(_fields(change, _CHANGE))
    for aside in understood.asides:
        would.append(f"set it aside: {aside.reason}{f', {aside.detail}' if aside.detail else ''}")
        if aside.reason in CURES:
            cures.append(CURES[aside.reason])


def _fields(found: EventRecord | IssueChange, names: Sequence[str]) -> dict[str, str]:
    told = {name: getattr(found, name) for name in names}
    kept = {name: getattr(value, "name", value) for name, value in told.items() if value not in (None, {}, "")}
    return {name: str(value)[:LONGEST_VALUE] for name, value in kept.items()}


def _decoded(came: Came, limits: Limits) -> tuple[bytes, str]:
    told = came.headers.get("content-encoding", "")
    if not told or not came.raw:
        return came.raw, told
    try:
        if (made := codec(told)) is None:
            return came.raw, told
        decoder = Decoder(made, limits)
        decoder.feed(came.raw)
        return decoder.finish(), f"{told}, undone"
    except (MalformedPayload, TooLarge) as wrong:
        return came.raw, f"{told}, which cannot be undone: {wrong}"


def _query(query: bytes) -> dict[str, str]:
    try:
        told = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return {}
    return {name[:80]: _cut(value) for name, value in told}  # the value of any may be a key


def _header(name: str, value: str) -> str:
    return _cut(value) if _SECRET.search(name) else value[:LONGEST_VALUE]


def _cut(value: str) -> str:
    return f"{value[:4]}… ({len(value)} characters)" if len(value) > 8 else "…"


def _pretty(body: bytes) -> str:
    shown = body
    if len(body) <= MOST_SHOWN_BYTES:
        try:
            shown = msgspec.json.format(body, indent=2)
        except (msgspec.MsgspecError, RecursionError):
            shown = b"\n".join(_line(line) for line in body.split(b"\n"))
    text = shown[: 2 * MOST_SHOWN_BYTES].decode("utf-8", "backslashreplace")
    return text if len(shown) <= 2 * MOST_SHOWN_BYTES else f"{text}\n… the rest is left out here"


def _line(line: bytes) -> bytes:
    try:
        return msgspec.json.format(line, indent=2) if line[:1] in (b"{", b"[") else line
    except (msgspec.MsgspecError, RecursionError):
        return line
