"""
What a batch adds to the rollups, as SQL: the same grouping for rows that come in and for rows that are there.

The texts are parts of larger statements (`ingest.batch`, `models.rebuild`), so that an event and what it adds to a
count are one statement, one transaction, one truth.
"""

from models.rollup import SKETCH_USERS

DELTA_COLUMNS = (
    "project_id, batch_id, hour, group_key, culprit_key, environment_key, release_key, event_count, weighted_count, "
    "unhandled_count, without_user_count, odd_time_count, delay_seconds_sum, first_at, last_at, level, user_sketch"
)

# Needs :batch_id; reads columns of the fact from a relation that the caller puts behind `from`.
DELTA_SELECT = f"""
    select project_id, cast(:batch_id as uuid), date_trunc('hour', occurred_at, 'UTC'), group_key,
        coalesce(culprit_key, 0), coalesce(environment_key, 0), coalesce(release_key, 0),
        count(*), sum(sample_weight::float8), count(*) filter (where not handled),
        count(*) filter (where user_key is null), count(*) filter (where time_quality <> 0),
        sum(greatest(extract(epoch from loaded_at - received_at)::float8, 0)),
        min(occurred_at), max(occurred_at), level,
        (array_agg(distinct user_key order by user_key) filter (where user_key is not null))[1:{SKETCH_USERS}]
"""  # noqa: S608 - a number of ours
DELTA_GROUP = "group by project_id, 3, group_key, 5, 6, 7, level"
