"""The explorer: how often, of what, over which time; as bars, as a table, as a file, and as the SQL behind it."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from fastapi import Response
from sqlalchemy import Connection, text

from models.views.view import LEVELS
from reports.errors import BadPeriod
from reports.filters import GROUPINGS
from reports.pages import frequency, questions, spans, table_file
from reports.pages.asked import Asked, BadQuestion
from reports.pages.bars import filled
from reports.pages.page import Console, Route
from reports.pages.rendering import address, changed, literal
from reports.period import Period, parsed

LASTS = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days"}
DEFAULT_LAST = "7d"
DEFAULT_BY = ("project", "culprit")
NONE = "(none)"
NARROWING = {"project", "culprit", "issue"}  # by one of these there are so few users that they are counted unasked
TABLE = "/explore"
MOST_SHOWN = 200
MOST_IN_FILE = 50_000
# A culprit or a release as people write it, as a pattern of LIKE: there, `\*` is a star.
_SPECIAL = re.compile(r"\\\*|[\\%_*]")
_LIKE = {"\\*": "*", "\\": r"\\", "%": r"\%", "_": r"\_", "*": "%"}


class Question(NamedTuple):
    """What is asked: the period, the grouping, the filters as they are bound, and the words they came from."""

    period: Period
    by: tuple[str, ...]
    wanted: dict[str, Any]
    words: dict[str, str]
    last: str
    counts_users: bool


def explorer(console: Console, asked: Asked) -> Response:
    """Show the page."""
    asks = question(asked)
    with console.warehouse.reading() as connection:
        rows, told = _rows(connection, asks, MOST_SHOWN)
        series = connection.execute(text(_series(asks)), told).all()
        projects = connection.execute(questions.PROJECTS).all()
        environments = [each.environment for each in connection.execute(questions.ENVIRONMENTS)]
        titles = _titles(connection, rows) if "issue" in asks.by else {}
    for row in rows:
        row["to"] = _ways(asks, row)
    is_hourly = spans.is_short(asks.period)
    counts = [(_moment(each.bucket), each.level, each.events) for each in series if each.bucket is not None]
    before = sum(each.events for each in series if each.bucket is None)
    total = sum(count for _, _, count in counts)
    step = timedelta(hours=1) if is_hourly else timedelta(days=1)
    return console.page(
        asked,
        "explore.html",
        asks=asks,
        rows=rows,
        total=total,
        before=before,
        change_words=changed(total, before),
        group_count=rows[0]["group_count"] if rows else 0,
        buckets=filled(counts, asks.period.start, asks.period.end, step),
        is_hourly=is_hourly,
        projects=projects,
        names={str(each.project_id): each.project for each in projects},
        environments=[each or NONE for each in environments],
        titles=titles,
        levels=LEVELS,
        groupings=GROUPINGS,
        lasts=LASTS,
        nothing=NONE,
        link=_link(asks),
        sql=frequency.shown(frequency.frequency(asks.by, tuple(asks.wanted), counts_users=asks.counts_users), told),
        sql_of_events=frequency.shown(frequency.events(tuple(asks.wanted)), told),
    )


def download(console: Console, asked: Asked) -> Response:
    """Give the table as CSV."""
    asks = question(asked)
    with console.warehouse.reading() as connection:
        rows, _ = _rows(connection, asks, MOST_IN_FILE)
        titles = _titles(connection, rows) if "issue" in asks.by else {}
    for row in rows if titles else ():
        row["title"] = titles.get((row["project_id"], row["issue"]), "")
    more = (*(("project_id",) if frequency.is_by_project(asks.by) else ()), *(("title",) if "issue" in asks.by else ()))
    counted = ("events", "users") if asks.counts_users else ("events",)
    columns = (*asks.by, *more, *counted, "share", "change", "first_seen_at", "last_seen_at")
    body = table_file.written(columns, ([each[name] for name in columns] for each in rows))
    name = f"errhouse-{'-'.join(asks.by)}-{asks.period.start:%Y%m%dT%H%M}-{asks.period.end:%Y%m%dT%H%M}.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(body, media_type="text/csv; charset=utf-8", headers=headers)


def question(asked: Asked) -> Question:
    """Read what is asked. Raises BadQuestion."""
    by = tuple(dict.fromkeys(part for word in asked.words("by") for part in word.split(","))) or DEFAULT_BY
    if any(name not in GROUPINGS for name in by):
        raise BadQuestion(f"Group by one or more of {', '.join(GROUPINGS)}.")
    since, until = asked.word("from"), asked.word("to")
    last = "" if since or until else asked.word("last") or DEFAULT_LAST
    try:
        period = parsed(asked.now, last=last or None, since=since or None, until=until or None)
    except BadPeriod:
        raise BadQuestion(
            "That is no period: choose one of the list, or give From and To, the earlier one first, in UTC."
        ) from None
    words = {name: word for name in frequency.CONDITIONS if (word := asked.word(name))}
    wanted = {name: _bound(name, word) for name, word in words.items()}
    counts_users = asked.word("users") == "yes" or bool(NARROWING & set(words))
    return Question(period, by, wanted, words, last, counts_users)


def _bound(name: str, word: str) -> Any:
    if name in {"project", "issue"}:
        if not (word.isascii() and word.isdigit() and int(word) < 2**63):
            raise BadQuestion(f"The {name} is named by its number.")
        return int(word)
    if name == "level":
        return word
    plain = "" if word == NONE else word
    if name == "environment":
        return plain
    return _SPECIAL.sub(lambda found: _LIKE[found[0]], plain)


def _rows(connection: Connection, asks: Question, top: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    told = {**spans.cut(asks.period), **asks.wanted, "top": top}
    statement = text(frequency.frequency(asks.by, tuple(asks.wanted), counts_users=asks.counts_users))
    rows = [dict(each) for each in connection.execute(statement, told).mappings()]
    for row in rows:
        row["share"] = row["events"] / row["all_events"]
        before = row["events_before"]
        row["change"] = (row["events"] - before) / before if before else None
        row["change_told"] = changed(row["events"], before)
    return rows, told


def _ways(asks: Question, row: dict[str, Any]) -> dict[str, str]:
    """Give where a row leads: by each of its values alone, and, as `only`, by all of them at once."""
    words = {name: _word(name, row) for name in asks.by}
    if "issue" in words:
        words["project"] = str(row["project_id"])
    by = "issue" if "issue" not in asks.by else ",".join(asks.by)
    told = _link(asks)
    return {
        **{name: address(TABLE, told, {name: words[name]}) for name in asks.by},
        "only": address(TABLE, told, words, {"by": by}),
    }


def _word(name: str, row: dict[str, Any]) -> str:
    if name == "project":
        return str(row["project_id"])
    value = str(row[name]) or NONE
    return literal(value) if name in {"culprit", "release"} else value


def _series(asks: Question) -> str:
    wanted = tuple(asks.wanted)
    return frequency.hours(wanted) if spans.is_short(asks.period) else frequency.days(wanted)


def _moment(bucket: datetime | date) -> datetime:
    if isinstance(bucket, datetime):
        return bucket.astimezone(UTC)
    return datetime(bucket.year, bucket.month, bucket.day, tzinfo=UTC)


def _titles(connection: Connection, rows: list[dict[str, Any]]) -> dict[tuple[int, int], str]:
    ids = [row["issue"] for row in rows]
    found = connection.execute(questions.ISSUE_TITLES, {"issue_ids": ids})
    return {(each.project_id, each.issue_id): each.title for each in found}


def _link(asks: Question) -> dict[str, Any]:
    """Give the words of a query that asks the same again."""
    if asks.last:
        period = {"last": asks.last}
    else:
        period = {name: f"{at:%Y-%m-%dT%H:%M}" for name, at in (("from", asks.period.start), ("to", asks.period.end))}
    users = {"users": "yes"} if asks.counts_users and not NARROWING & set(asks.words) else {}
    return {"by": ",".join(asks.by), **period, **users, **asks.words}


ROUTES = (Route("/explore", explorer), Route("/explore/table.csv", download))
