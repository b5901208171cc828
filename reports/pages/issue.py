"""The page of one issue: what it is, how often, since when, in which releases, and its last events."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from fastapi import Response
from sqlalchemy import Row

from reports.pages import questions
from reports.pages.asked import Asked, NotThere
from reports.pages.bars import filled
from reports.pages.frequency import shown
from reports.pages.page import Console, Route

DAYS = 14
RELEASE_DAYS = 90


def issue(console: Console, asked: Asked) -> Response:
    """Show it."""
    key = {"project_id": asked.number("project_id"), "issue_id": asked.number("issue_id")}
    today = asked.now.replace(hour=0, minute=0, second=0, microsecond=0)
    since = today - timedelta(days=DAYS - 1)
    with console.warehouse.reading() as connection:
        found = connection.execute(questions.ISSUE, key).one_or_none()
        if found is None:
            raise NotThere("There is no such issue in the warehouse; it may have been merged into another one.")
        groups = {"project_id": key["project_id"], "group_ids": found.group_ids}
        history = connection.execute(questions.HISTORY, key).all()
        by_day = connection.execute(questions.ISSUE_DAYS, {**groups, "since": since.date()}).all()
        longer = {**groups, "since": (today - timedelta(days=RELEASE_DAYS)).date()}
        releases = connection.execute(questions.ISSUE_RELEASES, longer).all()
        events = connection.execute(questions.LAST_EVENTS, groups).all()
        tags = connection.execute(questions.ISSUE_TAGS, groups).all()
    counts = [
        (datetime(each.day.year, each.day.month, each.day.day, tzinfo=UTC), each.level, each.events) for each in by_day
    ]
    by_tag: defaultdict[str, list[Row[tuple[str, str, int, int, int]]]] = defaultdict(list)
    for each in tags:
        if asked.may("analyst") or not is_personal(each.tag):
            by_tag[each.tag].append(each)
    return console.page(
        asked,
        "issue.html",
        issue=found,
        history=history,
        buckets=filled(counts, since, asked.now, timedelta(days=1)),
        recent=sum(count for _, _, count in counts),
        releases=releases,
        events=events,
        tags=by_tag,
        release_days=RELEASE_DAYS,
        sql=shown(questions.LAST_EVENTS.text, groups),
    )


def is_personal(tag: str) -> bool:
    """Whether a tag tells of a person: those need the rights of an analyst."""
    name = tag.lower()
    return name.startswith("user") or any(part in name for part in ("email", "mail", "ip_addr", "username", "url"))


ROUTES = (Route("/issues/{project_id}/{issue_id}", issue),)
