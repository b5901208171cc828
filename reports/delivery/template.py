"""
Bodies that an operator writes: `{{ path.to.field }}` is replaced by a field, and that is all there is.

There is no logic, and no secret among the fields. What comes in is data: it is put in once, never read as a template,
and in JSON only ever into a string, whose quotes it cannot leave. Since most who need a template are chats, it is made
plain (reports/delivery/plain.py); only links of this program stay links.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from models.views.events import EVENTS
from reports.delivery.message import AboutIssue, AboutReport, Message
from reports.delivery.plain import plain, plain_line
from reports.errors import BadTarget

MOST_TEMPLATE_BYTES = 16 * 1024
MOST_OUTPUT_BYTES = 32 * 1024
VALUE_LENGTHS = (2000, 200, 20)  # values are cut to the first of these with which the whole is short enough
MOST_DEPTH = 20

_FIELD = re.compile(r"\{\{ *([a-z_]+(?:\.[A-Za-z0-9_-]+)*) *\}\}", re.ASCII)
_MESSAGE = ("key", "kind", "title", "text", "level", "facts", "link", "rule", "made_at")
FIELDS = frozenset(
    {
        "type",
        "timestamp",
        *(f"message.{name}" for name in _MESSAGE),
        *(f"issue.{name}" for name in AboutIssue.__struct_fields__),
        *(f"report.{name}" for name in AboutReport.__struct_fields__),
        *(f"event.{column.name}" for column in EVENTS.columns),
    }
)
_TAG = "event.tags."
_LINKS = {"message.link", "issue.url"}
_LONG = {"message.text", "message.facts"}


class Template(NamedTuple):
    """A template that was read: text, or what JSON made of it."""

    source: Any
    is_json: bool


def template(source: str, *, is_json: bool) -> Template:
    """Read a template. Raises BadTarget, with what to do, when anything in it is neither text nor a known field."""
    if len(source.encode()) > MOST_TEMPLATE_BYTES:
        raise BadTarget("The template is longer than 16 KiB; shorten it.")
    if not is_json:
        _check(source)
        return Template(source, is_json)
    try:
        read = json.loads(source)
        for text in _strings(read, MOST_DEPTH):
            _check(text)
    except (ValueError, RecursionError):
        raise BadTarget(
            'The template is not JSON; write fields inside of quotes, as in {"text": "{{ message.title }}"}.'
        ) from None
    return Template(read, is_json)


def filled(made: Template, values: Mapping[str, Any]) -> bytes:
    """
    Put fields in; those that are missing leave nothing.

    Takes: `values` as `reports.channels.webhook.fields` gives them.
    Raises: BadTarget when it is longer than 32 KiB even with short values.
    """
    for length in VALUE_LENGTHS:
        body = _body(made, values, length)
        if len(body) <= MOST_OUTPUT_BYTES:
            return body
    raise BadTarget("What the template makes is longer than 32 KiB; use fewer fields.")


def values(message: Message, kind: str, timestamp: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields of a message as a template knows them; `fields` holds issue, event and report."""
    facts = "\n".join(" ".join(f"{fact.name}: {fact.value}".split()) for fact in message.facts)
    own = {name: getattr(message, name) for name in _MESSAGE}
    return {"type": kind, "timestamp": timestamp, "message": {**own, "facts": facts}, **fields}


def _body(made: Template, values: Mapping[str, Any], length: int) -> bytes:
    def put(text: str) -> str:
        return _FIELD.sub(lambda found: _shown(found[1], _text(_value(values, found[1])), length), text)

    def walk(node: Any) -> Any:
        if isinstance(node, str):
            return put(node)
        if isinstance(node, list):
            return [walk(each) for each in node]
        if isinstance(node, dict):
            return {name: walk(each) for name, each in node.items()}
        return node

    if not made.is_json:
        return put(made.source).encode("utf-8", "replace")
    return json.dumps(walk(made.source), ensure_ascii=False).encode("utf-8", "replace")


def _strings(node: Any, depth: int) -> Iterable[str]:
    """Give every text that fields are put into; none may be in a name, nor too deep."""
    if depth < 0:
        raise BadTarget(f"The template is nested more than {MOST_DEPTH} deep; make it flatter.")
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for each in node:
            yield from _strings(each, depth - 1)
    elif isinstance(node, dict):
        for name, each in node.items():
            if "{{" in name or "}}" in name:
                raise BadTarget("The template has a field in a name of JSON; fields are put into values only.")
            yield from _strings(each, depth - 1)


def _check(text: str) -> None:
    for path in _FIELD.findall(text):
        if path not in FIELDS and not (path.startswith(_TAG) and path.count(".") == 2):
            raise BadTarget(
                f"The template has no field {path[:60]}; there are type, timestamp, message.*, issue.*, event.*, "
                "event.tags.NAME and report.*, see docs/how-to/add-a-channel.md."
            )
    left = _FIELD.sub("", text)
    if any(mark in left for mark in ("{{", "{%", "{#")):
        raise BadTarget("The template has something in braces that is no field; write {{ message.title }}.")


def _value(values: Mapping[str, Any], path: str) -> Any:
    found: Any = values
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _shown(path: str, text: str, length: int) -> str:
    if path in _LINKS:
        return text
    return (plain if path in _LONG else plain_line)(text, length)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else json.dumps(value, ensure_ascii=False, default=str)
