"""
What tickets and comments say, in Markdown, in Atlassian's document format and in Jira's older markup (pure).

All of a message but its link is somebody else's: it stands in code, in which nothing is a mention, a reference, a
command, a link or an image, and what would be one elsewhere is broken by a space of no width besides. The last line is
ours alone: by it a ticket or comment is known again.
"""

import re
from hashlib import sha256
from typing import Any

from reports.delivery.message import Message
from reports.delivery.plain import BREAK, plain, plain_line

TITLE_CHARS = 250
TEXT_CHARS = 3000
FACT_CHARS = 300
MOST_FACTS = 20
LONGEST_LINK = 2048
SENTENCES = {
    "new": "errhouse saw a new issue.",
    "regressed": "errhouse saw it again: a regression.",
    "seen": "errhouse saw it again.",
}

_KEY = re.compile(r"errhouse(?=[0-9a-f-])", re.IGNORECASE)
_COMMAND = re.compile(r"^([ \t]*)/", re.MULTILINE)
# references to tickets, merge requests, labels, milestones and others: #1 !1 $1 ~a %1 &1 ^alert GH-1
_REFERENCE = re.compile(r"[#!$~%&^*`](?=[\w\"])|\bGH(?=-)", re.IGNORECASE)
_RUN = re.compile("`+")
_UNSAFE = re.compile(r"[^A-Za-z0-9._~:/?#@!$&+,;=%-]")

Document = dict[str, Any]
"""A node of Atlassian's document format."""


def mark(key: str) -> str:
    """Give the word by which a message is known again, from which nobody learns what it is about."""
    return sha256(key.encode()).hexdigest()[:24]


def title(message: Message) -> str:
    """Give one line in which nothing is a mention or a reference."""
    words = (message.issue.title if message.issue else "") or message.title
    line = " ".join(_broken(plain_line(words, TITLE_CHARS)).split())
    return _REFERENCE.sub(lambda found: f"{found[0]}{BREAK}", line)[:TITLE_CHARS].strip(f"{BREAK} ") or "An issue"


def markdown(message: Message, last: str, *, is_ticket: bool, key: str = "") -> str:
    """
    Give the body of a ticket or a comment, for GitHub and GitLab.

    Takes: `last`, the words of its last line; `key`, the word that a search finds the ticket by.
    """
    parts = [_sentence(message)]
    if is_ticket and message.issue:
        parts.append(fence(message.issue.title, TITLE_CHARS * 2))
    if message.text:
        parts.append(fence(message.text, TEXT_CHARS))
    parts.append("\n".join(f"- {code(name, 60)}: {code(value, FACT_CHARS)}" for name, value in _facts(message)))
    if link := address(message.link):
        parts.append(f"[Open it in errhouse](<{link}>)")
    if key:
        parts.append(f"errhouse finds this ticket again by `{key}`.")
    return "\n\n".join([*(part for part in parts if part), comment_mark(last)])


def comment_mark(words: str) -> str:
    """Give the last line: a comment that is not shown. Takes words of our own."""
    return f"<!-- {words} -->"


def ends_with(body: object, line: str) -> bool:
    """Say whether the last line of a body is this one, or begins with it where it is no whole comment."""
    last = str(body or "").rstrip().rpartition("\n")[2].strip()
    return last == line or (not line.endswith("-->") and last.startswith(f"{line} "))


def fence(text: str, length: int) -> str:
    """Give text as a block of code, whose fence is longer than any within."""
    shown = _COMMAND.sub(lambda found: f"{found[1]}{BREAK}/", _broken(plain(text, length))).strip("\n")
    bars = "`" * max(3, _longest(shown) + 1)
    return f"{bars}text\n{shown}\n{bars}"


def code(text: str, length: int) -> str:
    """Give text as a span of code in one line."""
    shown = _broken(plain_line(text, length)).strip() or "–"  # noqa: RUF001 - a dash is what people are shown
    bars = "`" * (_longest(shown) + 1)
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{bars}{space}{shown}{space}{bars}"


def address(link: str | None) -> str:
    """Give a link that cannot end what it stands in; nothing when it is none."""
    if not link or len(link) > LONGEST_LINK or not link.startswith(("https://", "http://")):
        return ""
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "replace")), link)


def document(message: Message, last: str, *, is_ticket: bool) -> Document:
    """Give the same as Atlassian's document: text nodes and blocks of code alone."""
    content = [_paragraph(_text(_sentence(message)))]
    if is_ticket and message.issue:
        content.append(_block(message.issue.title, TITLE_CHARS * 2))
    if message.text:
        content.append(_block(message.text, TEXT_CHARS))
    items = [
        {"type": "listItem", "content": [_paragraph(_code(name, 60), _text(": "), _code(value, FACT_CHARS))]}
        for name, value in _facts(message)
    ]
    if items:
        content.append({"type": "bulletList", "content": items})
    if link := address(message.link):
        content.append(_paragraph({**_text("Open it in errhouse"), "marks": [_link(link)]}))
    return {"type": "doc", "version": 1, "content": [*content, document_mark(last)]}


def document_mark(words: str) -> Document:
    """Give the last paragraph. Takes words of our own."""
    return _paragraph({"type": "text", "text": words, "marks": [{"type": "code"}]})


def markup(message: Message, last: str, *, is_ticket: bool) -> str:
    """Give the same in the markup of Jira's REST API 2."""
    parts = [_sentence(message)]
    if is_ticket and message.issue:
        parts.append(_unformatted(message.issue.title, TITLE_CHARS * 2))
    if message.text:
        parts.append(_unformatted(message.text, TEXT_CHARS))
    lines = [(" ".join(name.split())[:60], " ".join(value.split())[:FACT_CHARS]) for name, value in _facts(message)]
    facts = "\n".join(f"{name}: {value}" for name, value in lines)
    parts.append(_unformatted(facts, len(facts)) if facts else "")
    if link := address(message.link):
        parts.append(f"[Open it in errhouse|{link}]")
    return "\n\n".join([*(part for part in parts if part), last])


def _sentence(message: Message) -> str:
    return SENTENCES.get(message.issue.transition if message.issue else "", SENTENCES["seen"])


def _facts(message: Message) -> list[tuple[str, str]]:
    found = [(fact.name, fact.value) for fact in message.facts if fact.value][:MOST_FACTS]
    return [*found, ("rule", message.rule)] if message.rule else found


def _broken(text: str) -> str:
    """Give text that is not found by the word of a ticket."""
    return _KEY.sub(lambda found: f"{found[0]}{BREAK}", text)


def _longest(text: str) -> int:
    return max((len(run) for run in _RUN.findall(text)), default=0)


def _text(words: str) -> Document:
    return {"type": "text", "text": words}


def _code(words: str, length: int) -> Document:
    shown = _broken(plain_line(words, length)).strip() or "–"  # noqa: RUF001 - a dash is what people are shown
    return {"type": "text", "text": shown, "marks": [{"type": "code"}]}


def _link(url: str) -> Document:
    return {"type": "link", "attrs": {"href": url}}


def _block(words: str, length: int) -> Document:
    shown = _broken(plain(words, length)).strip("\n") or " "
    return {"type": "codeBlock", "attrs": {"language": "text"}, "content": [_text(shown)]}


def _paragraph(*nodes: Document) -> Document:
    return {"type": "paragraph", "content": list(nodes)}


def _unformatted(words: str, length: int) -> str:
    shown = _broken(plain(words, length)).replace("{", f"{{{BREAK}").strip("\n")
    return f"{{noformat}}\n{shown}\n{{noformat}}"
