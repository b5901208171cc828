"""What the tests read of the warehouse, by SQL, as an analyst or an operator would."""

from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.support.server import Server
from tests.support.wait import until

TALLY = (
    "select sum(payload_count)::int as payloads, sum(event_count)::int as events, sum(loaded_count)::int as loaded, "
    "sum(duplicate_count)::int as duplicates, sum(refused_count)::int as refused, "
    "sum(set_aside_count)::int as set_aside, sum(issue_change_count)::int as issue_changes, "
    "sum(conflict_count)::int as conflicts from warehouse.load_tally"
)


def rows(url: str, query: str, *values: Any) -> list[dict[str, Any]]:
    """Return the rows of a query."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(query.encode(), values).fetchall()


def value(url: str, query: str, *values: Any) -> Any:
    """Return the one value of a query."""
    (row,) = rows(url, query, *values)
    (found,) = row.values()
    return found


def tally(url: str) -> dict[str, int]:
    """Return what became of everything that was loaded, summed over origins and days; it always adds up."""
    (found,) = rows(url, TALLY)
    counts = {name: count or 0 for name, count in found.items()}
    assert counts["events"] == counts["loaded"] + counts["duplicates"] + counts["refused"], counts
    assert counts["conflicts"] <= counts["refused"], counts
    return counts


def first_project(url: str) -> tuple[int, str]:
    """Return the project that the first start has made, and its public key."""
    (found,) = rows(url, "select project_id, public_key from warehouse.project_key order by created_at limit 1")
    return found["project_id"], found["public_key"]


def loaded(server: Server, deadline_seconds: float = 60) -> None:
    """Return when nothing waits in the spools and the loader is well."""

    def is_empty() -> bool:
        told = server.readyz()
        return told["spool_events"] == 0 and told["database"] == "ok"

    until(is_empty, deadline_seconds, "everything that was accepted is loaded")
