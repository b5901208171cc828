"""count events in rollups, and follow issues"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# The lowest 1,024 distinct keys of two sketches: the sketch of both.
UNITED = """
create function warehouse.users_united(one bigint[], other bigint[]) returns bigint[]
language sql immutable parallel safe as $$
    select case when one is null then other when other is null then one
        when other[1] > one[1024] then one
        else (select (array_agg(distinct u order by u))[1:1024] from unnest(one || other) as met(u)) end
$$
"""
# How many users a sketch stands for: as many as it holds, or, when it is full, by how densely the lowest keys lie.
ESTIMATED = """
create function warehouse.users_estimated(sketch bigint[]) returns bigint
language sql immutable parallel safe as $$
    select case when sketch is null then 0 when cardinality(sketch) < 1024 then cardinality(sketch)
        else round(1023 / ((sketch[1024]::float8 + 9223372036854775808.0) / 18446744073709551616.0))::bigint end
$$
"""
# Two heaps of keys become one; a large one is cut down to a sketch. Thirty times faster than uniting sketch by sketch.
GATHERED = """
create function warehouse.users_gathered(one bigint[], other bigint[]) returns bigint[]
language plpgsql immutable parallel safe as $$
begin
    if one is null then return other; end if;
    if other is null then return one; end if;
    if cardinality(one) + cardinality(other) < 8192 then return one || other; end if;
    return array(select distinct u from unnest(one || other) as met(u) order by u limit 1024);
end
$$
"""
# The sketch of what was gathered; null without a user.
LOWEST = """
create function warehouse.users_lowest(gathered bigint[]) returns bigint[]
language sql immutable parallel safe as $$
    select case when gathered is not null
        then array(select distinct u from unnest(gathered) as met(u) order by u limit 1024) end
$$
"""
# How many users what was gathered stands for; one expression, since analysts may use no function by name but `users`.
COUNTED = """
create function warehouse.users_counted(gathered bigint[]) returns bigint
language sql immutable parallel safe as $$
    select case when cardinality(sketch) < 1024 then cardinality(sketch)
        else round(1023 / ((sketch[1024]::float8 + 9223372036854775808.0) / 18446744073709551616.0))::bigint end
    from (select array(select distinct u from unnest(gathered) as met(u) order by u limit 1024)) as kept(sketch)
$$
"""
MERGED = """
create aggregate warehouse.users_merged(bigint[]) (
    sfunc = warehouse.users_gathered, stype = bigint[], combinefunc = warehouse.users_gathered,
    finalfunc = warehouse.users_lowest, parallel = safe
)
"""
HEAPED = """
create aggregate warehouse.users_heaped(bigint[]) (
    sfunc = warehouse.users_gathered, stype = bigint[], combinefunc = warehouse.users_gathered, parallel = safe
)
"""
# A group is of one project: without knowing it the planner expects 2 % of an issue's events, and sorts all of them.
RELATED = """
create statistics if not exists warehouse.{table}_group (dependencies)
on project_id, group_key from warehouse.{table}
"""
LEAVES = """
select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'warehouse.fact_event'::regclass
"""
DAYS_THERE = """
insert into warehouse.rebuild_due (day)
select generate_series(bounds[1]::date, bounds[2]::date - 1, '1 day')::date
from pg_inherits i join pg_class c on c.oid = i.inhrelid,
    regexp_matches(pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''(\\d+-\\d+-\\d+).*TO \\(''(\\d+-\\d+-\\d+)') as bounds
where i.inhparent = 'warehouse.fact_event'::regclass
"""


def upgrade() -> None:
    op.create_table(
        "analyst_project",
        sa.Column("role_name", sa.Text(), nullable=False, comment="Role of the database; its members may read too."),
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.PrimaryKeyConstraint("role_name", "project_id", name=op.f("pk_analyst_project")),
        schema="warehouse",
        comment="Which role may read which project, once row-level security is on.",
    )
    op.create_table(
        "dim_issue",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column(
            "issue_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="Sentry's id of the issue."
        ),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When the change that stands here happened.",
        ),
        sa.Column(
            "first_seen_at", sa.DateTime(timezone=True), nullable=True, comment="When Sentry first saw the issue."
        ),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When Sentry had last seen it, at that change.",
        ),
        sa.Column(
            "resolved_at", sa.DateTime(timezone=True), nullable=True, comment="When it was resolved, while it is."
        ),
        sa.Column("short_id", sa.Text(), nullable=True, comment="Sentry's short name, such as SHOP-1A."),
        sa.Column("title", sa.Text(), nullable=True, comment="Title of the issue."),
        sa.Column("culprit", sa.Text(), nullable=True, comment="Culprit of the issue."),
        sa.Column("level", sa.Text(), nullable=True, comment="Level of the issue."),
        sa.Column("status", sa.Text(), nullable=True, comment="resolved, unresolved or ignored."),
        sa.Column(
            "substatus", sa.Text(), nullable=True, comment="Such as new, ongoing, regressed, escalating or archived_…."
        ),
        sa.Column("priority", sa.Text(), nullable=True, comment="high, medium or low."),
        sa.Column(
            "assignee", sa.Text(), nullable=True, comment="Kind and id of who it is assigned to, such as `team:7`."
        ),
        sa.Column("is_unhandled", sa.Boolean(), nullable=True, comment="Whether the program did not catch it."),
        sa.Column("url", sa.Text(), nullable=True, comment="Address of the issue in Sentry."),
        sa.PrimaryKeyConstraint("project_id", "issue_id", name=op.f("pk_dim_issue")),
        schema="warehouse",
        comment="Issues as Sentry's `issue` webhooks told them last, by the time of the change.",
    )
    op.create_table(
        "erasure",
        sa.Column("erasure_id", sa.Uuid(), nullable=False, comment="The erasure's own id."),
        sa.Column(
            "project_id",
            sa.BigInteger(),
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When the person's row was removed from dim_user.",
        ),
        sa.Column(
            "finished_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When nothing was left; null while it is under way.",
        ),
        sa.Column("user_key", sa.BigInteger(), nullable=True, comment="The key they had; null once finished."),
        sa.Column(
            "stand_in_key",
            sa.BigInteger(),
            nullable=True,
            comment="The random key that their events have instead, so that users can still be counted.",
        ),
        sa.Column(
            "identifiers",
            postgresql.ARRAY(sa.TEXT()),
            nullable=True,
            comment="What named them, to go on with after a break; null once finished.",
        ),
        sa.PrimaryKeyConstraint("erasure_id", name=op.f("pk_erasure")),
        schema="warehouse",
        comment="Persons erased on request: when, where, and which keys stand in for theirs.",
    )
    op.create_table(
        "issue_change",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column(
            "issue_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="Sentry's id of the issue."
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, comment="When it happened."),
        sa.Column(
            "received_at", sa.DateTime(timezone=True), nullable=False, comment="When errhouse accepted the webhook."
        ),
        sa.Column(
            "action",
            sa.Text(),
            nullable=False,
            comment="created, resolved, unresolved, assigned, archived; also other types of activity alerts, as told.",
        ),
        sa.Column("status", sa.Text(), nullable=True, comment="Status after it."),
        sa.Column("substatus", sa.Text(), nullable=True, comment="Substatus after it."),
        sa.Column("priority", sa.Text(), nullable=True, comment="Priority after it."),
        sa.Column("assignee", sa.Text(), nullable=True, comment="Kind and id of who it is assigned to after it."),
        sa.Column("short_id", sa.Text(), nullable=True, comment="Sentry's short name, as told then."),
        sa.Column("title", sa.Text(), nullable=True, comment="Title of the issue, as told then."),
        sa.Column("culprit", sa.Text(), nullable=True, comment="Culprit of the issue, as told then."),
        sa.Column("level", sa.Text(), nullable=True, comment="Level of the issue, as told then."),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When Sentry first saw the issue, as told then.",
        ),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When Sentry had last seen the issue then.",
        ),
        sa.Column("is_unhandled", sa.Boolean(), nullable=True, comment="Whether the program did not catch it."),
        sa.Column("url", sa.Text(), nullable=True, comment="Address of the issue in Sentry."),
        sa.Column("codec", sa.SmallInteger(), nullable=True, comment="How body is compressed, as in event_payload."),
        sa.Column(
            "body",
            sa.LargeBinary(),
            nullable=True,
            comment="The webhook's JSON without persons, scrubbed, compressed; null where none is kept.",
        ),
        sa.PrimaryKeyConstraint("project_id", "issue_id", "changed_at", "action", name=op.f("pk_issue_change")),
        schema="warehouse",
        comment="What happened to issues, in the order of their own times, whatever the order of arrival.",
    )
    op.create_table(
        "payload_dictionary",
        sa.Column(
            "codec",
            sa.SmallInteger(),
            autoincrement=False,
            nullable=False,
            comment="1 and up; 0 stands for no dictionary.",
        ),
        sa.Column("trained_at", sa.DateTime(timezone=True), nullable=False, comment="When it was made."),
        sa.Column("sample_count", sa.Integer(), nullable=False, comment="Payloads it was trained on."),
        sa.Column(
            "gain",
            sa.REAL(),
            nullable=False,
            comment="Size of payloads it was not trained on, with it, as a part of their size with the one before.",
        ),
        sa.Column("body", sa.LargeBinary(), nullable=False, comment="The dictionary."),
        sa.PrimaryKeyConstraint("codec", name=op.f("pk_payload_dictionary")),
        schema="warehouse",
        comment="Dictionaries that payloads are compressed with; event_payload.codec names one.",
    )
    op.create_table(
        "rebuild_due",
        sa.Column("day", sa.Date(), nullable=False, comment="UTC day on which the events occurred."),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_rebuild_due")),
        schema="warehouse",
        comment="Days whose rollups have to be made again from the fact.",
    )
    op.create_table(
        "removal",
        sa.Column("removal_id", sa.Uuid(), nullable=False, comment="The removal's own id."),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=False, comment="When."),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=False,
            comment="retention, archive, restored (archived, and loaded again) or delete.",
        ),
        sa.Column("project_id", sa.BigInteger(), nullable=True, comment="Project; null for all of them."),
        sa.Column(
            "first_on", sa.Date(), nullable=False, comment="First UTC day whose events are not all there any more."
        ),
        sa.Column("end_on", sa.Date(), nullable=False, comment="First UTC day after them."),
        sa.Column("event_count", sa.BigInteger(), nullable=False, comment="Events removed."),
        sa.Column("payload_count", sa.BigInteger(), nullable=False, comment="Payloads removed."),
        sa.PrimaryKeyConstraint("removal_id", name=op.f("pk_removal")),
        schema="warehouse",
        comment="Events and payloads removed on purpose: why, of which days, and how many.",
    )
    op.create_table(
        "report_run",
        sa.Column("run_id", sa.Uuid(), nullable=False, comment="The run's own id."),
        sa.Column(
            "name", sa.Text(), nullable=False, comment="Name of the schedule, or of the report when asked for by hand."
        ),
        sa.Column("report", sa.Text(), nullable=False, comment="Name of the report."),
        sa.Column(
            "scheduled_for",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="The instant of the schedule it answers.",
        ),
        sa.Column(
            "period_start",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="First instant of the period reported on.",
        ),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=True, comment="First instant after the period."),
        sa.Column("status", sa.Text(), nullable=False, comment="running, done, failed or skipped."),
        sa.Column("attempt_count", sa.Integer(), nullable=False, comment="How often it was begun."),
        sa.Column("worker", sa.Text(), nullable=True, comment="Host and process that runs it."),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True, comment="When the last attempt began."),
        sa.Column(
            "heartbeat_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When its worker last said that it lives.",
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True, comment="When it ended."),
        sa.Column("row_count", sa.BigInteger(), nullable=True, comment="Rows read from the warehouse."),
        sa.Column("error", sa.Text(), nullable=True, comment="One sentence on why it failed."),
        sa.Column(
            "parameters",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="What was asked for: grouping, filters.",
        ),
        sa.CheckConstraint("status in ('running', 'done', 'failed', 'skipped')", name=op.f("ck_report_run_status")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_report_run")),
        sa.UniqueConstraint("name", "scheduled_for", name=op.f("uq_report_run_name_scheduled_for")),
        schema="warehouse",
        comment="Runs of reports: the claim, the period and the outcome of each.",
    )
    op.create_table(
        "rollup_day",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column("group_key", sa.BigInteger(), autoincrement=False, nullable=False, comment="Into dim_group."),
        sa.Column(
            "culprit_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Into dim_culprit; 0 when there is no culprit.",
        ),
        sa.Column(
            "environment_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Into dim_environment; 0 when none was sent.",
        ),
        sa.Column(
            "release_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Into dim_release; 0 when none was sent.",
        ),
        sa.Column("day", sa.Date(), nullable=False, comment="UTC day on which the events occurred."),
        sa.Column(
            "level", sa.SmallInteger(), nullable=False, comment="10 debug, 20 info, 30 warning, 40 error, 50 fatal."
        ),
        sa.Column("event_count", sa.BigInteger(), nullable=False, comment="Events."),
        sa.Column(
            "weighted_count",
            sa.Double(),
            nullable=False,
            comment="Events, each counted as the number it stands for: 1 / sample rate.",
        ),
        sa.Column(
            "unhandled_count",
            sa.BigInteger(),
            nullable=False,
            comment="Events whose exception the program did not catch.",
        ),
        sa.Column(
            "first_at", sa.DateTime(timezone=True), nullable=False, comment="When the first of the events occurred."
        ),
        sa.Column(
            "last_at", sa.DateTime(timezone=True), nullable=False, comment="When the last of the events occurred."
        ),
        sa.Column(
            "user_count",
            sa.BigInteger(),
            nullable=True,
            comment="Distinct users, counted in the fact once the day is closed and the sketch full; else null.",
        ),
        sa.Column(
            "user_sketch",
            sa.ARRAY(sa.BigInteger()),
            nullable=True,
            comment="The lowest 1,024 distinct user keys, ascending: all of them if fewer. Null without a user.",
        ),
        sa.PrimaryKeyConstraint(
            "project_id",
            "group_key",
            "day",
            "culprit_key",
            "level",
            "environment_key",
            "release_key",
            name=op.f("pk_rollup_day"),
        ),
        schema="warehouse",
        comment="Events by project, day and everything an issue is asked by.",
        postgresql_partition_by="RANGE (day)",
    )
    op.create_index(
        "ix_rollup_day_to_count",
        "rollup_day",
        ["day"],
        unique=False,
        schema="warehouse",
        postgresql_where=sa.text("user_count is null and cardinality(user_sketch) >= 1024"),
    )
    op.create_table(
        "rollup_day_culprit",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column(
            "culprit_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Into dim_culprit; 0 when there is no culprit.",
        ),
        sa.Column(
            "environment_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Into dim_environment; 0 when none was sent.",
        ),
        sa.Column("day", sa.Date(), nullable=False, comment="UTC day on which the events occurred."),
        sa.Column(
            "level", sa.SmallInteger(), nullable=False, comment="10 debug, 20 info, 30 warning, 40 error, 50 fatal."
        ),
        sa.Column("event_count", sa.BigInteger(), nullable=False, comment="Events."),
        sa.Column(
            "weighted_count",
            sa.Double(),
            nullable=False,
            comment="Events, each counted as the number it stands for: 1 / sample rate.",
        ),
        sa.Column(
            "unhandled_count",
            sa.BigInteger(),
            nullable=False,
            comment="Events whose exception the program did not catch.",
        ),
        sa.Column(
            "user_count",
            sa.BigInteger(),
            nullable=True,
            comment="Distinct users, counted in the fact once the day is closed and the sketch full; else null.",
        ),
        sa.Column(
            "user_sketch",
            sa.ARRAY(sa.BigInteger()),
            nullable=True,
            comment="The lowest 1,024 distinct user keys, ascending: all of them if fewer. Null without a user.",
        ),
        sa.PrimaryKeyConstraint(
            "project_id", "day", "culprit_key", "level", "environment_key", name=op.f("pk_rollup_day_culprit")
        ),
        schema="warehouse",
        comment="Events by project, day, culprit, level and environment.",
        postgresql_partition_by="RANGE (day)",
    )
    op.create_index(
        "ix_rollup_day_culprit_to_count",
        "rollup_day_culprit",
        ["day"],
        unique=False,
        schema="warehouse",
        postgresql_where=sa.text("user_count is null and cardinality(user_sketch) >= 1024"),
    )
    op.create_table(
        "rollup_day_user",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column("day", sa.Date(), nullable=False, comment="UTC day on which the events occurred."),
        sa.Column("event_count", sa.BigInteger(), nullable=False, comment="Events."),
        sa.Column(
            "user_count",
            sa.BigInteger(),
            nullable=True,
            comment="Distinct users, counted in the fact once the day is closed and the sketch full; else null.",
        ),
        sa.Column(
            "user_sketch",
            sa.ARRAY(sa.BigInteger()),
            nullable=True,
            comment="The lowest 1,024 distinct user keys, ascending: all of them if fewer. Null without a user.",
        ),
        sa.PrimaryKeyConstraint("project_id", "day", name=op.f("pk_rollup_day_user")),
        schema="warehouse",
        comment="Distinct users by project and day.",
    )
    op.create_index(
        "ix_rollup_day_user_to_count",
        "rollup_day_user",
        ["day"],
        unique=False,
        schema="warehouse",
        postgresql_where=sa.text("user_count is null and cardinality(user_sketch) >= 1024"),
    )
    op.create_table(
        "rollup_delta",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column(
            "batch_id", sa.Uuid(), nullable=False, comment="The batch that added it; a batch is folded as a whole."
        ),
        sa.Column(
            "hour",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="First instant of the UTC hour in which the events occurred.",
        ),
        sa.Column("group_key", sa.BigInteger(), nullable=False, comment="Into dim_group."),
        sa.Column(
            "culprit_key", sa.BigInteger(), nullable=False, comment="Into dim_culprit; 0 when there is no culprit."
        ),
        sa.Column(
            "environment_key", sa.BigInteger(), nullable=False, comment="Into dim_environment; 0 when none was sent."
        ),
        sa.Column("release_key", sa.BigInteger(), nullable=False, comment="Into dim_release; 0 when none was sent."),
        sa.Column("event_count", sa.BigInteger(), nullable=False, comment="Events."),
        sa.Column(
            "weighted_count",
            sa.Double(),
            nullable=False,
            comment="Events, each counted as the number it stands for: 1 / sample rate.",
        ),
        sa.Column(
            "unhandled_count",
            sa.BigInteger(),
            nullable=False,
            comment="Events whose exception the program did not catch.",
        ),
        sa.Column("without_user_count", sa.BigInteger(), nullable=False, comment="Events that name no user."),
        sa.Column(
            "odd_time_count",
            sa.BigInteger(),
            nullable=False,
            comment="Events whose occurred_at is not what the sender said, or that a drifting clock told.",
        ),
        sa.Column(
            "delay_seconds_sum",
            sa.Double(),
            nullable=False,
            comment="Seconds from accepting to loading, summed over the events.",
        ),
        sa.Column(
            "first_at", sa.DateTime(timezone=True), nullable=False, comment="When the first of the events occurred."
        ),
        sa.Column(
            "last_at", sa.DateTime(timezone=True), nullable=False, comment="When the last of the events occurred."
        ),
        sa.Column(
            "level", sa.SmallInteger(), nullable=False, comment="10 debug, 20 info, 30 warning, 40 error, 50 fatal."
        ),
        sa.Column(
            "user_sketch",
            sa.ARRAY(sa.BigInteger()),
            nullable=True,
            comment="The lowest 1,024 distinct user keys, ascending: all of them if fewer. Null without a user.",
        ),
        schema="warehouse",
        comment="What each batch added, by hour and everything a rollup is kept by; emptied by folding.",
        postgresql_with={
            "autovacuum_vacuum_scale_factor": 0,
            "autovacuum_vacuum_threshold": 50_000,
            "autovacuum_analyze_threshold": 2_000_000_000,
        },
    )
    op.create_table(
        "rollup_group",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column("group_key", sa.BigInteger(), autoincrement=False, nullable=False, comment="Into dim_group."),
        sa.Column(
            "first_release_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Release of the first event; 0 when none was sent.",
        ),
        sa.Column(
            "last_release_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Release of the last event; 0 when none was sent.",
        ),
        sa.Column("last_level", sa.SmallInteger(), nullable=False, comment="Level of the last event, as in the fact."),
        sa.Column("event_count", sa.BigInteger(), nullable=False, comment="Events."),
        sa.Column(
            "weighted_count",
            sa.Double(),
            nullable=False,
            comment="Events, each counted as the number it stands for: 1 / sample rate.",
        ),
        sa.Column(
            "unhandled_count",
            sa.BigInteger(),
            nullable=False,
            comment="Events whose exception the program did not catch.",
        ),
        sa.Column(
            "first_at", sa.DateTime(timezone=True), nullable=False, comment="When the first event ever occurred."
        ),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False, comment="When the last event occurred."),
        sa.Column(
            "user_sketch",
            sa.ARRAY(sa.BigInteger()),
            nullable=True,
            comment="The lowest 1,024 distinct user keys, ascending: all of them if fewer. Null without a user.",
        ),
        sa.PrimaryKeyConstraint("project_id", "group_key", name=op.f("pk_rollup_group")),
        schema="warehouse",
        comment="Events by group, over all days.",
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "rollup_hour",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column(
            "hour",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="First instant of the UTC hour in which the events occurred.",
        ),
        sa.Column(
            "environment_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Into dim_environment; 0 when none was sent.",
        ),
        sa.Column(
            "level", sa.SmallInteger(), nullable=False, comment="10 debug, 20 info, 30 warning, 40 error, 50 fatal."
        ),
        sa.Column("event_count", sa.BigInteger(), nullable=False, comment="Events."),
        sa.Column(
            "weighted_count",
            sa.Double(),
            nullable=False,
            comment="Events, each counted as the number it stands for: 1 / sample rate.",
        ),
        sa.Column(
            "unhandled_count",
            sa.BigInteger(),
            nullable=False,
            comment="Events whose exception the program did not catch.",
        ),
        sa.Column("without_release_count", sa.BigInteger(), nullable=False, comment="Events that name no release."),
        sa.Column("without_user_count", sa.BigInteger(), nullable=False, comment="Events that name no user."),
        sa.Column(
            "odd_time_count",
            sa.BigInteger(),
            nullable=False,
            comment="Events whose occurred_at is not what the sender said, or that a drifting clock told.",
        ),
        sa.Column(
            "delay_seconds_sum",
            sa.Double(),
            nullable=False,
            comment="Seconds from accepting to loading, summed over the events.",
        ),
        sa.PrimaryKeyConstraint("project_id", "hour", "level", "environment_key", name=op.f("pk_rollup_hour")),
        schema="warehouse",
        comment="Events by project, hour, level and environment, and how good they are.",
        postgresql_partition_by="RANGE (hour)",
    )
    op.create_table(
        "rollup_hour_group",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column("group_key", sa.BigInteger(), autoincrement=False, nullable=False, comment="Into dim_group."),
        sa.Column(
            "hour",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="First instant of the UTC hour in which the events occurred.",
        ),
        sa.Column("event_count", sa.BigInteger(), nullable=False, comment="Events."),
        sa.PrimaryKeyConstraint("project_id", "group_key", "hour", name=op.f("pk_rollup_hour_group")),
        schema="warehouse",
        comment="Events by project, group and hour, kept for HOUR_GROUP_RETENTION_DAYS.",
        postgresql_partition_by="RANGE (hour)",
    )
    op.create_table(
        "rollup_release",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column(
            "release_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Into dim_release; 0 when none was sent.",
        ),
        sa.Column("event_count", sa.BigInteger(), nullable=False, comment="Events."),
        sa.Column(
            "weighted_count",
            sa.Double(),
            nullable=False,
            comment="Events, each counted as the number it stands for: 1 / sample rate.",
        ),
        sa.Column(
            "unhandled_count",
            sa.BigInteger(),
            nullable=False,
            comment="Events whose exception the program did not catch.",
        ),
        sa.Column(
            "first_at", sa.DateTime(timezone=True), nullable=False, comment="When the first event ever occurred."
        ),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False, comment="When the last event occurred."),
        sa.Column(
            "user_sketch",
            sa.ARRAY(sa.BigInteger()),
            nullable=True,
            comment="The lowest 1,024 distinct user keys, ascending: all of them if fewer. Null without a user.",
        ),
        sa.PrimaryKeyConstraint("project_id", "release_key", name=op.f("pk_rollup_release")),
        schema="warehouse",
        comment="Events by release, over all days.",
        postgresql_with={"fillfactor": 70},
    )
    op.add_column(
        "dim_group",
        sa.Column(
            "issue_told_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the event occurred that moved the group to issue_id: the first that told it, not the last.",
        ),
        schema="warehouse",
    )
    op.add_column(
        "dim_group",
        sa.Column(
            "public_issue_id",
            sa.BigInteger(),
            sa.Computed("coalesce(issue_id, group_key & 9223372036854775807)", persisted=True),
            nullable=False,
            comment="What views call the issue: issue_id where it was told, else group_key without its sign.",
        ),
        schema="warehouse",
    )
    op.create_index(
        op.f("ix_dim_group_project_id_public_issue_id"),
        "dim_group",
        ["project_id", "public_issue_id"],
        unique=False,
        schema="warehouse",
    )
    op.add_column(
        "dim_project",
        sa.Column(
            "label",
            sa.Text(),
            sa.Computed("coalesce(slug, name, project_id::text)", persisted=True),
            nullable=False,
            comment="What views call the project: its slug or name where known, else its id.",
        ),
        schema="warehouse",
    )
    op.add_column(
        "dim_project",
        sa.Column(
            "event_retention_days",
            sa.Integer(),
            nullable=True,
            comment="Days its events are kept, where it is less than EVENT_RETENTION_DAYS.",
        ),
        schema="warehouse",
    )
    op.add_column(
        "dim_project",
        sa.Column(
            "payload_retention_days",
            sa.Integer(),
            nullable=True,
            comment="Days its payloads are kept, where it is less than PAYLOAD_RETENTION_DAYS.",
        ),
        schema="warehouse",
    )
    op.create_index(op.f("ix_dim_project_label"), "dim_project", ["label"], unique=False, schema="warehouse")
    op.alter_column(
        "event_payload",
        "codec",
        existing_type=sa.SMALLINT(),
        comment="How body is compressed: zstd with this dictionary of payload_dictionary, 0 without.",
        existing_comment="How body is compressed: 0 zstd without a dictionary.",
        existing_nullable=False,
        schema="warehouse",
    )
    op.add_column(
        "load_tally",
        sa.Column(
            "issue_change_count",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Changes of issues told, new or met again.",
        ),
        schema="warehouse",
    )
    op.add_column(
        "spool_position",
        sa.Column(
            "record_count",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Records before it, since the spool was made; see `errhouse db audit`.",
        ),
        schema="warehouse",
    )
    op.execute(
        "update warehouse.spool_position p set record_count = coalesce("
        "(select sum(t.payload_count) from warehouse.load_tally t where t.origin = p.spool_id::text), 0)"
    )
    op.create_index(
        op.f("ix_rollup_hour_hour"),
        "rollup_hour",
        ["hour"],
        unique=False,
        schema="warehouse",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 16},
    )
    op.create_index(
        op.f("ix_rollup_day_day"),
        "rollup_day",
        ["day"],
        unique=False,
        schema="warehouse",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 16},
    )
    op.create_index(
        op.f("ix_rollup_day_culprit_day"),
        "rollup_day_culprit",
        ["day"],
        unique=False,
        schema="warehouse",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 16},
    )
    for table in ("rollup_day", "rollup_day_culprit", "rollup_day_user", "rollup_group", "rollup_release"):
        op.execute(
            f"alter table warehouse.{table} alter column user_sketch set storage external"
        )  # hashes do not shrink
    op.execute("alter table warehouse.issue_change alter column body set storage external")
    op.execute("alter table warehouse.payload_dictionary alter column body set storage external")
    op.execute(UNITED)
    op.execute(ESTIMATED)
    op.execute(GATHERED)
    op.execute(LOWEST)
    op.execute(COUNTED)
    op.execute(MERGED)
    op.execute(HEAPED)
    for table in ("fact_event", *op.get_bind().execute(sa.text(LEAVES)).scalars()):
        op.execute(RELATED.format(table=table))
    # what was loaded before there were rollups is counted by `errhouse db maintain`, a day at a time
    op.execute(DAYS_THERE)


def downgrade() -> None:
    op.execute("drop schema if exists analytics cascade")  # an older errhouse makes its own views again
    for table in ("fact_event", *op.get_bind().execute(sa.text(LEAVES)).scalars()):
        op.execute(f"drop statistics if exists warehouse.{table}_group")
    op.execute("drop aggregate warehouse.users_heaped(bigint[])")
    op.execute("drop aggregate warehouse.users_merged(bigint[])")
    op.execute("drop function warehouse.users_counted(bigint[])")
    op.execute("drop function warehouse.users_lowest(bigint[])")
    op.execute("drop function warehouse.users_gathered(bigint[], bigint[])")
    op.execute("drop function warehouse.users_united(bigint[], bigint[])")
    op.execute("drop function warehouse.users_estimated(bigint[])")
    op.drop_column("spool_position", "record_count", schema="warehouse")
    op.drop_column("load_tally", "issue_change_count", schema="warehouse")
    op.alter_column(
        "event_payload",
        "codec",
        existing_type=sa.SMALLINT(),
        comment="How body is compressed: 0 zstd without a dictionary.",
        existing_comment="How body is compressed: zstd with this dictionary of payload_dictionary, 0 without.",
        existing_nullable=False,
        schema="warehouse",
    )
    op.drop_index(op.f("ix_dim_project_label"), table_name="dim_project", schema="warehouse")
    op.drop_column("dim_project", "payload_retention_days", schema="warehouse")
    op.drop_column("dim_project", "event_retention_days", schema="warehouse")
    op.drop_column("dim_project", "label", schema="warehouse")
    op.drop_index(op.f("ix_dim_group_project_id_public_issue_id"), table_name="dim_group", schema="warehouse")
    op.drop_column("dim_group", "public_issue_id", schema="warehouse")
    op.drop_column("dim_group", "issue_told_at", schema="warehouse")
    op.drop_table("rollup_release", schema="warehouse")
    op.drop_table("rollup_hour_group", schema="warehouse")
    op.drop_table("rollup_hour", schema="warehouse")
    op.drop_table("rollup_group", schema="warehouse")
    op.drop_table("rollup_delta", schema="warehouse")
    op.drop_index(
        "ix_rollup_day_user_to_count",
        table_name="rollup_day_user",
        schema="warehouse",
        postgresql_where=sa.text("user_count is null and cardinality(user_sketch) >= 1024"),
    )
    op.drop_table("rollup_day_user", schema="warehouse")
    op.drop_index(
        "ix_rollup_day_culprit_to_count",
        table_name="rollup_day_culprit",
        schema="warehouse",
        postgresql_where=sa.text("user_count is null and cardinality(user_sketch) >= 1024"),
    )
    op.drop_table("rollup_day_culprit", schema="warehouse")
    op.drop_index(
        "ix_rollup_day_to_count",
        table_name="rollup_day",
        schema="warehouse",
        postgresql_where=sa.text("user_count is null and cardinality(user_sketch) >= 1024"),
    )
    op.drop_table("rollup_day", schema="warehouse")
    op.drop_table("report_run", schema="warehouse")
    op.drop_table("removal", schema="warehouse")
    op.drop_table("rebuild_due", schema="warehouse")
    op.drop_table("payload_dictionary", schema="warehouse")
    op.drop_table("issue_change", schema="warehouse")
    op.drop_table("erasure", schema="warehouse")
    op.drop_table("dim_issue", schema="warehouse")
    op.drop_table("analyst_project", schema="warehouse")
