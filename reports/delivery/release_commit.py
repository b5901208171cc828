"""The commit that a release names (pure)."""

import re

# the end of it after @, + or the -g of `git describe`, or all of it; 40 digits are a commit of SHA-1, 64 of SHA-256
_COMMIT = re.compile(
    r"(?:.*(?:[@+]|-g))?([0-9a-f]{7,40}|[0-9a-f]{64})(?:-dirty)?", re.ASCII | re.IGNORECASE | re.DOTALL
)
SHORTEST_NUMBER = 40  # digits alone are a date or the number of a build, until they are this many


def commit_of(release: str | None) -> str | None:
    """Give the commit a release names, as `shop@1f2e3d4`, `1.2.3+1f2e3d4` or `1f2e3d4`; None where it names none."""
    found = _COMMIT.fullmatch((release or "").strip()[-300:])
    if not found or (found[1].isdigit() and len(found[1]) < SHORTEST_NUMBER):
        return None
    return found[1].lower()
