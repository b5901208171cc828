"""
A warehouse full of events, made without loading them one by one: seeded, by COPY, with the rollups they add up to.

Projects are as uneven as real ones, and so are their issues; a release comes every five days; nights and weekends are
quieter. Events of one day are arrays; the fact takes them as binary COPY, the rollups as sums of the same arrays, which
is what `errhouse db audit` then checks.
"""

import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import psycopg

from models.keys import dimension_key
from models.rollup import SKETCH_USERS

PG_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TAIL = b"\xff\xff"
CHUNK = 250_000
ENVIRONMENTS = ("production", "staging", "development")
HOURS = np.array([3, 2, 2, 2, 2, 3, 4, 6, 9, 11, 12, 12, 11, 12, 12, 12, 11, 10, 8, 7, 6, 5, 4, 4], dtype=float)
RELEASE_DAYS = 5

TEXTS = {"exception_value": 52, "url": 34, "tags": 153}  # bytes: 86 of message, 153 of tags, as in real events
FACT = (
    ("occurred_at", ">i8"),
    ("received_at", ">i8"),
    ("loaded_at", ">i8"),
    ("event_id", "V16"),
    ("project_id", ">i8"),
    ("group_key", ">i8"),
    ("culprit_key", ">i8"),
    ("exception_key", ">i8"),
    ("transaction_key", ">i8"),
    ("release_key", ">i8"),
    ("environment_key", ">i8"),
    ("user_key", ">i8"),
    ("server_key", ">i8"),
    ("client_key", ">i8"),
    ("stack_key", ">i8"),
    ("sample_weight", ">f4"),
    ("level", ">i2"),
    ("time_quality", ">i2"),
    ("source", ">i2"),
    ("handled", "?"),
    ("exception_value", f"S{TEXTS['exception_value']}"),
    ("url", f"S{TEXTS['url']}"),
    ("tags", f"V{TEXTS['tags'] + 1}"),
)


class Site:
    """Everything that sends: projects, their issues, releases and users, with the keys errhouse gives them."""

    def __init__(self, seed: int = 1, projects: int = 40, groups: int = 120, users: int = 20_000) -> None:
        rng = np.random.default_rng(seed)
        self.project_ids = np.arange(1, projects + 1)
        self.project_weight = _uneven(projects)
        self.group_weight = _uneven(groups)
        self.groups, self.users = groups, users
        self.level = rng.choice([20, 30, 40, 50], p=[0.05, 0.15, 0.75, 0.05], size=(projects, groups))
        self.culprit = np.minimum(rng.integers(0, groups, (projects, groups)), np.arange(groups))
        self.keys = {
            "group_key": self._keys("dim_group", groups, lambda n: (f"e1:{n:032x}",)),
            "culprit_key": self._keys("dim_culprit", groups, lambda n: (f"/api/resource-{n}",)),
            "exception_key": self._keys("dim_exception", groups, lambda n: (f"Resource{n}Error", "generic")),
            "transaction_key": self._keys("dim_transaction", groups, lambda n: (f"/api/resource-{n}", "GET")),
            "stack_key": self._keys("dim_stack", groups, lambda n: (_frames(n), f"shop.r{n} in call")),
            "release_key": self._keys("dim_release", 400, lambda n: (f"shop@{1 + n // 10}.{n % 10}.0", None)),
            "environment_key": self._keys("dim_environment", 3, lambda n: (ENVIRONMENTS[n],)),
            "user_key": self._keys("dim_user", users, lambda n: (str(n), f"u{n}@example.com", None, None, None)),
            "server_key": self._keys("dim_server", 8, lambda n: (f"web-{n}",)),
            "client_key": self._keys("dim_client", 4, _client),
        }

    def _keys(self, table: str, count: int, told: Any) -> np.ndarray:
        return np.array(
            [[dimension_key(table, int(p), *told(n)) for n in range(count)] for p in self.project_ids], dtype=np.int64
        )

    def day(self, day: date, number: int, count: int, seed: int) -> dict[str, np.ndarray]:
        """Give the events of one day, the `number`-th of the site's life, as arrays in the order of their time."""
        rng = np.random.default_rng([seed, number])
        project = rng.choice(len(self.project_ids), p=self.project_weight, size=count)
        group = rng.choice(self.groups, p=self.group_weight, size=count)
        hour = rng.choice(24, p=HOURS / HOURS.sum(), size=count)
        second = np.sort(hour * 3600 + rng.random(count) * 3600)
        current = number // RELEASE_DAYS + 1
        release = np.maximum(current - (rng.random(count) < 0.2) - (rng.random(count) < 0.05), 0)
        environment = rng.choice(3, p=[0.85, 0.1, 0.05], size=count)
        user = (self.users * rng.random(count) ** 2).astype(int)
        start = (datetime(day.year, day.month, day.day, tzinfo=UTC) - PG_EPOCH) // timedelta(microseconds=1)
        occurred = start + (second * 1e6).astype(np.int64)
        return {
            "occurred_at": occurred,
            "received_at": occurred + 200_000,
            "loaded_at": occurred + 500_000,
            "event_id": rng.bytes(16 * count),
            "project": project,
            "project_id": self.project_ids[project],
            "group_key": self.keys["group_key"][project, group],
            "culprit_key": self.keys["culprit_key"][project, self.culprit[project, group]],
            "exception_key": self.keys["exception_key"][project, group],
            "transaction_key": self.keys["transaction_key"][project, self.culprit[project, group]],
            "stack_key": self.keys["stack_key"][project, group],
            "release_key": self.keys["release_key"][project, release],
            "environment_key": self.keys["environment_key"][project, environment],
            "user_key": self.keys["user_key"][project, user],
            "server_key": self.keys["server_key"][project, rng.integers(0, 8, count)],
            "client_key": self.keys["client_key"][project, rng.integers(0, 4, count)],
            "sample_weight": np.ones(count, np.float32),
            "level": self.level[project, group],
            "time_quality": np.zeros(count, np.int16),
            "source": np.full(count, 4, np.int16),
            "handled": rng.random(count) < 0.6,
            "number": rng.integers(0, 1_000_000_000, count),
        }


def copy_fact(connection: psycopg.Connection[Any], events: dict[str, Any], table: str) -> None:
    """Copy one day's events into a leaf, or the parent."""
    names = ", ".join(name for name, _ in FACT)
    with connection.cursor().copy(f"copy {table} ({names}) from stdin (format binary)".encode()) as copy:
        copy.write(HEAD)
        for chunk in _binary(events):
            copy.write(chunk)
        copy.write(TAIL)


def _binary(events: dict[str, Any]) -> Iterator[bytes]:
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in FACT:
        fields += [(f"{name}_size", ">i4"), (name, kind)]
    dtype = np.dtype(fields)
    count = len(events["level"])
    ids = np.frombuffer(events["event_id"], dtype="V16")
    for first in range(0, count, CHUNK):
        part = slice(first, min(first + CHUNK, count))
        made = np.zeros(part.stop - first, dtype)
        made["fields"] = len(FACT)
        number = events["number"][part]
        for name, kind in FACT:
            made[f"{name}_size"] = np.dtype(kind).itemsize
            if name == "event_id":
                made[name] = ids[part]
            elif name in TEXTS:
                made[name] = _text(name, number)
            else:
                made[name] = events[name][part]
        yield made.tobytes()


def _text(name: str, number: np.ndarray) -> np.ndarray:
    """Give a text of fixed length with the event's number in it, so that no two need be alike."""
    digits = np.char.zfill(number.astype("S9"), 9)
    if name == "exception_value":
        return np.char.add(np.char.add(b"resource is not available for order ", digits), b" of you")
    if name == "url":
        return np.char.add(b"https://shop.example.com/", digits)
    plan = np.char.add(b'{"plan": "p', np.char.add((number % 10).astype("S1"), b'", "region": "eu-'))
    shard = np.char.add(
        (number % 3).astype("S1"), np.char.add(b'", "shard": "', np.char.zfill((number % 16).astype("S2"), 2))
    )
    rest = b'", "customer": "acme-corporation", "feature": "checkout-express", "tenant": "'
    order = np.char.zfill((number % 5000).astype("S9"), 9)
    told = np.char.add(np.char.add(plan, shard), np.char.add(rest, np.char.add(order, b'"}')))
    told = np.char.add(b"\1", told)
    width = TEXTS["tags"] + 1
    padded = np.full((len(told), width), ord(" "), np.uint8)
    raw = np.frombuffer(told.tobytes(), np.uint8).reshape(len(told), -1)
    padded[:, : raw.shape[1]] = np.where(raw == 0, ord(" "), raw)
    return padded.view(f"V{width}").ravel()


ROLLUPS: dict[str, tuple[str, ...]] = {
    "rollup_hour": ("project_id", "hour", "level", "environment_key"),
    "rollup_hour_group": ("project_id", "group_key", "hour"),
    "rollup_day": ("project_id", "group_key", "culprit_key", "level", "environment_key", "release_key"),
    "rollup_day_culprit": ("project_id", "culprit_key", "level", "environment_key"),
    "rollup_day_user": ("project_id",),
}


def copy_rollups(connection: psycopg.Connection[Any], day: date, events: dict[str, Any], group_hours: bool) -> None:
    """Copy what one day's events add to every rollup by hour and day."""
    frame = pd.DataFrame({name: events[name] for name in ("project_id", "group_key", "culprit_key", "level")})
    for name in ("environment_key", "release_key", "user_key", "occurred_at", "handled"):
        frame[name] = events[name]
    frame["hour"] = frame["occurred_at"] // 3_600_000_000
    for table, keys in ROLLUPS.items():
        if table == "rollup_hour_group" and not group_hours:
            continue
        _copy(connection, table, *_summed(table, keys, frame, day))


def _summed(table: str, keys: Sequence[str], frame: pd.DataFrame, day: date) -> tuple[list[str], Iterator[list[Any]]]:
    grouped = frame.groupby(list(keys), sort=True)
    sums = grouped.agg(event_count=("level", "size"), handled=("handled", "sum")).reset_index()
    sums["weighted_count"] = sums["event_count"].astype(float)
    sums["unhandled_count"] = sums["event_count"] - sums["handled"]
    columns = [*keys, "event_count"]
    if table not in {"rollup_hour_group", "rollup_day_user"}:
        columns += ["weighted_count", "unhandled_count"]
    if table == "rollup_day":
        span = grouped["occurred_at"].agg(["min", "max"]).reset_index(drop=True)
        sums["first_at"], sums["last_at"] = _instants(span["min"]), _instants(span["max"])
        columns += ["first_at", "last_at"]
    if table == "rollup_hour":
        sums["delay_seconds_sum"] = sums["event_count"] * 0.3
        sums["without_release_count"] = sums["without_user_count"] = sums["odd_time_count"] = 0
        columns += ["without_release_count", "without_user_count", "odd_time_count", "delay_seconds_sum"]
    if "hour" in columns:
        sums["hour"] = _instants(sums["hour"] * 3_600_000_000)
    if table.startswith("rollup_day"):
        sums["day"] = day
        users = (
            frame.assign(row=grouped.ngroup())[["row", "user_key"]].drop_duplicates().sort_values(["row", "user_key"])
        )
        starts = np.searchsorted(users["row"].to_numpy(), np.arange(len(sums) + 1))
        keyed = users["user_key"].to_numpy()
        sums["user_sketch"] = [keyed[a : min(b, a + SKETCH_USERS)].tolist() for a, b in itertools.pairwise(starts)]
        columns += ["day", "user_sketch"]
    return columns, (list(row) for row in sums[columns].itertuples(index=False))


def _instants(micros: pd.Series) -> pd.Series:
    return pd.Series([PG_EPOCH + timedelta(microseconds=int(each)) for each in micros])


def _copy(connection: psycopg.Connection[Any], table: str, columns: list[str], rows: Iterator[list[Any]]) -> None:
    with connection.cursor().copy(f"copy warehouse.{table} ({', '.join(columns)}) from stdin".encode()) as copy:
        for row in rows:
            copy.write_row(row)


def copy_dimensions(connection: psycopg.Connection[Any], site: Site, since: date) -> None:
    """Copy the names behind the keys."""
    at = datetime(since.year, since.month, since.day, tzinfo=UTC)
    rows: dict[str, tuple[str, Any]] = {
        "dim_project": (
            "project_id, slug, name, created_at",
            [(int(p), f"shop-{p}", None, at) for p in site.project_ids],
        ),
        "dim_culprit": (
            "project_id, culprit_key, culprit",
            _named(site, "culprit_key", lambda n: (f"/api/resource-{n}",)),
        ),
        "dim_exception": (
            "project_id, exception_key, exception_type, mechanism",
            _named(site, "exception_key", lambda n: (f"Resource{n}Error", "generic")),
        ),
        "dim_transaction": (
            "project_id, transaction_key, transaction, method",
            _named(site, "transaction_key", lambda n: (f"/api/resource-{n}", "GET")),
        ),
        "dim_release": (
            "project_id, release_key, release, dist",
            _named(site, "release_key", lambda n: (f"shop@{1 + n // 10}.{n % 10}.0", None)),
        ),
        "dim_environment": (
            "project_id, environment_key, environment",
            _named(site, "environment_key", lambda n: (ENVIRONMENTS[n],)),
        ),
        "dim_user": (
            "project_id, user_key, user_id, email",
            _named(site, "user_key", lambda n: (str(n), f"u{n}@example.com")),
        ),
        "dim_server": ("project_id, server_key, server_name", _named(site, "server_key", lambda n: (f"web-{n}",))),
        "dim_client": (
            (
                "project_id, client_key, platform, sdk_name, sdk_version, os_name, os_version, browser_name, "
                "browser_version, runtime_name, runtime_version, device_family"
            ),
            _named(site, "client_key", _client),
        ),
        "dim_stack": (
            "project_id, stack_key, frames, top_frame",
            _named(site, "stack_key", lambda n: (_frames(n), f"shop.r{n} in call")),
        ),
        "dim_group": (
            "project_id, group_key, group_hash, type, title, culprit",
            _named(site, "group_key", lambda n: (f"e1:{n:032x}", "error", f"Resource{n}Error", f"/api/resource-{n}")),
        ),
    }
    for table, (columns, values) in rows.items():
        _copy(connection, table, columns.split(", "), (list(row) for row in values))


def _named(site: Site, key: str, told: Any) -> Iterator[tuple[Any, ...]]:
    for place, project in enumerate(site.project_ids):
        for number, value in enumerate(site.keys[key][place]):
            yield (int(project), int(value), *told(number))


def _uneven(count: int) -> np.ndarray:
    weight = 1 / (np.arange(count) + 3) ** 1.1
    return weight / weight.sum()


def _frames(number: int) -> str:
    frame = '{{"function": "call", "module": "shop.r{n}", "filename": "shop/r{n}.py", "lineno": {at}, "in_app": true}}'
    return "[" + ", ".join(frame.format(n=number, at=at) for at in range(20)) + "]"


def _client(number: int) -> tuple[str | None, ...]:
    return ("python", "sentry.python", f"2.{number}.0", "Linux", "6.1", None, None, "CPython", "3.12.1", None)
