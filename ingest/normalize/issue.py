"""
One webhook about an issue becomes one change: when it happened, what it was, and the issue as it was after it.

Sentry's resource `issue` and the activity alerts that Sentry may send beside it name the same changes by other words;
here each has one.
"""

from datetime import datetime
from typing import Any

from ingest import jsontext
from ingest.identity import number
from ingest.normalize.culprit import CULPRIT_CHARS, TITLE_CHARS
from ingest.normalize.fields import instant, level, mapping, text
from ingest.normalize.window import FLOOR, FUTURE_OF_PROCESSED
from ingest.records import IssueChange, RawIssueChange

WORD_CHARS = 64
NAME_CHARS = 200
URL_CHARS = 2048
TIMESTAMP_DIGITS = 12

_ACTIONS = {
    "ignored": "archived",  # as the resource `issue` says it to this day
    "status_ignored": "archived",
    "status_resolved": "resolved",
    "status_resolved_in_release": "resolved",
    "status_resolved_in_commit": "resolved",
    "status_resolved_by_age": "resolved",
    "status_unresolved": "unresolved",
    "status_regression": "unresolved",
    "status_escalating": "unresolved",
}


def normalize_issue(raw: RawIssueChange, received_at: datetime) -> IssueChange:
    """
    Make a change of what a webhook tells.

    Takes: a webhook whose text was cleaned and scrubbed, without persons; `received_at` is aware.
    """
    data = mapping(raw.webhook.get("data"))
    issue = mapping(data.get("issue"))
    project = mapping(issue.get("project"))
    action = text(_ACTIONS.get(raw.action, raw.action), WORD_CHARS) or "unknown"
    status = text(issue.get("status"), WORD_CHARS)
    changed_at = _changed_at(raw, issue, action, received_at)
    unhandled = issue.get("isUnhandled")
    return IssueChange(
        project_id=raw.project_id,
        issue_id=raw.issue_id,
        changed_at=changed_at,
        received_at=received_at,
        action=action,
        body=jsontext.encode(raw.webhook),
        project_slug=text(project.get("slug"), NAME_CHARS),
        project_name=text(project.get("name"), NAME_CHARS),
        status=status,
        substatus=text(issue.get("substatus"), WORD_CHARS),
        priority=text(issue.get("priority"), WORD_CHARS),
        assignee=_assignee(issue.get("assignedTo"))
        or (_assignee(data.get("assignee")) if action == "assigned" else None),
        short_id=text(issue.get("shortId"), NAME_CHARS),
        title=text(issue.get("title"), TITLE_CHARS),
        culprit=text(issue.get("culprit"), CULPRIT_CHARS),
        level=level(issue.get("level")),
        first_seen_at=instant(issue.get("firstSeen")),
        last_seen_at=instant(issue.get("lastSeen")),
        resolved_at=changed_at if action == status == "resolved" else None,
        is_unhandled=unhandled if isinstance(unhandled, bool) else None,
        url=text(issue.get("web_url"), URL_CHARS) or text(issue.get("permalink"), URL_CHARS),
    )


def _changed_at(raw: RawIssueChange, issue: dict[str, Any], action: str, received_at: datetime) -> datetime:
    """
    Tell when it happened.

    Sentry says it in a header alone. A file has none: there it is when the issue was first seen, for the first change,
    or last seen, for the others, since that is never later than the change and stays the same however often the file
    is loaded.
    """
    told = raw.told_at or ""
    is_number = told.isascii() and told.isdigit() and len(told) <= TIMESTAMP_DIGITS
    said = [instant(int(told))] if is_number else []
    if raw.is_backfill:
        said += [instant(issue.get("firstSeen")) if action == "created" else None, instant(issue.get("lastSeen"))]
    for each in said:
        if each is not None and FLOOR <= each <= received_at + FUTURE_OF_PROCESSED:
            return each
    return received_at


def _assignee(told: object) -> str | None:
    """Give kind and id of who an issue is assigned to; users of old had no kind."""
    kind: object = "user"
    who = told
    if isinstance(told, dict):
        kind, who = told.get("type") or "user", told.get("id")
    elif isinstance(told, str) and ":" in told:
        kind, _, who = told.partition(":")
    found = number(who)
    return f"{kind}:{found}" if found is not None and kind in ("user", "team") else None
