"""How numbers are written in the sentences of commands."""


def counted(count: int, word: str) -> str:
    """Write a number with its word: `1 event`, `2,001 events`, `0 events`."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
