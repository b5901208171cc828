"""A warehouse whose alert rules are evaluated step by step: load, fold, evaluate, and what is in the outbox then."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from ingest.load import Loader
from models.clock import now
from models.fold import fold_all
from models.settings import Settings
from reports.alerts import rules_kept
from reports.alerts.alerting import Alerting
from reports.alerts.rule import Rule
from reports.alerts.rule_written import check, parameters
from reports.rules import kind_of
from tests.support import postgres, warehouse
from tests.support.builders import event
from tests.support.loading import PROJECT, Clock, loading, sdk, told

PUBLIC_URL = "https://errhouse.example"
CHAT = "chat"
OUTBOX = "select * from warehouse.outbox order by created_at, due_at, key"


class House:
    """A database with rules, whose clock a test moves; the database's own only says when folds were."""

    def __init__(self, url: str, loader: Loader, engine: Engine, clock: Clock) -> None:
        self.url = url
        self.engine = engine
        self.clock = clock
        self.most = 20
        self.figures: dict[str, float] = {}
        self._loader = loader
        self.alerting = self.another()

    def another(self) -> Alerting:
        """Give a scheduler's share of one more service."""

        def limits(_: Connection, names: Any) -> dict[str, int]:
            return dict.fromkeys(names, self.most)

        def clock(_: Connection) -> datetime:
            return self.clock.now

        return Alerting(self.engine, PUBLIC_URL, limits, lambda _: self.figures, clock)

    def rule(self, name: str, kind: str, **more: Any) -> Rule:
        """Add a rule as the command does; its parameters are given as they are written there."""
        words = {key: more.pop(key) for key in [*more] if key in {each.name for each in kind_of(kind).PARAMETERS}}
        made = Rule(
            name,
            kind,
            parameters=parameters(kind_of(kind), words),
            targets=more.pop("targets", [CHAT]),
            **more,
        )
        check(made)
        with self.engine.begin() as connection:
            rules_kept.keep(connection, made, min(self.clock.now, now()) - timedelta(seconds=1), is_replaced=True)
        return made

    def load(self, *events: Mapping[str, Any], project: int = PROJECT) -> None:
        """Load events, by default of now, and fold them."""
        at = self.clock.now
        made = [{**event(timestamp=told(at)), **one} for one in events]
        self._loader.load([sdk(one, at=at, project=project) for one in made], origin="test")
        fold_all(self.engine, at.date(), 14)

    def passes(self, **span: float) -> None:
        """Let time go by."""
        self.clock.now += timedelta(**span)

    def evaluate(self) -> int:
        """Evaluate rules on what was loaded."""
        return self.alerting.loaded()

    def outbox(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Read what is to be sent."""
        return [row for row in warehouse.rows(self.url, OUTBOX) if kind in {None, row["kind"]}]

    def titles(self) -> list[str]:
        """Read the titles of what is to be sent."""
        return [row["message"]["title"] for row in self.outbox()]

    def error(self, name: str) -> str | None:
        """Read why a rule cannot be evaluated."""
        found: str | None = warehouse.value(self.url, "select error from warehouse.alert_rule where name = %s", name)
        return found

    def run(self, statement: str) -> None:
        """Change something by SQL."""
        postgres.run(self.url, statement)


@contextmanager
def alerts(url: str) -> Iterator[House]:
    """Give a house over a database of the test's own; its clock begins now, for the feed takes no old events."""
    clock = Clock(now())
    with loading(url, clock) as (loader, engine):
        yield House(url, loader, engine, clock)


def titled(title: str, **more: Any) -> dict[str, Any]:
    """Give an event of an issue of its own."""
    return {"exception": {"values": [{"type": title, "value": "it broke"}]}, "fingerprint": [title], **more}


def options(data_dir: Any, **more: Any) -> Settings:
    """Give settings."""
    return Settings(DATA_DIR=data_dir, **more)
