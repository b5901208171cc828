"""
A rollup as it is at this instant: its rows with the deltas that are not folded yet.

Rows of a rollup are not grouped again for the few deltas there are: each takes its delta by a left join, and deltas
that have no row yet come after them. The names of dimensions are joined within both parts, so that a filter by project
name, day or level reaches the rollup's index and its partitions.
"""

from collections.abc import Sequence

from models.views.view import FULL_SKETCH

UTC_DAY = "(hour at time zone 'UTC')::date"
SUMMED = ("event_count", "weighted_count", "unhandled_count")
TYPES = {"weighted_count": "float8", "delay_seconds_sum": "float8"}

# What a part is made of: `r` is the rollup's row, `d` what the deltas add to it.
BOTH = {
    **{name: f"r.{name} + coalesce(d.{name}, 0)" for name in SUMMED},
    "first_at": "least(r.first_at, d.first_at)",
    "last_at": "greatest(r.last_at, d.last_at)",
    "user_sketch": (
        "case when d.user_sketch is null then r.user_sketch when r.user_sketch is null then d.user_sketch "
        "else warehouse.users_united(r.user_sketch, d.user_sketch) end"
    ),
}


def live(select: str, table: str, keys: Sequence[str], *, where: str = "", counts_users: bool = True) -> str:
    """
    Give the SQL of a live rollup.

    Takes: `select`, the columns and joins, with {k} for the row that has the keys, and {event_count}, {user_sketch},
    {users}, … for what adds up; {source} stands where the row comes from. `where`: which deltas count.
    `counts_users`: whether the rollup has a user_count.
    """
    delta = _delta(keys, where)
    joined = " and ".join(f"r.{key} = d.{key}" for key in keys)
    exact = "case when d.user_sketch is null then r.user_count end" if counts_users else None
    both = select.format(
        k="r",
        source=f"warehouse.{table} r left join ({delta}) d on {joined}",
        **BOTH,
        **_users(BOTH["user_sketch"], exact),
    )
    alone = select.format(
        k="d", source=f"({delta}) d", **{name: f"d.{name}" for name in BOTH}, **_users("d.user_sketch", None)
    )
    return f"{both}\nunion all\n{alone}\nwhere not exists (select from warehouse.{table} r where {joined})"


def _delta(keys: Sequence[str], where: str) -> str:
    told = [f"{UTC_DAY} as day" if key == "day" else key for key in keys]
    told += [f"sum({name})::{TYPES.get(name, 'bigint')} as {name}" for name in SUMMED]
    told += ["min(first_at) as first_at", "max(last_at) as last_at"]
    told.append("warehouse.users_merged(user_sketch) as user_sketch")
    positions = ", ".join(str(number) for number in range(1, len(keys) + 1))
    return f"select {', '.join(told)} from warehouse.rollup_delta {where} group by {positions}"  # noqa: S608


def _users(sketch: str, exact: str | None) -> dict[str, str]:
    estimated = f"warehouse.users_estimated({sketch})"
    counted = f"coalesce(cardinality({sketch}), 0) < {FULL_SKETCH}"
    if exact is None:
        return {"users": estimated, "users_are_exact": counted}
    return {"users": f"coalesce({exact}, {estimated})", "users_are_exact": f"({exact}) is not null or {counted}"}
