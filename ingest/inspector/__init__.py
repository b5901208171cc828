"""
`errhouse inspect`: a receiver of its own that shows and verifies whatever arrives. No database, no spool.

Requests are answered by the same code as in the service, over a stand-in for the spool that keeps nothing, and with
every DSN key and hook key taken for good. What is shown is bounded, and held in memory alone.
"""

import msgspec

MOST_KEPT = 100
MOST_SHOWN_BYTES = 64 * 1024  # of one body
LONGEST_VALUE = 500  # of a header


class Looked(msgspec.Struct, frozen=True):
    """One request, looked at: what came, whether its right to send is shown, and what errhouse would do with it."""

    number: int
    at: str
    sender: str
    method: str
    path: str
    query: dict[str, str]
    headers: list[tuple[str, str]]
    bytes: int
    encoding: str
    status: int
    answer: str
    reason: str
    form: str
    signature: str
    dsn: str
    would: list[str]
    cures: list[str]
    events: list[dict[str, str]]
    body: str
    body_bytes: int
