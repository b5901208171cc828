"""The first page: how fresh the warehouse is, how much came, from where."""

from collections import defaultdict
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from fastapi import Response
from sqlalchemy import Connection, Row

from models.schedule_state import schedule_state
from reports.pages import questions
from reports.pages.asked import Asked
from reports.pages.bars import filled
from reports.pages.page import Console, Route
from reports.pages.rendering import changed

DAYS = 14
MOST_NEW = 8


def overview(console: Console, asked: Asked) -> Response:
    """Show it."""
    hour = asked.now.replace(minute=0, second=0, microsecond=0)
    today = hour.replace(hour=0)
    since = today - timedelta(days=DAYS - 1)
    told = {
        "day_ago": hour - timedelta(hours=23),
        "two_days_ago": hour - timedelta(hours=47),
        "week_ago": hour - timedelta(hours=7 * 24 - 1),
        "two_weeks_ago": hour - timedelta(hours=14 * 24 - 1),
    }
    with console.warehouse.reading() as connection:
        projects = [dict(each) for each in connection.execute(questions.TOTALS, told).mappings()]
        by_day = connection.execute(questions.BY_DAY, {"since": since}).all()
        counted = connection.execute(questions.USERS, {"since": told["week_ago"].date()}).all()
        newest = connection.execute(questions.NEWEST, {"since": hour - timedelta(hours=48)}).one()
        culprits = connection.execute(questions.CULPRITS, {"since": (today - timedelta(days=6)).date()}).all()
        lately = _began(connection, told["day_ago"])
    users = {each.project_id: each.users for each in counted}
    counts: defaultdict[tuple[datetime, str], int] = defaultdict(int)
    per_project: defaultdict[int, list[int]] = defaultdict(lambda: [0] * DAYS)
    for each in by_day:
        counts[each.day, each.level] += each.events
        if 0 <= (place := (each.day - since).days) < DAYS:
            per_project[each.project_id][place] += each.events
    for project in projects:
        project["spark"] = per_project[project["project_id"]]
        project["day_change"] = changed(project["day"], project["day_before"])
        project["week_change"] = changed(project["week"], project["week_before"])
        project["users"] = users.get(project["project_id"]) or 0
    buckets = filled(
        [(moment, level, count) for (moment, level), count in counts.items()], since, asked.now, timedelta(days=1)
    )
    totals = {
        name: sum(each[name] for each in projects) for name in ("day", "day_before", "week", "week_before", "grave")
    }
    return console.page(
        asked,
        "overview.html",
        projects=projects,
        totals=totals,
        day_change=changed(totals["day"], totals["day_before"]),
        week_change=changed(totals["week"], totals["week_before"]),
        buckets=buckets,
        newest=newest,
        culprits=culprits,
        lately=lately,
        **freshness(console, asked.now),
    )


def _began(connection: Connection, since: datetime) -> list[Row[Any]]:
    """Give the issues that began since an instant, most events first: a new group of an old issue is none."""
    fresh = connection.execute(questions.FRESH, {"since": since}).all()
    keys = ({"project_id": each.project_id, "issue_id": each.issue_id} for each in fresh)
    found = (connection.execute(questions.ISSUE, key).one_or_none() for key in keys)
    return list(islice((each for each in found if each is not None and each.first_seen_at >= since), MOST_NEW))


def freshness(console: Console, now: datetime) -> dict[str, Any]:
    """Give what the service says of its spools, its loader and its rollups."""
    health = console.health()
    schedule = schedule_state(console.settings.DATA_DIR / "run")
    folded = schedule.last_fold_us / 1e6 if schedule and schedule.last_fold_us else None
    return {
        "health": health,
        "schedule": schedule,
        "rollup_lag": None if folded is None else max(0.0, now.timestamp() - folded),
    }


ROUTES = (Route("/", overview),)
