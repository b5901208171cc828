"""Text of others as plain text for a chat: what would be a mention, a link or a tag is shown, and does nothing."""

import re

ELLIPSIS = "…"
BREAK = "\u200b"  # a space of no width

_LIVE = re.compile(r"[@<\]#]|(?<=\w)(?=://)|(?<=[Ww]{3})(?=\.)")


def printable(text: str) -> str:
    """Give text in its lines; what cannot be printed becomes a space."""
    return "".join(char if char == "\n" or char.isprintable() else " " for char in text)


def cut(text: str, length: int) -> str:
    """Give at most so many characters; what was cut ends with an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + ELLIPSIS


def is_page(url: str | None) -> bool:
    """Say whether a link leads a browser to a page, and does nothing else."""
    return bool(url) and str(url).startswith(("https://", "http://"))


def plain(text: str, length: int) -> str:
    """Give text of at most so many characters, in as many lines; what cannot be printed becomes a space."""
    return _LIVE.sub(lambda found: f"{found[0]}{BREAK}", printable(text[:length]))


def plain_line(text: str, length: int) -> str:
    """Give the same in one line."""
    return plain(text, length).replace("\n", " ")
