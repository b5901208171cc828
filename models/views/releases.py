"""analytics.releases: every release and distribution, taken apart and in the order of its version."""

from models.views.live import live
from models.views.view import (
    COUNTS,
    INSTANT,
    PROJECT,
    PROJECT_ID,
    USER_SKETCH,
    USERS,
    USERS_ARE_EXACT,
    Column,
    View,
)

# `package@version+build`, of which the package may begin with `@`; without a package the whole is a version.
_PACKAGE = "substring(v.release from '^(@?[^@]+)@.')"
_VERSION = "coalesce(substring(v.release from '^@?[^@]+@(.+)$'), v.release)"
_NUMBERED = r"^v?\d{1,18}(\.\d{1,18}){1,3}(-[0-9A-Za-z.-]+)?(\+.*)?$"

_LIVE = live(
    """
    select {k}.project_id, p.label as project, n.release, n.dist, {event_count} as events,
        {weighted_count} as weighted_events, {unhandled_count} as unhandled_events, {users} as users,
        {users_are_exact} as users_are_exact, {first_at} as first_seen_at, {last_at} as last_seen_at,
        {user_sketch} as user_sketch
    from {source}
    left join warehouse.dim_project p on p.project_id = {k}.project_id
    left join warehouse.dim_release n on n.project_id = {k}.project_id and n.release_key = {k}.release_key
    """,
    "rollup_release",
    ("project_id", "release_key"),
    where="where release_key <> 0",
    counts_users=False,
)

# Sorts as https://semver.org, 11 says: numbers by size, a pre-release before its release, and its parts one by one,
# numbers before words and fewer before more. `!` is less than any sign of a part, `~` greater.
_SORT = rf"""
    case when b.version ~ '{_NUMBERED}' then (
        select string_agg(lpad(number, 18, '0'), '.' order by place)
            || repeat('.' || repeat('0', 18), 4 - count(*)::int)
        from regexp_split_to_table(substring(b.version from '^v?([0-9.]+)'), '\.')
            with ordinality as part(number, place)
    ) || coalesce((
        select '!' || string_agg(
            case when part ~ '^\d{{1,18}}$' then '0' || lpad(part, 18, '0') else '1' || part end, '!' order by place
        )
        from regexp_split_to_table(substring(b.version from '^v?[0-9.]+-(.+)$'), '\.')
            with ordinality as pre(part, place)
    ), '~') end collate "C"
"""  # noqa: S608 - parts are ours

RELEASES = View(
    "releases",
    "One row per project, release and distribution, live and over all time.",
    f"""
    select v.project_id, v.project, v.release, v.dist, {_PACKAGE} as package, b.version, b.build,
        {_SORT} as version_sort, v.events, v.weighted_events, v.unhandled_events, v.users, v.users_are_exact,
        v.first_seen_at, v.last_seen_at, v.user_sketch
    from ({_LIVE}) v
    cross join lateral (
        select case when {_VERSION} ~ '{_NUMBERED}' then split_part({_VERSION}, '+', 1) else {_VERSION} end as version,
            case when {_VERSION} ~ '{_NUMBERED}' then substring({_VERSION} from '\\+(.+)$') end as build
    ) b
    where v.release is not null
    """,  # noqa: S608 - parts are ours
    (
        PROJECT_ID,
        PROJECT,
        Column("release", "text", "Release of the program, as told.", is_told=True),
        Column("dist", "text", "Distribution: one build of the release; null when none was sent."),
        Column("package", "text", "What stands before `@` in `package@version+build`; null without."),
        Column(
            "version",
            "text",
            "The version, without package and build; the whole release where it has neither.",
            is_told=True,
        ),
        Column("build", "text", "What stands after `+`; null without."),
        Column(
            "version_sort",
            "text",
            "Sorts as versions do, pre-releases before their release; null where version is not made of numbers.",
        ),
        *COUNTS,
        USERS,
        USERS_ARE_EXACT,
        Column("first_seen_at", INSTANT, "When its first event occurred.", is_told=True),
        Column("last_seen_at", INSTANT, "When its last event occurred.", is_told=True),
        USER_SKETCH,
    ),
    key=("project_id", "release", "dist"),
)
