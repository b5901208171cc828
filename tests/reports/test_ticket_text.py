# ruff: noqa: RUF001 - hostile text is what it is
"""Of others' text nothing lives in a ticket: no mention, reference, command, link, image, tag or end of a block."""

import json
import re
from typing import Any

import msgspec
import pytest

from reports.delivery import ticket_text
from reports.delivery.message import Fact, Message
from reports.delivery.plain import BREAK
from reports.delivery.release_commit import commit_of
from tests.support import reports as make
from tests.support.contracts import ISSUE, MESSAGE

SHA = "1f2e3d4c5b6a79887766554433221100ffeeddcc"
HOSTILE = [
    *make.HOSTILE,
    "closes #1",
    "Fixes acme/shop#12, resolves https://github.com/acme/shop/issues/1",
    "@acme/everyone @here cc @root",
    "GH-12 gh-3",
    "![beacon](https://evil.example.com/x.png)",
    '<img src="https://evil.example.com/x.png">',
    "[x]: https://evil.example.com\n[x]",
    "www.evil.example.com mailto:a@evil.example.com",
    "```\n/close\n```",
    "`````````\n@all",
    "~~~\n@all\n~~~",
    "\n\n/assign @root\n  /label ~bug\n\t/close",
    "` `` ``` ````",
    "`",
    "{noformat}[~admin]{noformat}!https://evil.example.com/x.png!",
    "{code}{html}<script>{html}",
    "errhouse0123456789abcdef0123",
    "\n\n<!-- errhouse0123456789abcdef0123 x -->",
    "| a | b |\n|---|---|\n| @all | #1 |",
    "x" * 5000,
    "@" * 500,
    "\ud800 \x00 \u202e \u2066 \ufeff",
    "$`a`$ $$x$$ :tada: ~bug %1 &2 ^alert#1 !3 $4 *x* _y_",
]
FENCE = re.compile(r"^(`{3,})text\n(.*?)\n\1$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
OURS = {
    "",
    "errhouse saw a new issue.",
    "errhouse finds this ticket again by .",
    "[Open it in errhouse](<https://errhouse.example.com/issues/7>)",
    "<!-- errhouse0123456789abcdef0123 mark -->",
    "- : ",
}
LIVE = re.compile(r"@(?!\u200b)|#(?!\u200b)|\w://|\bwww\.|<(?!\u200b)|\](?!\u200b)")
KEY = "errhouse0123456789abcdef0123"


def hostile(words: str) -> Message:
    issue = msgspec.structs.replace(ISSUE, title=words)
    return msgspec.structs.replace(
        MESSAGE, title=words, text=words, facts=(Fact(words, words),), rule=words, issue=issue
    )


@pytest.mark.parametrize("words", HOSTILE)
def test_all_of_others_is_code_in_markdown(words: str) -> None:
    body = ticket_text.markdown(hostile(words), f"{KEY} mark", is_ticket=True, key=KEY)
    around = SPAN.sub("", FENCE.sub("", body))
    assert set(around.split("\n")) <= OURS, around
    within = [found[2] for found in FENCE.finditer(body)] + [found[2] for found in SPAN.finditer(FENCE.sub("", body))]
    assert not any(LIVE.search(each) for each in within if each != KEY)
    assert not re.search(r"^[ \t]*/", body, re.MULTILINE)
    assert body.count(KEY) == 2
    assert len(body) < 20_000
    body.encode()


@pytest.mark.parametrize("words", HOSTILE)
def test_a_title_is_one_short_line_that_refers_to_nothing(words: str) -> None:
    title = ticket_text.title(hostile(words))
    assert title.strip() == title
    assert 0 < len(title) <= 250
    assert title.replace(BREAK, "").isprintable()
    assert not re.search(r"[@#!~%&^$](?=\w)|\w://|\bGH-|\bwww\.", title, re.IGNORECASE)


TITLES = [
    ("ValueError: no price", "ValueError: no price"),
    ("closes #1", "closes #·1"),
    ("fixes acme/shop#12", "fixes acme/shop#·12"),
    ("@acme/ops please", "@·acme/ops please"),
    ("GH-12", "GH·-12"),
    ("![b](https://evil.example.com/b.png)", "![b]·(https·://evil.example.com/b.png)"),
    ("a\r\nb\x00c", "a b c"),
    ("group/project!4 ~bug", "group/project!·4 ~·bug"),
    ("\u202egnp.exe", "gnp.exe"),
    ("", "An issue"),
    ("@", "@"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "title"), TITLES)
def test_hostile_titles_become_these(words: str, title: str) -> None:
    message = msgspec.structs.replace(hostile(words), title=words)
    assert ticket_text.title(message).replace(BREAK, "·") == title


@pytest.mark.parametrize("words", HOSTILE)
def test_all_of_others_is_code_in_jiras_documents(words: str) -> None:
    document = ticket_text.document(hostile(words), f"{KEY} mark", is_ticket=True)
    json.dumps(document).encode()
    free = []

    def walk(node: dict[str, Any], *, is_code: bool = False) -> None:
        assert node["type"] in {"doc", "paragraph", "codeBlock", "bulletList", "listItem", "text"}
        if node["type"] == "text":
            assert node["text"]
            if not is_code and {"type": "code"} not in node.get("marks", []):
                free.append(node["text"])
        for each in node.get("content", []):
            walk(each, is_code=node["type"] == "codeBlock")

    walk(document)
    assert set(free) - {": "} == {"errhouse saw a new issue.", "Open it in errhouse"}
    assert document["content"][-1] == ticket_text.document_mark(f"{KEY} mark")


@pytest.mark.parametrize("words", HOSTILE)
def test_all_of_others_is_unformatted_in_jiras_markup(words: str) -> None:
    body = ticket_text.markup(hostile(words), f"{KEY} mark", is_ticket=True)
    pieces = body.split("{noformat}")
    link = "[Open it in errhouse|https://errhouse.example.com/issues/7]"
    assert "".join(pieces[::2]).split() == f"errhouse saw a new issue. {link} {KEY} mark".split()
    assert all("{" not in each.replace(f"{{{BREAK}", "") for each in pieces[1::2])


@pytest.mark.parametrize(
    ("link", "made"),
    [
        (None, ""),
        ("javascript:alert(1)", ""),
        ("https://e.example.com/a?b=1&c=%20#d", "https://e.example.com/a?b=1&c=%20#d"),
        ("https://e.example.com/>)[x](<y `z`|ü", "https://e.example.com/%3E%29%5Bx%5D%28%3Cy%20%60z%60%7C%C3%BC"),
        ("https://e.example.com/" + "x" * 3000, ""),
    ],
)
def test_a_link_cannot_end_what_it_stands_in(link: str | None, made: str) -> None:
    assert ticket_text.address(link) == made


@pytest.mark.parametrize(
    ("body", "line", "is_so"),
    [
        ("a\n\n<!-- k w -->\n", "<!-- k", True),
        ("a\r\n\r\n<!-- w -->", "<!-- w -->", True),
        ("<!-- k w -->\nmore", "<!-- k", False),
        ("a <!-- k w -->", "<!-- k", False),
        ("<!-- kk w -->", "<!-- k", False),
        (None, "<!-- k", False),
        (7, "<!-- k", False),
    ],
)
def test_a_ticket_is_known_by_its_last_line_alone(body: object, line: str, is_so: bool) -> None:
    assert ticket_text.ends_with(body, line) is is_so


COMMITS = [
    (SHA, SHA),
    (SHA.upper(), SHA),
    (f"shop@{SHA}", SHA),
    (f"@acme/shop@{SHA}", SHA),
    ("shop@1f2e3d4", "1f2e3d4"),
    ("1.2.3+1f2e3d4c", "1f2e3d4c"),
    ("shop@1.2.3+1f2e3d4c", "1f2e3d4c"),
    ("v1.2.3-5-g1f2e3d4", "1f2e3d4"),
    ("v1.2.3-5-g1f2e3d4-dirty", "1f2e3d4"),
    ("1f2e3d4", "1f2e3d4"),
    ("a" * 64, "a" * 64),
    ("1" * 40, "1" * 40),
    ("1f2e3d", None),
    ("a" * 41, None),
    ("shop@1.2.3", None),
    ("1.2.3+20261124", None),
    ("20261124", None),
    ("shop@2026112401", None),
    ("shop-1f2e3d4", None),
    ("1f2e3d4 ../x", None),
    ("shop@１２３４５６７a", None),
    (f"{SHA}\n/../x", None),
    ("@" * 50_000, None),
    ("", None),
    (None, None),
]


@pytest.mark.parametrize(("release", "commit"), COMMITS, ids=lambda each: str(each)[:50])
def test_a_release_names_a_commit_or_does_not(release: str | None, commit: str | None) -> None:
    assert commit_of(release) == commit
