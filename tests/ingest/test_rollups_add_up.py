"""Whatever is loaded, met again, deleted, folded, rebuilt and broken off in between: after every step it adds up."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.exc import DBAPIError

from ingest.load import Loader
from ingest.records import Payload
from models.audit import Scope, audit
from models.delete import Asked, delete
from models.engine import engine_for
from models.fold import fold, fold_all
from models.rebuild import rebuild
from models.user_counts import count_users
from tests.support import builders, postgres
from tests.support.loading import NOON, Clock, sdk, told
from tests.support.loading import settings as settings_of

TODAY = NOON.date()
GROUP_HOUR_DAYS = 14
DAYS_AGO = (0, 1, 2, 13, 14, 15, 45)  # with days whose hours of groups are kept, just so, and no more
EVENTS = 60  # so few that batches often hold what is there already
TABLES = (
    *("fact_event", "event_payload", "event_odd_time", "rollup_delta", "rollup_hour", "rollup_hour_group"),
    *("rollup_day", "rollup_day_culprit", "rollup_day_user", "rollup_group", "rollup_release"),
    *("load_tally", "removal", "set_aside", "dim_group", "dim_project"),
)


class Spec(NamedTuple):
    """An event by its number: all that is counted of it is told by the number, so that it can be sent again."""

    number: int
    project: int
    at: datetime
    group: str
    release: str | None
    environment: str | None
    user: str | None
    level: int
    rate: float | None
    is_unhandled: bool

    @property
    def event_id(self) -> UUID:
        return UUID(int=self.number + 1)

    @property
    def day(self) -> date:
        return self.at.date()

    def payload(self) -> Payload:
        levels = {20: "info", 40: "error", 50: "fatal"}
        mechanism = {"type": "generic", "handled": not self.is_unhandled}
        made = builders.event(
            event_id=self.event_id.hex,
            timestamp=told(self.at),
            fingerprint=[self.group],
            release=self.release,
            environment=self.environment,
            user={"id": self.user} if self.user else None,
            level=levels[self.level],
            transaction=f"/{self.group}",
            exception={"values": [{"type": "Wrong", "value": "it is", "mechanism": mechanism}]},
            contexts={"trace": {"client_sample_rate": self.rate}} if self.rate else None,
        )
        return sdk(made, at=self.at + timedelta(seconds=1), project=self.project)


def spec(number: int) -> Spec:
    pick = random.Random(number)
    at = NOON - timedelta(days=pick.choice(DAYS_AGO), seconds=pick.randrange(12 * 3600))
    return Spec(
        number,
        pick.choice((1, 2, 3)),
        at,
        pick.choice("abcd"),
        pick.choice((None, "1.0", "1.1", "2.0")),
        pick.choice((None, "production", "staging")),
        pick.choice((None, "u1", "u2", "u3", "u4", "u5", "u6")),
        pick.choice((20, 40, 40, 50)),
        pick.choice((None, None, 0.5, 0.25)),
        pick.random() < 0.5,
    )


class Killed(BaseException):
    """The process ends here; nothing catches it, as nothing catches a kill."""


@dataclass
class World:
    """A warehouse, and what a model of plain Python says that is in it."""

    engine: Engine
    other: Engine
    loader: Loader
    there: dict[int, Spec] = field(default_factory=dict)

    def load(self, numbers: list[int]) -> None:
        specs = [spec(number) for number in numbers]
        tally = self.loader.load([each.payload() for each in specs], origin="file")
        assert (tally.events, tally.refused) == (len(specs), 0)
        fresh = {each.number for each in specs} - set(self.there)
        assert tally.loaded == len(fresh)
        self.there |= {number: spec(number) for number in fresh}

    def fold(self, _: object = None) -> None:
        fold(self.engine, TODAY, GROUP_HOUR_DAYS)

    def rebuild(self, days_ago: int) -> None:
        with self.engine.begin() as connection:
            rebuild(connection, TODAY - timedelta(days=days_ago), TODAY, GROUP_HOUR_DAYS)

    def rebuild_project(self, days_ago: int) -> None:
        with self.engine.begin() as connection:
            rebuild(connection, TODAY - timedelta(days=days_ago), TODAY, GROUP_HOUR_DAYS, [1 + days_ago % 3])

    def count_users(self, _: object = None) -> None:
        count_users(self.engine, TODAY)

    def delete(self, numbers: list[int]) -> None:
        """Delete these events, wherever they are; those of a day that was told are gone, whatever happens after."""
        for project in (1, 2, 3):
            doomed = [spec(number) for number in numbers if spec(number).project == project]
            asked = Asked(project, [each.event_id for each in doomed])
            for done in delete(self.engine, asked, NOON, GROUP_HOUR_DAYS) if doomed else ():
                for each in doomed:
                    if each.day == done.day:
                        self.there.pop(each.number, None)


numbers = st.lists(st.integers(0, EVENTS - 1), min_size=1, max_size=12)
days_ago = st.sampled_from(DAYS_AGO)
deeds = st.one_of(
    st.tuples(st.just("load"), numbers),
    st.tuples(st.just("load"), numbers),
    st.tuples(st.just("delete"), numbers),
    st.tuples(st.just("fold"), st.none()),
    st.tuples(st.just("rebuild"), days_ago),
    st.tuples(st.just("rebuild_project"), days_ago),
    st.tuples(st.just("count_users"), st.none()),
)
breaks = st.one_of(st.none(), st.tuples(st.integers(0, 40), st.sampled_from(["kill", "terminate"])))
steps = st.lists(st.tuples(deeds, breaks), min_size=1, max_size=10)


@pytest.fixture(scope="module")
def engines(postgres_url: str, template_database: str) -> Iterator[tuple[Engine, Engine]]:
    with postgres.database(postgres_url, template_database) as url:
        made, other = engine_for(url), engine_for(url)
        yield made, other
        made.dispose()
        other.dispose()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=steps)
def test_any_mix_of_steps_and_crashes_adds_up(engines: tuple[Engine, Engine], steps: list[Any]) -> None:
    world = emptied(*engines)
    for (name, about), broken in steps:
        deed: Callable[[Any], None] = getattr(world, name)
        if broken is None:
            deed(about)
        else:
            with breaking(world, *broken) as was_broken:
                deed(about)
            event(f"{name} {broken[1] if was_broken else 'went through'}")
        assert audit(world.other, Scope(TODAY, GROUP_HOUR_DAYS)).differences == []
        assert groups_of(world.other) == groups_of_model(world)
    fold_all(world.engine, TODAY, GROUP_HOUR_DAYS)
    count_users(world.engine, TODAY)
    assert audit(world.other, Scope(TODAY, GROUP_HOUR_DAYS)).differences == []
    assert groups_of(world.other) == groups_of_model(world)
    assert lifelong_of(world.other) == lifelong_of_model(world)
    assert hours_of(world.other) == hours_of_model(world)


@pytest.mark.parametrize("table", ["rollup_delta", "rollup_hour", "rollup_day", "rollup_day_user", "fact_event"])
def test_a_row_that_is_lost_is_seen(engines: tuple[Engine, Engine], table: str) -> None:
    world = emptied(*engines)
    world.load(list(range(20)))
    world.fold()
    world.load(list(range(20, 40)))
    assert audit(world.other, Scope(TODAY, GROUP_HOUR_DAYS)).differences == []
    with world.other.begin() as connection:
        connection.execute(
            text(f"delete from warehouse.{table} where project_id = (select min(project_id) from warehouse.{table})")
        )
    assert audit(world.other, Scope(TODAY, GROUP_HOUR_DAYS)).differences != []


def emptied(engine: Engine, other: Engine) -> World:
    """Empty every table, partition by partition; the partitions stay."""
    with other.begin() as connection:
        for table in TABLES:
            connection.execute(text(f"delete from warehouse.{table}"))
    return World(engine, other, Loader(engine, settings_of(Path(), PAYLOAD_RETENTION_DAYS=30), Clock()))


@contextmanager
def breaking(world: World, after: int, how: str) -> Iterator[list[str]]:
    """Break the work off before a statement: end the process, or its connections by the server."""
    left = [after]
    broken: list[str] = []

    def before(connection: Any, _: Any, statement: str, *__: Any) -> None:
        left[0] -= 1
        if left[0] == -1:
            broken.append(statement)
            if how == "kill":
                raise Killed
            pid = connection.connection.driver_connection.info.backend_pid
            with world.other.begin() as killing:
                killing.execute(text("select pg_terminate_backend(:pid)"), {"pid": pid})

    sqlalchemy_event.listen(world.engine, "before_cursor_execute", before)
    try:
        yield broken
    except Killed:
        pass
    except DBAPIError:
        assert broken, "nothing but the break was to fail"
    finally:
        sqlalchemy_event.remove(world.engine, "before_cursor_execute", before)
        world.engine.dispose()
        world.loader.reset()


# Groups by project and day with deltas; the same that views add up.
GROUPS = text(
    """
    select l.project_id, day, g.fingerprint[1], sum(event_count)::bigint, sum(weighted_count)::float8,
        sum(unhandled_count)::bigint, min(first_at), max(last_at),
        coalesce(cardinality(warehouse.users_merged(user_sketch)), 0)
    from (
        select project_id, day, group_key, event_count, weighted_count, unhandled_count, first_at, last_at, user_sketch
        from warehouse.rollup_day
        union all
        select project_id, (hour at time zone 'UTC')::date, group_key, event_count, weighted_count, unhandled_count,
            first_at, last_at, user_sketch from warehouse.rollup_delta
    ) as l join warehouse.dim_group g on g.project_id = l.project_id and g.group_key = l.group_key
    group by 1, 2, 3
    """
)
LIFELONG = text(
    """
    select r.project_id, g.fingerprint[1], event_count, weighted_count, unhandled_count, first_at, last_at,
        coalesce(cardinality(user_sketch), 0), f.release, l.release, last_level
    from warehouse.rollup_group r
    join warehouse.dim_group g on g.project_id = r.project_id and g.group_key = r.group_key
    left join warehouse.dim_release f on f.project_id = r.project_id and f.release_key = r.first_release_key
    left join warehouse.dim_release l on l.project_id = r.project_id and l.release_key = r.last_release_key
    """
)
HOURS = text(
    """
    select project_id, hour, sum(event_count)::bigint, sum(without_release_count)::bigint,
        sum(without_user_count)::bigint, sum(odd_time_count)::bigint
    from warehouse.rollup_hour group by 1, 2
    """
)


def rows(engine: Engine, statement: Any, keys: int) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    with engine.connect() as connection:
        return {tuple(row[:keys]): tuple(row[keys:]) for row in connection.execute(statement)}


def groups_of(engine: Engine) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    return rows(engine, GROUPS, 3)


def lifelong_of(engine: Engine) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    return rows(engine, LIFELONG, 2)


def hours_of(engine: Engine) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    return rows(engine, HOURS, 2)


def counted(specs: list[Spec]) -> tuple[Any, ...]:
    return (
        len(specs),
        sum(1 / each.rate if each.rate else 1.0 for each in specs),
        sum(each.is_unhandled for each in specs),
        min(each.at for each in specs),
        max(each.at for each in specs),
        len({each.user for each in specs if each.user}),
    )


def parts(world: World, key: Callable[[Spec], tuple[Any, ...]]) -> dict[tuple[Any, ...], list[Spec]]:
    found: dict[tuple[Any, ...], list[Spec]] = defaultdict(list)
    for each in world.there.values():
        found[key(each)].append(each)
    return found


def groups_of_model(world: World) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    return {key: counted(specs) for key, specs in parts(world, lambda e: (e.project, e.day, e.group)).items()}


def lifelong_of_model(world: World) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    found = {}
    for key, specs in parts(world, lambda e: (e.project, e.group)).items():
        first, last = min(specs, key=lambda e: e.at), max(specs, key=lambda e: e.at)
        found[key] = (*counted(specs), first.release, last.release, last.level)
    return found


def hours_of_model(world: World) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    def hour(at: datetime) -> datetime:
        return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)

    return {
        key: (len(specs), sum(e.release is None for e in specs), sum(e.user is None for e in specs), 0)
        for key, specs in parts(world, lambda e: (e.project, hour(e.at))).items()
    }
