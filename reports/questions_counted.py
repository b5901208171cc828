"""
How often, grouped by anything: by ids first, and what is kept is named late (docs/adr/0014).

Only a period that has more than whole UTC days is grouped by names, since events have no ids of names.
"""

from models.views.view import level_word
from reports.filters import Filters
from reports.period import Period
from reports.questions import Question, cut, touched, wanted

# Whole days, from the rollup; the rest of a period, from the events themselves.
DAYS = """
    select project_id, project, issue_id, culprit, level, environment, release, events, weighted_events,
        unhandled_events, first_seen_at, last_seen_at, user_sketch
    from analytics.issues_daily where day >= :first_day and day < :end_day
"""
REST = """
    select project_id, project, issue_id, culprit, level, environment, release, 1, sample_weight,
        case when handled then 0 when not handled then 1 else 0 end, occurred_at, occurred_at, user_sketch
    from analytics.events
    where ((occurred_at >= :head_from and occurred_at < :head_to)
        or (occurred_at >= :tail_from and occurred_at < :tail_to))
"""
SUMS = """
    sum(events)::bigint as events, sum(weighted_events)::float8 as weighted_events,
    sum(unhandled_events)::bigint as unhandled_events, min(first_seen_at) as first_seen_at,
    max(last_seen_at) as last_seen_at
"""
BY_NAME = {
    "project": "project",
    "level": "level",
    "culprit": "culprit",
    "environment": "coalesce(environment, '')",
    "release": "coalesce(release, '')",
    "issue": "issue_id",
    "day": "day",
}
NAMED = ("project", "culprit", "environment", "release")
BY_ID = {
    **{name: f"coalesce({name}_names.name, '')" for name in NAMED},
    "level": level_word("level_number"),
    "issue": "issue_id",
    "day": "day",
}
IDS = {name: f"{name}_id" for name in (*NAMED, "issue")} | {"level": "level_number", "day": "day"}
WIDE, NARROW = "analytics.issues_daily_parts", "analytics.culprits_daily_parts"
WIDE_ALONE = ("release", "issue")
"""What the narrower rollup cannot tell, nor be filtered by."""


def frequency(period: Period, by: tuple[str, ...], filters: Filters, *, counts_users: bool) -> Question:
    """Ask how often, most frequent first."""
    days = cut(period)
    told = {**days._asdict(), **filters.told()}
    names, places = ", ".join(by), ", ".join(BY_NAME[name] for name in by)
    if days.has_rest:
        columns = ", ".join(f"{BY_NAME[name]} as {name}" for name in by)
        users = "analytics.users(user_sketch)" if counts_users else "0::bigint"
        sql = f"""
            select {columns}, {users} as users, {SUMS}
            from ({DAYS} union all {REST}) occurred where true {wanted(filters)}
            group by {places} order by events desc, {places}
        """  # noqa: S608 - words of a fixed list
        return Question(sql, told)
    spanned = f"day >= :first_day and day < :end_day {wanted(filters, by_id=True)}"
    counted = _counted(by, WIDE, spanned)
    if not counts_users:
        return Question(f"select *, 0::bigint as users from ({counted}) named order by events desc, {names}", told)  # noqa: S608
    sql = f"""
        select named.*, met.users from ({counted}) named
        join ({_users(by, _source(by, filters), spanned)}) met using ({names})
        order by events desc, {names}
    """  # noqa: S608 - words of a fixed list
    return Question(sql, told)


def users(period: Period, by: tuple[str, ...], filters: Filters) -> Question:
    """Ask for the sketches of users by anything; of what no rollup tells, for the users, counted by the database."""
    days = cut(period)
    if days.has_rest:
        return frequency(period, by, filters, counts_users=True)
    spanned = f"day >= :first_day and day < :end_day {wanted(filters, by_id=True)}"
    return Question(_met(by, _source(by, filters), spanned), {**days._asdict(), **filters.told()})


def compared(period: Period, before: Period, by: tuple[str, ...], filters: Filters) -> Question | None:
    """
    Ask how often in a period and in one before it, in one reading; None when either has more than whole days.

    Rows are in no order, and several may have the same names: to add them up and to sort them where they are read takes
    a third of the time.
    """
    spanned = _spanned(period, before, filters)
    if spanned is None:
        return None
    ids = ", ".join(_ids(by))
    names = ", ".join(f"{BY_ID[name]} as {name}" for name in by)
    sql = f"""
        select {names}, is_now, events, weighted_events, unhandled_events, first_seen_at, last_seen_at from (
            select {ids}, day >= :first_day as is_now, {SUMS} from {WIDE} where {spanned.sql}
            group by {_positions(len(_ids(by)) + 1)}
        ) counted {_names(by, "counted")}
    """  # noqa: S608 - words of a fixed list
    return Question(sql, spanned.told)


def _spanned(period: Period, before: Period, filters: Filters) -> Question | None:
    """Give the condition for days of either period; None when one has more than whole days."""
    now, then = cut(period), cut(before)
    if now.has_rest or then.has_rest:
        return None
    days = """
        ((day >= :first_day and day < :end_day) or (day >= :first_before and day < :end_before))
        and day >= least(:first_day, :first_before) and day < greatest(:end_day, :end_before)
    """
    if then.end_day == now.first_day:
        days = "day >= :first_before and day < :end_day"
    told = {"first_day": now.first_day, "end_day": now.end_day}
    told |= {"first_before": then.first_day, "end_before": then.end_day}
    return Question(f"{days} {wanted(filters, by_id=True)}", {**told, **filters.told()})


def days(period: Period, by: tuple[str, ...], filters: Filters) -> Question:
    """Ask for the events of each UTC day that a period touches, by some groupings."""
    spanned = f"day >= :first_day and day < :end_day {wanted(filters, by_id=True)}"
    counted = _counted((*by, "day"), _source(by, filters), spanned, sums="sum(events)::bigint as events")
    return Question(counted, {**touched(period), **filters.told()})


def _counted(by: tuple[str, ...], source: str, spanned: str, *, sums: str = SUMS) -> str:
    """Sum by ids, then by the names of what that gave."""
    names = ", ".join(f"{BY_ID[name]} as {name}" for name in by)
    return f"""
        select {names}, {sums} from (
            select {", ".join(_ids(by))}, {sums} from {source} where {spanned} group by {_positions(len(_ids(by)))}
        ) counted {_names(by, "counted")} group by {_positions(len(by))}
    """  # noqa: S608 - words of a fixed list


def _users(by: tuple[str, ...], source: str, spanned: str) -> str:
    """Count distinct users by names."""
    return f"""
        select {", ".join(by)}, analytics.users(user_sketch) as users from ({_met(by, source, spanned)}) met
        group by {_positions(len(by))}
    """  # noqa: S608 - words of a fixed list


def _met(by: tuple[str, ...], source: str, spanned: str) -> str:
    """Give sketches of users by names."""
    names = ", ".join(f"{BY_ID[name]} as {name}" for name in by)
    return f"""
        select {names}, user_sketch from (
            select {", ".join(_ids(by))}, user_sketch from {source} where {spanned}
        ) met {_names(by, "met")}
    """  # noqa: S608 - words of a fixed list


def _ids(by: tuple[str, ...]) -> list[str]:
    """Give the ids that names are told by; all but levels and issues are a project's own."""
    has_project = ["project_id"] if any(name in NAMED for name in by) else []
    return list(dict.fromkeys([*has_project, *(IDS[name] for name in by)]))


def _names(by: tuple[str, ...], rows: str) -> str:
    """Join the names."""
    return " ".join(
        f"left join analytics.names {name}_names on {name}_names.kind = '{name}' "
        f"and {name}_names.project_id = {rows}.project_id and {name}_names.id = {rows}.{name}_id"
        for name in by
        if name in NAMED
    )


def _source(by: tuple[str, ...], filters: Filters) -> str:
    """Give the smallest rollup that knows the groupings and what is filtered by."""
    told = filters._asdict()
    return WIDE if any(name in by or told[name] for name in WIDE_ALONE) else NARROW


def _positions(count: int) -> str:
    return ", ".join(str(number + 1) for number in range(count))
