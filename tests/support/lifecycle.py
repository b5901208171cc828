"""Events on days of the past, and what is left of them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import Engine

from ingest.load import Loader
from tests.support import warehouse
from tests.support.builders import event
from tests.support.loading import NOON, PROJECT, Clock, loading, sdk, told

TODAY = NOON.date()


class Past:
    """A warehouse whose loader is told on any day; the present is NOON."""

    def __init__(self, url: str, loader: Loader, engine: Engine, clock: Clock) -> None:
        self.url = url
        self.engine = engine
        self._loader = loader
        self._clock = clock

    def load(self, days_ago: Iterable[int], project: int = PROJECT, **about: Any) -> int:
        """Load one event of each day, at noon; return how many became rows."""
        loaded = 0
        for days in days_ago:
            self._clock.now = NOON - timedelta(days=days)
            one = event(**{"timestamp": told(self._clock.now), **about})
            loaded += self._loader.load([sdk(one, at=self._clock.now, project=project)], origin="test").loaded
        self._clock.now = NOON
        return loaded

    def value(self, query: str, *values: Any) -> Any:
        """Return the one value of a query."""
        return warehouse.value(self.url, query, *values)

    def run(self, *statements: str) -> None:
        """Execute statements, each by itself."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def days(self, table: str = "fact_event", column: str = "occurred_at") -> list[int]:
        """Return how many days ago rows are of, oldest first."""
        query = f"select distinct {column}::date as day from warehouse.{table} order by day"
        return [(TODAY - row["day"]).days for row in warehouse.rows(self.url, query)]

    def removals(self) -> list[tuple[date, date, int, int]]:
        """Return what was noted: first day, end, events, payloads."""
        query = "select first_on, end_on, event_count, payload_count from warehouse.removal order by 1, 3 desc"
        return [tuple(row.values()) for row in warehouse.rows(self.url, query)]


@contextmanager
def past(url: str, **overrides: Any) -> Iterator[Past]:
    """Give it over a test's own database."""
    clock = Clock()
    with loading(url, clock, **overrides) as (loader, engine):
        yield Past(url, loader, engine, clock)


def midnight(days_ago: int) -> datetime:
    """Give the first instant of a day."""
    return NOON.replace(hour=0) - timedelta(days=days_ago)
