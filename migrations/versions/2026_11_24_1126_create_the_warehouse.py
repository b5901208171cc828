"""
Create the warehouse: the fact and what is kept beside it, its dimensions, and the loader's bookkeeping.

Partitions are no migration: the loader makes them as time goes on.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create schema if not exists warehouse")
    op.execute("comment on schema warehouse is 'The tables of errhouse; analysts read the views in analytics.'")
    op.create_table(
        "dim_client",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column(
            "client_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Hash of the description, made by models.keys; the fact carries it.",
        ),
        sa.Column(
            "platform",
            sa.Text(),
            nullable=False,
            comment="Sentry's platform word, such as python; `other` when unknown.",
        ),
        sa.Column("sdk_name", sa.Text(), nullable=True, comment="Name of the SDK."),
        sa.Column("sdk_version", sa.Text(), nullable=True, comment="Version of the SDK."),
        sa.Column("os_name", sa.Text(), nullable=True, comment="Operating system."),
        sa.Column("os_version", sa.Text(), nullable=True, comment="Its version."),
        sa.Column("browser_name", sa.Text(), nullable=True, comment="Browser."),
        sa.Column("browser_version", sa.Text(), nullable=True, comment="Its version."),
        sa.Column("runtime_name", sa.Text(), nullable=True, comment="Language runtime."),
        sa.Column("runtime_version", sa.Text(), nullable=True, comment="Its version."),
        sa.Column("device_family", sa.Text(), nullable=True, comment="Device family."),
        sa.PrimaryKeyConstraint("project_id", "client_key", name=op.f("pk_dim_client")),
        schema="warehouse",
        comment="What the event was seen with: SDK, system, browser, runtime, device.",
    )
    op.create_table(
        "dim_culprit",
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
            comment="Hash of the description, made by models.keys; the fact carries it.",
        ),
        sa.Column("culprit", sa.Text(), nullable=False, comment="Sentry's string for where it happened."),
        sa.PrimaryKeyConstraint("project_id", "culprit_key", name=op.f("pk_dim_culprit")),
        schema="warehouse",
        comment="Culprits: Sentry's string for where it happened.",
    )
    op.create_table(
        "dim_environment",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column(
            "environment_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Hash of the description, made by models.keys; the fact carries it.",
        ),
        sa.Column("environment", sa.Text(), nullable=False, comment="Name of the environment."),
        sa.PrimaryKeyConstraint("project_id", "environment_key", name=op.f("pk_dim_environment")),
        schema="warehouse",
        comment="Environments, such as production.",
    )
    op.create_table(
        "dim_exception",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column(
            "exception_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Hash of the description, made by models.keys; the fact carries it.",
        ),
        sa.Column("exception_type", sa.Text(), nullable=True, comment="Type of the thrown exception."),
        sa.Column("mechanism", sa.Text(), nullable=True, comment="What caught it, such as `excepthook` or `logging`."),
        sa.PrimaryKeyConstraint("project_id", "exception_key", name=op.f("pk_dim_exception")),
        schema="warehouse",
        comment="Exception types, with the mechanism that caught them.",
    )
    op.create_table(
        "dim_group",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column(
            "group_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Hash of the description, made by models.keys; the fact carries it.",
        ),
        sa.Column(
            "group_hash", sa.Text(), nullable=False, comment="Grouping hash: Sentry's own where it was told, else ours."
        ),
        sa.Column("issue_id", sa.BigInteger(), nullable=True, comment="Sentry's id of the issue, where it was told."),
        sa.Column("type", sa.Text(), nullable=False, comment="Kind of event: error, default or csp."),
        sa.Column("title", sa.Text(), nullable=False, comment="Title of the first event."),
        sa.Column("culprit", sa.Text(), nullable=False, comment="Culprit of the first event."),
        sa.Column(
            "fingerprint",
            postgresql.ARRAY(sa.TEXT()),
            nullable=True,
            comment="Fingerprint of the first event, where the sender set one.",
        ),
        sa.PrimaryKeyConstraint("project_id", "group_key", name=op.f("pk_dim_group")),
        schema="warehouse",
        comment="Groups of events, by grouping hash, and the issue Sentry counts them to.",
    )
    op.create_index(
        op.f("ix_dim_group_project_id_issue_id"),
        "dim_group",
        ["project_id", "issue_id"],
        unique=False,
        schema="warehouse",
    )
    op.create_table(
        "dim_logger",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column(
            "logger_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Hash of the description, made by models.keys; the fact carries it.",
        ),
        sa.Column("logger", sa.Text(), nullable=False, comment="Name of the logger."),
        sa.PrimaryKeyConstraint("project_id", "logger_key", name=op.f("pk_dim_logger")),
        schema="warehouse",
        comment="Loggers.",
    )
    op.create_table(
        "dim_project",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column("slug", sa.Text(), nullable=True, comment="Sentry's short name, where it was told."),
        sa.Column("name", sa.Text(), nullable=True, comment="Name for people."),
        sa.Column(
            "is_scrubbed",
            sa.Boolean(),
            server_default="true",
            nullable=False,
            comment="Whether Sentry's default scrubbing rules are applied before loading.",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When errhouse first heard of the project.",
        ),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_dim_project")),
        schema="warehouse",
        comment="Projects; slug and name follow what the last form told.",
    )
    op.create_index(op.f("ix_dim_project_slug"), "dim_project", ["slug"], unique=False, schema="warehouse")
    op.create_table(
        "dim_release",
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
            comment="Hash of the description, made by models.keys; the fact carries it.",
        ),
        sa.Column("release", sa.Text(), nullable=True, comment="Release, such as `package@1.2.3+build` or a commit."),
        sa.Column("dist", sa.Text(), nullable=True, comment="Distribution: one build of the release."),
        sa.PrimaryKeyConstraint("project_id", "release_key", name=op.f("pk_dim_release")),
        schema="warehouse",
        comment="Releases and their distributions.",
    )
    op.create_table(
        "dim_server",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column(
            "server_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Hash of the description, made by models.keys; the fact carries it.",
        ),
        sa.Column("server_name", sa.Text(), nullable=False, comment="Host name as told."),
        sa.PrimaryKeyConstraint("project_id", "server_key", name=op.f("pk_dim_server")),
        schema="warehouse",
        comment="Servers the events came from.",
    )
    op.create_table(
        "dim_stack",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column(
            "stack_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Hash of the description, made by models.keys; the fact carries it.",
        ),
        sa.Column(
            "frames",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="Frames, outermost first: function, module, filename, lineno, in_app.",
        ),
        sa.Column("top_frame", sa.Text(), nullable=True, comment="The innermost frame of the program's own code."),
        sa.PrimaryKeyConstraint("project_id", "stack_key", name=op.f("pk_dim_stack")),
        schema="warehouse",
        comment="Stack traces of the thrown exception, each distinct one once.",
    )
    op.create_table(
        "dim_transaction",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column(
            "transaction_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Hash of the description, made by models.keys; the fact carries it.",
        ),
        sa.Column("transaction", sa.Text(), nullable=True, comment="Name of the transaction, such as a route."),
        sa.Column("method", sa.Text(), nullable=True, comment="HTTP method of the request."),
        sa.PrimaryKeyConstraint("project_id", "transaction_key", name=op.f("pk_dim_transaction")),
        schema="warehouse",
        comment="Transactions: route or task names, with the request's method.",
    )
    op.create_table(
        "dim_user",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column(
            "user_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Hash of the description, made by models.keys; the fact carries it.",
        ),
        sa.Column("user_id", sa.Text(), nullable=True, comment="The sender's id of the user."),
        sa.Column("email", sa.Text(), nullable=True, comment="E-mail address as told."),
        sa.Column("username", sa.Text(), nullable=True, comment="User name as told."),
        sa.Column(
            "ip", sa.Text(), nullable=True, comment="IP address as told, or of the peer where the SDK asks for it."
        ),
        sa.Column("geo_country", sa.Text(), nullable=True, comment="Country code, where Sentry told it."),
        sa.PrimaryKeyConstraint("project_id", "user_key", name=op.f("pk_dim_user")),
        schema="warehouse",
        comment="Users as the sender told them; the one dimension with personal data.",
    )
    op.create_table(
        "event_odd_time",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column("event_id", sa.Uuid(), nullable=False, comment="As in fact_event."),
        sa.Column(
            "occurred_at", sa.DateTime(timezone=True), nullable=False, comment="As in fact_event: where the row is."
        ),
        sa.PrimaryKeyConstraint("project_id", "event_id", name=op.f("pk_event_odd_time")),
        schema="warehouse",
        comment="Events whose occurred_at may be told otherwise by another form; guards their identity.",
    )
    op.create_table(
        "event_payload",
        sa.Column(
            "occurred_at", sa.DateTime(timezone=True), nullable=False, comment="As in fact_event; the partition column."
        ),
        sa.Column("event_id", sa.Uuid(), nullable=False, comment="As in fact_event."),
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column(
            "codec", sa.SmallInteger(), nullable=False, comment="How body is compressed: 0 zstd without a dictionary."
        ),
        sa.Column("body", sa.LargeBinary(), nullable=False, comment="The event's JSON, compressed as codec says."),
        sa.PrimaryKeyConstraint("project_id", "event_id", "occurred_at", name=op.f("pk_event_payload")),
        schema="warehouse",
        comment="The event's own JSON, scrubbed and compressed, kept for PAYLOAD_RETENTION_DAYS.",
        postgresql_partition_by="RANGE (occurred_at)",
    )
    op.create_table(
        "fact_event",
        sa.Column(
            "occurred_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When the sender says it happened, UTC; the partition column. Never corrected for clock drift.",
        ),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When errhouse accepted the payload, UTC.",
        ),
        sa.Column(
            "loaded_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When the row was loaded, UTC; the same for one batch.",
        ),
        sa.Column("event_id", sa.Uuid(), nullable=False, comment="The sender's id of the event."),
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column(
            "group_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Grouping hash, into dim_group; a merge of issues never changes it.",
        ),
        sa.Column(
            "culprit_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="Into dim_culprit; null when there is no culprit.",
        ),
        sa.Column(
            "exception_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="Into dim_exception; null for a plain message.",
        ),
        sa.Column(
            "transaction_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="Into dim_transaction; null when none was sent.",
        ),
        sa.Column(
            "release_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="Into dim_release; null when none was sent.",
        ),
        sa.Column(
            "environment_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="Into dim_environment; null when none was sent.",
        ),
        sa.Column(
            "user_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="Into dim_user; null when none was sent.",
        ),
        sa.Column(
            "server_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="Into dim_server; null when none was sent.",
        ),
        sa.Column(
            "logger_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="Into dim_logger; null when none was sent.",
        ),
        sa.Column(
            "client_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="Into dim_client: SDK, system, browser, runtime, device.",
        ),
        sa.Column(
            "stack_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="Into dim_stack; null without a stack trace.",
        ),
        sa.Column("trace_id", sa.Uuid(), nullable=True, comment="The trace this event belongs to."),
        sa.Column(
            "sample_weight",
            sa.REAL(),
            server_default=sa.text("1"),
            nullable=False,
            comment="How many events this one stands for: 1 / sample rate, 1 if none sent.",
        ),
        sa.Column("http_status", sa.SmallInteger(), nullable=True, comment="HTTP status of the response, where told."),
        sa.Column(
            "level",
            sa.SmallInteger(),
            nullable=False,
            comment="10 debug, 20 info, 30 warning, 40 error, 50 fatal; sorts by weight.",
        ),
        sa.Column(
            "time_quality",
            sa.SmallInteger(),
            nullable=False,
            comment="0 exact, 1 missing, 2 too_old, 3 future (1-3: received_at stands in), 4 drifted.",
        ),
        sa.Column(
            "source",
            sa.SmallInteger(),
            nullable=False,
            comment="Form of the row: 1 webhook_platform, 2 webhook_legacy, 3 service_hook, 4 sdk, 5 rest, 6 file.",
        ),
        sa.Column("handled", sa.Boolean(), nullable=True, comment="Whether the program caught it; null when not told."),
        sa.Column(
            "title",
            sa.Text(),
            nullable=True,
            comment="Sentry's title; null where it is `type: value`, the type, or the message: the view tells it.",
        ),
        sa.Column("exception_value", sa.Text(), nullable=True, comment="Message of the thrown exception."),
        sa.Column("message", sa.Text(), nullable=True, comment="The log message, formatted."),
        sa.Column("url", sa.Text(), nullable=True, comment="URL of the request, without query."),
        sa.Column(
            "tags", postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment="Tags as an object of strings."
        ),
        sa.PrimaryKeyConstraint("project_id", "event_id", "occurred_at", name=op.f("pk_fact_event")),
        schema="warehouse",
        comment="One row per error event; identity is (project_id, event_id). Rows never change.",
        postgresql_partition_by="RANGE (occurred_at)",
    )
    op.create_index(
        op.f("ix_fact_event_occurred_at"),
        "fact_event",
        ["occurred_at"],
        unique=False,
        schema="warehouse",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32},
    )
    op.create_index(
        op.f("ix_fact_event_project_id_group_key_occurred_at"),
        "fact_event",
        ["project_id", "group_key", "occurred_at"],
        unique=False,
        schema="warehouse",
    )
    op.create_table(
        "hook",
        sa.Column("hook_hash", sa.Text(), nullable=False, comment="SHA-256 of the key, in hex; the key is not kept."),
        sa.Column("name", sa.Text(), nullable=False, comment="Name for people."),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When the hook was made."),
        sa.PrimaryKeyConstraint("hook_hash", name=op.f("pk_hook")),
        schema="warehouse",
        comment="Addresses for the unsigned WebHooks plugin; its key is the right to send.",
    )
    op.create_table(
        "load_tally",
        sa.Column("origin", sa.Text(), nullable=False, comment="The spool's id, or `file`."),
        sa.Column("loaded_on", sa.Date(), nullable=False, comment="UTC day of loading."),
        sa.Column("payload_count", sa.BigInteger(), nullable=False, comment="Payloads read."),
        sa.Column("event_count", sa.BigInteger(), nullable=False, comment="Events found in them."),
        sa.Column("loaded_count", sa.BigInteger(), nullable=False, comment="Events that became a row."),
        sa.Column("duplicate_count", sa.BigInteger(), nullable=False, comment="Events that had a row already."),
        sa.Column(
            "refused_count", sa.BigInteger(), nullable=False, comment="Events that could not become a row; set aside."
        ),
        sa.Column(
            "set_aside_count", sa.BigInteger(), nullable=False, comment="Payloads set aside, whole or for one event."
        ),
        sa.PrimaryKeyConstraint("origin", "loaded_on", name=op.f("pk_load_tally")),
        schema="warehouse",
        comment="Payloads and events loaded, met again, or set aside, per origin and day.",
    )
    op.create_table(
        "project_key",
        sa.Column("public_key", sa.Text(), nullable=False, comment="32 hex digits; public by protocol."),
        sa.Column(
            "project_id",
            sa.BigInteger(),
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When the key was made."),
        sa.PrimaryKeyConstraint("public_key", name=op.f("pk_project_key")),
        schema="warehouse",
        comment="Public keys: the part of a DSN that lets an SDK send to a project.",
    )
    op.create_table(
        "set_aside",
        sa.Column(
            "set_aside_key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Hash of door, project, reason and bytes.",
        ),
        sa.Column("reason", sa.Text(), nullable=False, comment="Reason code, see docs/glossary.md."),
        sa.Column("detail", sa.Text(), nullable=False, comment="One sentence for a person."),
        sa.Column("door", sa.Text(), nullable=False, comment="URL or command it came in by."),
        sa.Column("project_id", sa.BigInteger(), nullable=True, comment="Project, where the door tells it."),
        sa.Column(
            "headers",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="Headers that matter for reading it again.",
        ),
        sa.Column(
            "first_received_at", sa.DateTime(timezone=True), nullable=False, comment="When these bytes first came."
        ),
        sa.Column("last_received_at", sa.DateTime(timezone=True), nullable=False, comment="When they came last."),
        sa.Column("seen_count", sa.BigInteger(), nullable=False, comment="How often they came."),
        sa.Column("body_bytes", sa.Integer(), nullable=False, comment="Size of the body, before compression."),
        sa.Column(
            "body", sa.LargeBinary(), nullable=False, comment="The whole payload record, zstd-compressed msgpack."
        ),
        sa.PrimaryKeyConstraint("set_aside_key", name=op.f("pk_set_aside")),
        schema="warehouse",
        comment="Authentic payloads without a row, why, and their bytes, to be loaded again after a cure.",
    )
    op.create_index(
        op.f("ix_set_aside_last_received_at"), "set_aside", ["last_received_at"], unique=False, schema="warehouse"
    )
    op.create_table(
        "spool_position",
        sa.Column("spool_id", sa.Uuid(), nullable=False, comment="The spool's own id; a new folder has a new one."),
        sa.Column("segment", sa.BigInteger(), nullable=False, comment="Number of the segment file."),
        sa.Column("byte_offset", sa.BigInteger(), nullable=False, comment="First byte in it that is not loaded."),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, comment="When the loader last moved it."),
        sa.PrimaryKeyConstraint("spool_id", name=op.f("pk_spool_position")),
        schema="warehouse",
        comment="How far each spool is loaded; moved in the transaction that loads the rows.",
    )
    # bodies are zstd already: the server need not try to compress them again
    op.execute("alter table warehouse.event_payload alter column body set storage external")
    op.execute("alter table warehouse.set_aside alter column body set storage external")


def downgrade() -> None:
    op.execute("drop schema if exists analytics cascade")
    op.execute("drop schema warehouse cascade")
