"""
Tells a Slack conversation: by an incoming webhook, or by a bot's token, which can upload charts too.

docs.slack.dev, "Sending messages using incoming webhooks", chat.postMessage and "Working with files" (2026-11). A
header has 150 characters, a section 3,000, a field 2,000, ten of them in a section; one message a second and
conversation, then 429 with Retry-After. Permanent are 4xx but 408, 409, 423, 425, 429, and what a method answers 200 to
and refuses, but for its own troubles. Of others' text `&`, `<` and `>` are escaped, so that no mention, link or channel
is made of it, and `verbatim` keeps Slack from making links.
"""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from reports.delivery.guard import check_header, check_url
from reports.delivery.message import Artifact, Message
from reports.delivery.outgoing import Answer, Outgoing, Sent, accepted
from reports.delivery.plain import cut, is_page, printable
from reports.delivery.targets import Option, Target
from reports.errors import DeliveryError

NAME: str = "slack"
SENTENCE: str = "Tells a Slack conversation."
OPTIONS: tuple[Option, ...] = (
    Option("url", "The incoming webhook, https://hooks.slack.com/services/…; none with a token.", is_secret=True),
    Option("token", "A bot's token, xoxb-…, with chat:write and, for charts, files:write.", is_secret=True),
    Option("conversation", "The id of the conversation, such as C0123ABCD; with a token."),
    Option("api", "Where Slack's methods are, when not at https://slack.com/api."),
)
API = "https://slack.com/api"
HEADER_CHARS = 150
FIELD_CHARS = 400
TEXT_CHARS = 2900
MOST_FIELDS = 10
MOST_CHARTS = 4
PASSING = {
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "ratelimited",
    "team_added_to_org",
}
SIGNS = {"fatal": "🔥", "error": "🔴", "warning": "🟠", "info": "🔵", "debug": "⚪"}

_CONVERSATION = re.compile(r"[A-Z0-9]{6,20}", re.ASCII)


def check(target: Target) -> None:
    """Refuse a target that is neither a webhook nor a token with a conversation."""
    url, token = target.get("url"), target.get("token")
    if bool(url) == bool(token):
        raise DeliveryError("A target of slack has either url, the webhook, or token and conversation.", permanent=True)
    if url:
        check_url(url, target.allow_private)
        return
    check_header("authorization", f"Bearer {token}")
    check_url(target.get("api", API), target.allow_private)
    if not _CONVERSATION.fullmatch(target.get("conversation")):
        raise DeliveryError(
            "conversation is the id of one, such as C0123ABCD; its details in Slack show it.", permanent=True
        )


def send(target: Target, message: Message, out: Outgoing) -> Sent:
    """Send it; with a token, a report's charts after it."""
    if target.get("url"):
        body = json.dumps(said(message), ensure_ascii=False).encode()
        answer = out.http(target).request("POST", target.get("url"), {"content-type": "application/json"}, body)
        return accepted(answer, "Slack")
    told = {**said(message), "channel": target.get("conversation")}
    thread = _method(target, out, "chat.postMessage", told).get("ts")
    detail = "" if _charts(target, message, out, str(thread or "")) else "its charts were refused"
    return Sent(200, detail or None)


def said(message: Message) -> dict[str, Any]:
    """Give the body: what the notification shows, and the blocks of the message."""
    sign = SIGNS.get(message.level or "", "")
    title = f"{sign} {message.title}".strip()
    return {
        "text": escaped(cut(title, TEXT_CHARS)),
        "blocks": list(_blocks(message, title)),
        "unfurl_links": False,
        "unfurl_media": False,
    }


def escaped(text: str) -> str:
    """Give text of which Slack makes nothing but text."""
    return printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def link(url: str, words: str) -> str:
    """Give a link; the address must be http or https, and cannot end the link."""
    if not is_page(url):
        return ""
    safe = re.sub(r"[^\x21-\x7e]|[<>|\"]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), url)
    return f"<{safe.replace('&', '&amp;')}|{escaped(words)}>"


def _blocks(message: Message, title: str) -> Iterator[dict[str, Any]]:
    yield {"type": "header", "text": {"type": "plain_text", "text": _header(title), "emoji": False}}
    if message.text:
        yield {"type": "section", "text": _text(escaped(cut(message.text, TEXT_CHARS)))}
    facts = [fact for fact in message.facts if fact.value]
    for start in range(0, len(facts), MOST_FIELDS):
        fields = [
            _text(f"*{escaped(fact.name)}*\n{escaped(cut(fact.value, FIELD_CHARS))}")
            for fact in facts[start : start + MOST_FIELDS]
        ]
        yield {"type": "section", "fields": fields}
    if message.link and (made := link(message.link, "Open it")):
        yield {"type": "section", "text": _text(made)}
    if message.rule:
        yield {"type": "context", "elements": [_text(escaped(f"errhouse, rule {message.rule}"))]}


def _text(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _header(title: str) -> str:
    """Give a title in one line, which is not too long once it is escaped."""
    line = " ".join(title.split()) or "errhouse"
    length = HEADER_CHARS
    while len(made := escaped(cut(line, length))) > HEADER_CHARS:
        length -= len(made) - HEADER_CHARS if length > len(made) - HEADER_CHARS else 1
    return made


def _charts(target: Target, message: Message, out: Outgoing, thread: str) -> bool:
    """Upload the charts below the message; whether all are there. The message itself has arrived."""
    charts = [each for each in message.artifacts if each.media_type == "image/png"][:MOST_CHARTS]
    try:
        files = [_uploaded(target, out, number, chart) for number, chart in enumerate(charts)]
        if files:
            told = {"files": files, "channel_id": target.get("conversation"), "thread_ts": thread}
            _method(target, out, "files.completeUploadExternal", told)
    except DeliveryError:
        return False
    return True


def _uploaded(target: Target, out: Outgoing, number: int, chart: Artifact) -> dict[str, str]:
    name = f"chart-{number + 1}.{chart.extension}"
    place = _form(target, out, "files.getUploadURLExternal", {"filename": name, "length": str(len(chart.body))})
    answer = out.http(target).request("POST", str(place["upload_url"]), {"content-type": chart.media_type}, chart.body)
    accepted(answer, "Slack")
    return {"id": str(place["file_id"]), "title": name}


def _method(target: Target, out: Outgoing, name: str, told: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps(told, ensure_ascii=False).encode()
    return _answered(_asked(target, out, name, "application/json; charset=utf-8", body))


def _form(target: Target, out: Outgoing, name: str, told: dict[str, str]) -> dict[str, Any]:
    found = _answered(_asked(target, out, name, "application/x-www-form-urlencoded", urlencode(told).encode()))
    if not {"upload_url", "file_id"} <= set(found):
        raise DeliveryError("Slack did not say where files go.", permanent=False)
    return found


def _asked(target: Target, out: Outgoing, name: str, media_type: str, body: bytes) -> Answer:
    headers = {"authorization": f"Bearer {target.get('token')}", "content-type": media_type}
    return out.http(target).request("POST", f"{target.get('api', API).rstrip('/')}/{name}", headers, body)


def _answered(answer: Answer) -> dict[str, Any]:
    """Give what a method answered. Raises DeliveryError when it is a refusal, which is a 200 too."""
    sent = accepted(answer, "Slack")
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise DeliveryError("Slack did not answer in JSON; check api.", permanent=False, status=answer.status)
    if found.get("ok") is True:
        return found
    why = str(found.get("error", "no reason told"))[:80]
    raise DeliveryError(
        f"Slack refused it ({escaped(why)}); check the token, its scopes, and that the bot is in the conversation.",
        permanent=why not in PASSING,
        status=answer.status,
        detail=sent.detail,
    )
