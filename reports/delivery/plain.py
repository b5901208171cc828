"""Text of others as plain text for a chat: what would be a mention, a link or a tag is shown, and does nothing."""

import re

BREAK = "\u200b"  # a space of no width

_LIVE = re.compile(r"[@<\]#]|(?<=\w)(?=://)|(?<=[Ww]{3})(?=\.)")


def plain(text: str, length: int) -> str:
    """Give text of at most so many characters, in as many lines; what cannot be printed becomes a space."""
    shown = "".join(char if char == "\n" or char.isprintable() else " " for char in text[:length])
    return _LIVE.sub(lambda found: f"{found[0]}{BREAK}", shown)


def plain_line(text: str, length: int) -> str:
    """Give the same in one line."""
    return plain(text, length).replace("\n", " ")
