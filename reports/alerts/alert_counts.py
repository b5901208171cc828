"""Events that matched a rule with a threshold, by the minute in which they were loaded."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from reports.alerts.rule import Counted, Rule, Sighting

MOST_DAYS = 7
DAY = timedelta(days=1)

ADD = text(
    """
    insert into warehouse.alert_count as c (rule, subject, minute, event_count)
    select :rule, subject, minute, events
    from unnest(cast(:subjects as text[]), cast(:minutes as timestamptz[]), cast(:events as bigint[]))
        as t(subject, minute, events)
    on conflict (rule, subject, minute) do update set event_count = c.event_count + excluded.event_count
    """
)
# Of each subject: events in the window that ends now, and in the one before.
SUMS = text(
    """
    select subject, coalesce(sum(event_count) filter (where minute > :start), 0)::bigint as now,
        coalesce(sum(event_count) filter (where minute <= :start), 0)::bigint as before
    from warehouse.alert_count
    where rule = :rule and subject = any(:subjects) and minute > :first
    group by subject
    """
)
# The same window of the days before.
DAYS = text(
    """
    select c.subject, d.back, sum(c.event_count)::bigint as events
    from generate_series(1, :days) as d(back)
    join warehouse.alert_count c on c.rule = :rule and c.subject = any(:subjects)
        and c.minute > :start - d.back * interval '1 day' and c.minute <= :now - d.back * interval '1 day'
    group by c.subject, d.back
    """
)
FORGET = text("delete from warehouse.alert_count where rule = :rule and minute < :first")


def subject(rule: Rule, each: Sighting) -> str:
    """Name what a rule counts these events under."""
    if rule.group_by == "issue":
        return each.issue
    return f"project:{each.project_id}" if rule.group_by == "project" else "rule"


def minute(moment: datetime) -> datetime:
    """Give the first instant of the minute."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def add(connection: Connection, rule: Rule, sightings: Iterable[Sighting]) -> dict[str, Sighting]:
    """Count events, and give the last of each subject."""
    counts: defaultdict[tuple[str, datetime], int] = defaultdict(int)
    last: dict[str, Sighting] = {}
    for each in sightings:
        if each.events and each.seen_at is not None:
            counts[subject(rule, each), minute(each.seen_at)] += each.events
            last[subject(rule, each)] = each
    if counts:
        subjects, minutes = zip(*counts, strict=True)
        told = {"subjects": list(subjects), "minutes": list(minutes), "events": list(counts.values())}
        connection.execute(ADD, {"rule": rule.name, **told})
    return last


def counted(
    connection: Connection, rule: Rule, last: dict[str, Sighting], firing: Iterable[str], now: datetime
) -> tuple[Counted, ...]:
    """Give the counts of subjects that had events now, and of those that were over."""
    subjects = sorted({*last, *firing})
    if not subjects:
        return ()
    window = timedelta(seconds=rule.parameters["window"])
    since = rule.starts_at or now
    asked = {"rule": rule.name, "subjects": subjects, "start": now - window, "first": now - 2 * window, "now": now}
    names = SUMS.compile().params
    sums = {each.subject: each for each in connection.execute(SUMS, {name: asked[name] for name in names})}
    days: dict[tuple[str, int], int] = {}
    known = 0
    if rule.parameters.get("against") == "days":
        known = min(MOST_DAYS, max(0, int((now - window - since) / DAY)))
        told = {"days": known, **{name: asked[name] for name in ("rule", "subjects", "start", "now")}}
        days = {(each.subject, each.back): each.events for each in connection.execute(DAYS, told)} if known else {}
    is_known = since <= now - 2 * window
    return tuple(
        Counted(
            subject=each,
            now=sums[each].now if each in sums else 0,
            before=(sums[each].before if each in sums else 0) if is_known else None,
            days=tuple(days.get((each, back), 0) for back in range(1, known + 1)),
            sighting=last.get(each),
        )
        for each in subjects
    )


def forget(connection: Connection, rule: Rule, now: datetime) -> None:
    """Remove what no window reaches any more."""
    window = timedelta(seconds=rule.parameters["window"])
    kept = window + MOST_DAYS * DAY if rule.parameters.get("against") == "days" else 2 * window
    connection.execute(FORGET, {"rule": rule.name, "first": now - kept - timedelta(minutes=1)})
