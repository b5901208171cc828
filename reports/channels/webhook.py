"""
Tells any program by a signed request, after Standard Webhooks 1.0.0 (github.com/standard-webhooks, 2026-11).

`webhook-id` is the message's key and stays the same when it is sent again; `webhook-signature` has one `v1,` signature
for each secret, so that secrets can be changed. Bots that want JSON of their own (WeCom, DingTalk, Feishu) get it by
`template`; they answer 200 to what they refuse, too, and `ok_when` tells these apart. No limit of size or rate is known
of a receiver; bodies with a report's figures stay below 512 KiB. Permanent are 3xx and 4xx but 408, 409, 423, 425, 429.
"""

import hmac
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec

from reports.delivery.guard import check_header, check_url
from reports.delivery.message import Artifact, Message
from reports.delivery.outgoing import Answer, Outgoing, Sent, accepted
from reports.delivery.targets import Option, Target
from reports.delivery.template import Template, filled, template, values
from reports.errors import BadTarget, DeliveryError

NAME: str = "webhook"
SENTENCE: str = "Sends a signed request (Standard Webhooks), or JSON of your own."
OPTIONS: tuple[Option, ...] = (
    Option("url", "The receiver's address, https.", is_secret=True, is_required=True),
    Option("secret", "What requests are signed with: whsec_…; the new and the old one while you change it.", True),
    Option("headers", "Headers of every request, one `Name: value` a line.", is_secret=True),
    Option("ca_file", "A PEM file with the certificates to trust in place of the system's."),
    Option("template", "The body, with fields such as {{ message.title }}."),
    Option("content_type", "What the template makes: application/json, or text/plain."),
    Option("ok_when", "What an answer says when the message was taken, such as errcode=0."),
)
MOST_SECRETS = 5
MOST_HEADERS = 20
MOST_FIGURES_BYTES = 256 * 1024
JSON = "application/json"
TYPES = {JSON, "text/plain"}

_ID = re.compile(r"[\x21-\x7e]{1,256}", re.ASCII)
_OK_WHEN = re.compile(r"([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)=([\x20-\x7e]*)", re.ASCII)


def check(target: Target) -> None:
    """Refuse an address, a secret, a header or a template that cannot be used."""
    try:
        check_url(target.get("url"), target.allow_private)
        _headers(target)
        _secrets(target)
        _template(target)
        _expected(target)
    except BadTarget as error:
        raise DeliveryError(str(error), permanent=True) from None


def send(target: Target, message: Message, out: Outgoing) -> Sent:
    """Send one request."""
    body = _body(target, message)
    name = message.key if _ID.fullmatch(message.key) else sha256(message.key.encode()).hexdigest()
    headers = {
        **_headers(target),
        "content-type": target.get("content_type", JSON),
        "user-agent": "errhouse",
        **signed(name, int(out.now().timestamp()), body, _secrets(target)),
    }
    answer = out.http(target).request("POST", target.get("url"), headers, body)
    sent = accepted(answer, "The receiver")
    _hold_to(answer, target)
    return sent


def signed(name: str, second: int, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """Give the headers by which a receiver knows a message again, and us."""
    headers = {"webhook-id": name, "webhook-timestamp": str(second)}
    if secrets:
        content = f"{name}.{second}.".encode() + body
        made = (b64encode(hmac.digest(secret, content, "sha256")).decode() for secret in secrets)
        headers["webhook-signature"] = " ".join(f"v1,{signature}" for signature in made)
    return headers


def content(message: Message) -> dict[str, Any]:
    """Give what a message says, as the body holds it."""
    kind = f"issue.{message.issue.transition}" if message.kind == "alert" and message.issue else message.kind
    plain = msgspec.to_builtins(msgspec.structs.replace(message, artifacts=(), event=None))
    about = {name: plain.pop(name) for name in ("issue", "report")}
    for name in ("about_event", "event", "artifacts"):
        plain.pop(name)
    if about["report"] and (figures := _figures(message.artifacts)) is not None:
        about["report"]["figures"] = figures
    data = {"message": plain, "issue": about["issue"], "event": message.event, "report": about["report"]}
    return {"type": kind, "timestamp": plain["made_at"], "data": data}


def _body(target: Target, message: Message) -> bytes:
    said = content(message)
    made = _template(target)
    if made is None:
        return msgspec.json.encode(said)
    data = {name: said["data"][name] for name in ("issue", "event", "report")}
    try:
        return filled(made, values(message, said["type"], said["timestamp"] or "", data))
    except BadTarget as error:
        raise DeliveryError(str(error), permanent=True) from None


def _figures(artifacts: Sequence[Artifact]) -> Any:
    for artifact in artifacts:
        if artifact.format == "json" and artifact.media_type == JSON and len(artifact.body) <= MOST_FIGURES_BYTES:
            return msgspec.Raw(artifact.body)
    return None


def _template(target: Target) -> Template | None:
    kind = target.get("content_type", JSON)
    if kind not in TYPES:
        raise BadTarget(f"content_type is one of {', '.join(sorted(TYPES))}.")
    source = target.get("template")
    return template(source, is_json=kind == JSON) if source else None


def _secrets(target: Target) -> list[bytes]:
    secrets = []
    for word in target.get("secret").replace(",", " ").split():
        try:
            secret = b64decode(word.removeprefix("whsec_"), validate=True)
        except ValueError:
            secret = b""
        if not word.startswith("whsec_") or not 24 <= len(secret) <= 64:
            raise BadTarget(
                "A secret is whsec_ and 24 to 64 random bytes in base64; several stand with a space between."
            )
        secrets.append(secret)
    if not secrets and not target.get("template"):
        raise BadTarget("A webhook needs a secret to sign with: whsec_ and 24 random bytes or more in base64.")
    if len(secrets) > MOST_SECRETS:
        raise BadTarget(f"A webhook is signed with {MOST_SECRETS} secrets at most; take old ones out.")
    return secrets


def _headers(target: Target) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in target.get("headers").split("\n"):
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        if not colon or name.lower() in headers or len(headers) == MOST_HEADERS:
            raise BadTarget(f"headers are lines of `Name: value`, each name once, {MOST_HEADERS} at most.")
        check_header(name, value.strip(" "), is_fixed=True)
        headers[name.lower()] = value.strip(" ")
    return headers


def _expected(target: Target) -> tuple[list[str], str] | None:
    told = target.get("ok_when")
    if not told:
        return None
    found = _OK_WHEN.fullmatch(told)
    if not found:
        raise BadTarget("ok_when is a field of the answer and its value, such as errcode=0.")
    return found[1].split("."), found[2]


def _hold_to(answer: Answer, target: Target) -> None:
    """Raise DeliveryError when the answer does not say what it says of messages that were taken."""
    expected = _expected(target)
    if expected is None:
        return
    path, value = expected
    try:
        found: Any = json.loads(answer.body)
        for name in path:
            found = found[name]
    except (ValueError, KeyError, TypeError, RecursionError):
        found = None
    said = found if isinstance(found, str) else json.dumps(found)
    if said != value:
        raise DeliveryError(
            f"The receiver answered {answer.status}, but not {target.get('ok_when')}; it says why in its answer.",
            permanent=False,  # bots say so of too many messages in a minute, too
            status=answer.status,
            detail=accepted(answer, "The receiver").detail,
        )
