"""analytics.loads_daily and set_aside_daily: what became of everything that came, whether or not it is an event now."""

from models.views.view import PROJECT, Column, View

LOADS_DAILY = View(
    "loads_daily",
    "What was loaded on each UTC day, of all projects: events are loaded, met again, or refused, to the unit.",
    """
    select loaded_on as day, sum(payload_count)::bigint as payloads, sum(event_count)::bigint as events,
        sum(loaded_count)::bigint as loaded, sum(duplicate_count)::bigint as duplicates,
        sum(refused_count)::bigint as refused, sum(set_aside_count)::bigint as set_aside,
        sum(conflict_count)::bigint as conflicts
    from warehouse.load_tally group by loaded_on
    """,
    (
        Column("day", "date", "UTC day of loading.", is_told=True),
        Column("payloads", "bigint", "Payloads read.", is_told=True),
        Column("events", "bigint", "Events found in them: loaded + duplicates + refused.", is_told=True),
        Column("loaded", "bigint", "Events that became a row.", is_told=True),
        Column("duplicates", "bigint", "Events that had a row already.", is_told=True),
        Column("refused", "bigint", "Events that could not become a row; their payload is set aside.", is_told=True),
        Column("set_aside", "bigint", "Payloads set aside, whole or for one event.", is_told=True),
        Column(
            "conflicts",
            "bigint",
            "Of those refused, events with whose id another event was there before.",
            is_told=True,
        ),
    ),
    key=("day",),
)

SET_ASIDE_DAILY = View(
    "set_aside_daily",
    "Payloads that are set aside, by project, UTC day on which each first came, and reason; until they are loaded.",
    """
    select coalesce(s.project_id, 0) as project_id, p.label as project,
        (s.first_received_at at time zone 'UTC')::date as day, s.reason, count(*) as payloads,
        sum(s.seen_count)::bigint as times_seen, sum(s.body_bytes)::bigint as body_bytes
    from warehouse.set_aside s left join warehouse.dim_project p on p.project_id = s.project_id
    group by 1, 2, 3, 4
    """,
    (
        Column("project_id", "bigint", "Sentry's numeric id of the project; 0 where it is not known.", is_told=True),
        PROJECT,
        Column("day", "date", "UTC day on which the payload first came.", is_told=True),
        Column("reason", "text", "Reason code, see docs/glossary.md.", is_told=True),
        Column("payloads", "bigint", "Distinct payloads.", is_told=True),
        Column("times_seen", "bigint", "How often they came, together.", is_told=True),
        Column("body_bytes", "bigint", "Size of their bodies, before compression.", is_told=True),
    ),
    key=("project_id", "day", "reason"),
)
