"""Findings become messages: what happened, and what the warehouse knows of the issue; channels escape it."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, text

from reports.alerts.rule import LEVEL_WORDS, LEVELS, Finding, Rule, Sighting
from reports.delivery.message import AboutEvent, AboutIssue, Fact, Message
from reports.wording import number, shortened, visible

TITLE_CHARACTERS, FACT_CHARACTERS, MESSAGE_CHARACTERS = 250, 300, 1000
LISTED = 10
HOURS = 24

ISSUE = text(
    """
    select title, culprit, level, url, short_id, events, users, users_are_exact, first_seen_at, last_seen_at, group_ids
    from analytics.issues where project_id = :project_id and issue_id = :issue_id limit 1
    """
)
# The event that a sighting ends with.
EVENT = text(
    """
    select event_id, occurred_at, title, coalesce(nullif(exception_value, ''), message, '') as message
    from analytics.events
    where project_id = :project_id and group_id = :group_key and occurred_at = :last_at
    order by event_id limit 1
    """
)
TREND = text(
    """
    select coalesce(sum(events) filter (where hour > :middle), 0)::bigint as now,
        coalesce(sum(events) filter (where hour <= :middle), 0)::bigint as before
    from analytics.issues_hourly
    where project_id = :project_id and group_id = any(:group_ids) and hour > :first and hour <= :last
    """
)


class Plural(NamedTuple):
    """What several findings of one kind are called."""

    one: str
    many: str


PLURALS = {
    "new": Plural("new issue", "new issues"),
    "regressed": Plural("regression", "regressions"),
    "level": Plural("issue of that level", "issues of that level"),
}


def counted(count: int, word: str) -> str:
    """Write a number with its word: `1 event`, `2,001 events`, `no events`."""
    return f"{number(count, 'count') if count else 'no'} {word}{'' if count == 1 else 's'}"


def line(words: str) -> str:
    """Give a title in one line in which everything can be seen."""
    return shortened(visible(words), TITLE_CHARACTERS)


def trend(now: int, before: int) -> str:
    """Compare the events of a day with those of the day before, in words."""
    direction = "up" if now > before else "down" if now < before else "unchanged"
    return f"{direction}: {counted(now, 'event')} in the last 24 hours, {number(before, 'count')} in the 24 before"


def together(findings: list[Finding], group_by: str) -> list[Finding]:
    """Put findings about issues together that one message is to tell: those of a project, or of the rule."""
    if group_by == "issue":
        return findings
    groups: dict[str, list[Finding]] = {}
    for each in findings:
        is_of_issue = each.subject.startswith("issue:")
        subject = (f"project:{each.project_id}" if group_by == "project" else "rule") if is_of_issue else each.subject
        groups.setdefault(subject, []).append(each)
    return [_together(subject, several, group_by) for subject, several in groups.items()]


def _together(subject: str, several: list[Finding], group_by: str) -> Finding:
    last = several[-1]
    if last.subject == subject:
        return last
    says = "again" if last.says == "once" else last.says
    since = max((each.since for each in several if each.since is not None), default=None)
    if len(several) == 1:
        return msgspec.structs.replace(last, subject=subject, says=says, since=since)
    words = PLURALS.get(last.transition, Plural("finding", "findings"))
    where = f" in {last.project}" if group_by == "project" else ""
    more = len(several) - LISTED
    lines = [each.title for each in several[:LISTED]] + ([f"and {more:,} more"] if more > 0 else [])
    return Finding(
        subject=subject,
        transition=last.transition,
        title=f"{len(several):,} {words.many}{where}",
        says=says,
        text="\n".join(line(each) for each in lines),
        level=max((each.level for each in several if each.level), key=LEVELS.__getitem__, default=None),
        project_id=last.project_id if group_by == "project" else None,
        project=last.project if group_by == "project" else None,
        since=since,
    )


def message(
    connection: Connection, rule: Rule, finding: Finding, now: datetime, public_url: str, *, is_test: bool = False
) -> Message:
    """
    Make the message of a finding; what is known of its issue is asked of the warehouse.

    Takes: `is_test`, whether a person asked for it, to see what it looks like.
    """
    slot = "" if finding.says == "once" else f":{int(now.timestamp())}"
    key = f"test:{rule.name}:{now.timestamp()}" if is_test else f"{rule.name}:{finding.state}{slot}"
    made = Message(
        key=key,
        kind="test" if is_test else "alert",
        title=("[test] " if is_test else "") + line(finding.title),
        text=finding.text,
        level=finding.level,
        facts=_facts({"Project": finding.project}) + finding.facts,
        link=public_url,
        made_at=now,
        rule=rule.name,
    )
    if finding.sighting is not None and finding.subject == finding.sighting.issue:
        return _about_issue(connection, made, finding, finding.sighting, now, public_url)
    if finding.project_id is not None:
        return msgspec.structs.replace(made, link=f"{public_url}/explore?project={finding.project_id}&by=issue")
    return made


def _about_issue(
    connection: Connection, made: Message, finding: Finding, seen: Sighting, now: datetime, public_url: str
) -> Message:
    key = {"project_id": seen.project_id, "issue_id": seen.issue_id}
    issue: Any = connection.execute(ISSUE, key).one_or_none()
    event: Any = None
    if seen.group_key is not None:
        told = {"project_id": seen.project_id, "group_key": seen.group_key, "last_at": seen.last_at}
        event = connection.execute(EVENT, told).one_or_none()
    level = LEVEL_WORDS[seen.level]
    first_seen_at = issue.first_seen_at if issue else seen.first_at
    facts = {
        "Project": seen.project,
        "Culprit": seen.culprit,
        "Level": level,
        "Title": seen.title,
        "Message": shortened(event.message, MESSAGE_CHARACTERS) if event else None,
        "Environment": seen.environment,
        "Release": seen.release,
        "Events": number(issue.events, "count") if issue else None,
        "Users": _users(issue) if issue else None,
        "Trend": _trend(connection, seen, issue.group_ids, now) if issue and issue.group_ids else None,
        "First seen": f"{first_seen_at:%Y-%m-%d %H:%M} UTC" if first_seen_at else None,
    }
    url = issue.url if issue and str(issue.url or "").lower().startswith(("https://", "http://")) else None
    link = url or f"{public_url}/issues/{seen.project_id}/{seen.issue_id}"
    about = AboutIssue(
        project_id=seen.project_id,
        project=seen.project,
        issue_id=seen.issue_id,
        transition=finding.transition if finding.transition in {"new", "regressed"} else "seen",
        title=seen.title,
        culprit=seen.culprit,
        level=level,
        environment=seen.environment,
        release=seen.release,
        events=issue.events if issue else seen.events,
        first_seen_at=first_seen_at,
        last_seen_at=issue.last_seen_at if issue else seen.last_at,
        url=link,
    )
    return msgspec.structs.replace(
        made,
        facts=_facts(facts) + finding.facts,
        link=link,
        issue=about,
        about_event=AboutEvent(seen.project_id, event.event_id.hex, event.occurred_at) if event else None,
    )


def _trend(connection: Connection, seen: Sighting, group_ids: list[int], now: datetime) -> str:
    this = now.replace(minute=0, second=0, microsecond=0)
    span = timedelta(hours=HOURS)
    asked = {"first": this - 2 * span, "middle": this - span, "last": this}
    found = connection.execute(TREND, {"project_id": seen.project_id, "group_ids": group_ids, **asked}).one()
    return trend(found.now, found.before)


def _users(issue: Any) -> str:
    return f"{'' if issue.users_are_exact else 'about '}{number(issue.users, 'count')}"


def _facts(told: dict[str, str | None]) -> tuple[Fact, ...]:
    most = {"Message": MESSAGE_CHARACTERS}
    return tuple(
        Fact(name, shortened(visible(value), most.get(name, FACT_CHARACTERS))) for name, value in told.items() if value
    )
