"""
Tells a Microsoft Teams channel or chat, by a Workflows webhook and an Adaptive Card.

support.microsoft.com "Create incoming webhooks with Workflows", learn.microsoft.com "Format cards in Teams" and
adaptivecards.io/explorer (2026-11): a message has 28 KB, four requests a second are taken, then 429; a workflow answers
202. Permanent are 4xx but 408, 409, 423, 425, 429. Others' text stands in text runs, of which Teams makes no markup;
what the card itself would fill in (`{{`) and mentions (`<at>`) are broken by a space of no width. Cards hold no files:
of reports they tell the figures and lead to the console.
"""

import json
from collections.abc import Iterator
from typing import Any

from reports.delivery.guard import check_url
from reports.delivery.message import Message
from reports.delivery.outgoing import Outgoing, Sent, accepted
from reports.delivery.plain import BREAK, cut, is_page, plain
from reports.delivery.targets import Option, Target

NAME: str = "teams"
SENTENCE: str = "Tells a Microsoft Teams channel or chat."
OPTIONS: tuple[Option, ...] = (
    Option("url", "The address that the workflow gives for its HTTP request.", is_secret=True, is_required=True),
)
MOST_BYTES = 27 * 1024
LENGTHS = ((250, 4000, 1000, 30), (250, 1500, 300, 30), (150, 500, 120, 12))
"""Characters of title, text and a fact, and facts, from generous to what always fits."""
COLORS = {"fatal": "attention", "error": "attention", "warning": "warning", "info": "accent"}


def check(target: Target) -> None:
    """Refuse an address that cannot be used."""
    check_url(target.get("url"), target.allow_private)


def send(target: Target, message: Message, out: Outgoing) -> Sent:
    """Send one card."""
    headers = {"content-type": "application/json"}
    return accepted(out.http(target).request("POST", target.get("url"), headers, body(message)), "Teams")


def body(message: Message) -> bytes:
    """Give the request's body; what is too long is cut."""
    made = b""
    for lengths in LENGTHS:
        made = json.dumps(_envelope(message, *lengths), ensure_ascii=False).encode()
        if len(made) <= MOST_BYTES:
            break
    return made


def _envelope(message: Message, title: int, text: int, fact: int, facts: int) -> dict[str, Any]:
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": _shown(message.title, title),
        "msteams": {"width": "Full"},
        "body": list(_blocks(message, title, text, fact, facts)),
    }
    if is_page(message.link):
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open it", "url": message.link}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _blocks(message: Message, title: int, text: int, fact: int, facts: int) -> Iterator[dict[str, Any]]:
    color = COLORS.get(message.level or "", "default")
    yield _lines([_run(_shown(message.title, title), weight="bolder", size="large", color=color)])
    for line in _shown(message.text, text).splitlines():
        if line.strip():
            yield _lines([_run(line)])
    for each in [each for each in message.facts if each.value][:facts]:
        named = _run(f"{_shown(each.name, 60)}: ", weight="bolder")
        yield _lines([named, _run(_shown(each.value, fact).replace("\n", " "))], spacing="small")
    if message.rule:
        yield _lines([_run(f"errhouse, rule {_shown(message.rule, 80)}", isSubtle=True, size="small")])


def _lines(runs: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": runs, **more}


def _run(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, **more}


def _shown(text: str, length: int) -> str:
    """Give text that is only text: cut, printable, and without what a card or Teams would fill in."""
    return plain(cut(text, length), length).replace("{{", f"{{{BREAK}{{").replace("${", f"${BREAK}{{")
