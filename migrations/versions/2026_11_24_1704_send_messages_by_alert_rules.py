"""send messages, by alert rules"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert_count",
        sa.Column(
            "rule",
            sa.Text(),
            nullable=False,
            comment="Name of the rule; empty where a target's messages are counted.",
        ),
        sa.Column("subject", sa.Text(), nullable=False, comment="What is counted, such as project:1, or the target."),
        sa.Column(
            "minute",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="First instant of the minute in which they were folded, or are due.",
        ),
        sa.Column("event_count", sa.BigInteger(), nullable=False, comment="Events."),
        sa.PrimaryKeyConstraint("rule", "subject", "minute", name=op.f("pk_alert_count")),
        schema="warehouse",
        comment="Events that matched a rule with a threshold, by minute; they are counted as they are loaded.",
    )
    op.create_table(
        "alert_feed",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column("group_key", sa.BigInteger(), nullable=False, comment="Into dim_group."),
        sa.Column(
            "culprit_key", sa.BigInteger(), nullable=False, comment="Into dim_culprit; 0 when there is no culprit."
        ),
        sa.Column(
            "environment_key", sa.BigInteger(), nullable=False, comment="Into dim_environment; 0 when none was sent."
        ),
        sa.Column("release_key", sa.BigInteger(), nullable=False, comment="Into dim_release; 0 when none was sent."),
        sa.Column(
            "level", sa.SmallInteger(), nullable=False, comment="10 debug, 20 info, 30 warning, 40 error, 50 fatal."
        ),
        sa.Column("event_count", sa.BigInteger(), nullable=False, comment="Events."),
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
            "seen_before_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Last event of the group before; null for a new group.",
        ),
        sa.Column(
            "folded_at", sa.DateTime(timezone=True), nullable=False, comment="When they were folded into the rollups."
        ),
        schema="warehouse",
        comment="What was loaded since alert rules were last evaluated, which empties it. Empty without a rule.",
        postgresql_with={
            "autovacuum_vacuum_scale_factor": 0,
            "autovacuum_vacuum_threshold": 50000,
            "autovacuum_analyze_threshold": 2000000000,
        },
    )
    op.create_table(
        "alert_rule",
        sa.Column("name", sa.Text(), nullable=False, comment="Name of the rule."),
        sa.Column("kind", sa.Text(), nullable=False, comment="What it waits for, such as new_issue."),
        sa.Column(
            "matches",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="Which events: lists under project, level, culprit, title, release, environment; tag, an object.",
        ),
        sa.Column(
            "parameters",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="What its kind asks for, such as a threshold.",
        ),
        sa.Column("targets", postgresql.ARRAY(sa.TEXT()), nullable=False, comment="Names of targets that are told."),
        sa.Column(
            "group_by",
            sa.Text(),
            nullable=False,
            comment="What one message is about: an issue, a project, or all of the rule.",
        ),
        sa.Column(
            "cooldown_seconds",
            sa.Integer(),
            nullable=False,
            comment="How long nothing more is told of the same subject.",
        ),
        sa.Column("quiet", sa.Text(), nullable=True, comment="Hours in which nothing is sent, such as 22:00-07:00."),
        sa.Column("zone", sa.Text(), nullable=False, comment="IANA time zone of the quiet hours."),
        sa.Column("is_enabled", sa.Boolean(), nullable=False, comment="False while it is paused."),
        sa.Column(
            "starts_at", sa.DateTime(timezone=True), nullable=False, comment="What was loaded before is not told."
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When it was added."),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, comment="When it was last changed."),
        sa.Column(
            "evaluated_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When one that asks by the clock last asked.",
        ),
        sa.Column(
            "error", sa.Text(), nullable=True, comment="One sentence on why it cannot be evaluated; null when it can."
        ),
        sa.CheckConstraint("group_by in ('issue', 'project', 'rule')", name=op.f("ck_alert_rule_group_by")),
        sa.CheckConstraint("cooldown_seconds >= 0", name=op.f("ck_alert_rule_cooldown_seconds")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_alert_rule")),
        schema="warehouse",
        comment="Alert rules: what is told, of which events, to whom, and how often.",
    )
    op.create_table(
        "alert_state",
        sa.Column("rule", sa.Text(), nullable=False, comment="Name of the rule."),
        sa.Column("subject", sa.Text(), nullable=False, comment="What it told of, such as issue:1:42:new."),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False, comment="When it was last told."),
        sa.Column(
            "is_firing",
            sa.Boolean(),
            nullable=False,
            comment="Whether the condition holds; told again once it did not.",
        ),
        sa.PrimaryKeyConstraint("rule", "subject", name=op.f("pk_alert_state")),
        schema="warehouse",
        comment="What rules have told of, and when: so that nothing is told twice or too often.",
    )
    op.create_table(
        "delivery",
        sa.Column("message_id", sa.Uuid(), nullable=False, comment="The message, in outbox."),
        sa.Column("attempt", sa.Integer(), nullable=False, comment="1 for the first."),
        sa.Column("target", sa.Text(), nullable=False, comment="Name of the target."),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, comment="When it began."),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False, comment="When it ended."),
        sa.Column(
            "outcome", sa.Text(), nullable=False, comment="delivered, temporary (it is tried again) or permanent."
        ),
        sa.Column("status", sa.Integer(), nullable=True, comment="HTTP status or SMTP code that was answered."),
        sa.Column(
            "detail", sa.Text(), nullable=True, comment="What was answered, or what went wrong, without secrets; 2 KB."
        ),
        sa.CheckConstraint("outcome in ('delivered', 'temporary', 'permanent')", name=op.f("ck_delivery_outcome")),
        sa.PrimaryKeyConstraint("message_id", "attempt", name=op.f("pk_delivery")),
        schema="warehouse",
        comment="Attempts to send messages, and what was answered.",
    )
    op.create_index(op.f("ix_delivery_ended_at"), "delivery", ["ended_at"], unique=False, schema="warehouse")
    op.create_table(
        "outbox",
        sa.Column("message_id", sa.Uuid(), nullable=False, comment="The message's own id; receivers are told it."),
        sa.Column(
            "key", sa.Text(), nullable=False, comment="What it is about; the same reason never makes a second message."
        ),
        sa.Column("target", sa.Text(), nullable=False, comment="Name of the target."),
        sa.Column("kind", sa.Text(), nullable=False, comment="alert, digest, report or test."),
        sa.Column("rule", sa.Text(), nullable=True, comment="Name of the alert rule; null for what no rule asked for."),
        sa.Column(
            "message",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="What it says, without any channel's markup.",
        ),
        sa.Column("run_id", sa.Uuid(), nullable=True, comment="The report run whose files go with it."),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=False, comment="When the reason for it was found."
        ),
        sa.Column(
            "due_at", sa.DateTime(timezone=True), nullable=False, comment="When it is to be sent, or tried again."
        ),
        sa.Column("status", sa.Text(), nullable=False, comment="waiting, sending, sent or failed."),
        sa.Column("attempt_count", sa.Integer(), nullable=False, comment="How often it was tried."),
        sa.Column(
            "claimed_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Until when the one who sends it is waited for.",
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True, comment="When it was sent or given up."),
        sa.Column("error", sa.Text(), nullable=True, comment="One sentence on the last failure."),
        sa.CheckConstraint("status in ('waiting', 'sending', 'sent', 'failed')", name=op.f("ck_outbox_status")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_outbox_key")),
        schema="warehouse",
        comment="Messages to targets: those that wait, and what became of the others.",
    )
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["due_at"],
        unique=False,
        schema="warehouse",
        postgresql_where=sa.text("status in ('waiting', 'sending')"),
    )
    op.create_index(
        op.f("ix_outbox_target_created_at"), "outbox", ["target", "created_at"], unique=False, schema="warehouse"
    )
    op.create_table(
        "script_run",
        sa.Column("run_id", sa.Uuid(), nullable=False, comment="The run's own id, ACTION_ID to the script."),
        sa.Column("target", sa.Text(), nullable=True, comment="Name of the target; null when it was tested by hand."),
        sa.Column("message_id", sa.Uuid(), nullable=True, comment="The message it was run for, in outbox."),
        sa.Column("script", sa.Text(), nullable=False, comment="File in the folder of scripts."),
        sa.Column("sha256", sa.LargeBinary(), nullable=False, comment="What the file was."),
        sa.Column("is_dry_run", sa.Boolean(), nullable=False, comment="Whether it was only told, not run."),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, comment="When it began."),
        sa.Column(
            "ended_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When nothing of it was left; null if it was cut off.",
        ),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=False,
            comment="begun, done, failed or refused. One that stays begun was cut off by a crash.",
        ),
        sa.Column("exit_code", sa.Integer(), nullable=True, comment="What it ended with; null when it was ended."),
        sa.Column("error", sa.Text(), nullable=True, comment="One sentence on why it was refused or ended."),
        sa.Column("output", sa.Text(), nullable=True, comment="What it printed, both streams, the first 64 KiB."),
        sa.CheckConstraint("outcome in ('begun', 'done', 'failed', 'refused')", name=op.f("ck_script_run_outcome")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_script_run")),
        schema="warehouse",
        comment="Automation scripts that were run: by what, and how it went.",
    )
    op.create_index(op.f("ix_script_run_message_id"), "script_run", ["message_id"], unique=False, schema="warehouse")
    op.create_index(op.f("ix_script_run_started_at"), "script_run", ["started_at"], unique=False, schema="warehouse")
    op.create_index(
        op.f("ix_script_run_target_started_at"),
        "script_run",
        ["target", "started_at"],
        unique=False,
        schema="warehouse",
    )
    op.create_table(
        "target",
        sa.Column("name", sa.Text(), nullable=False, comment="Name of the target."),
        sa.Column("channel", sa.Text(), nullable=False, comment="Channel it is an address of, such as slack."),
        sa.Column(
            "options",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="Options of the channel that are no secrets.",
        ),
        sa.Column(
            "sealed",
            sa.LargeBinary(),
            nullable=True,
            comment="The others, as JSON sealed by AES-256-GCM; see models/sealed.py.",
        ),
        sa.Column(
            "allow_private",
            sa.Boolean(),
            nullable=False,
            comment="Whether it may be an address that is not of the Internet.",
        ),
        sa.Column(
            "most_per_minute", sa.Integer(), nullable=False, comment="Messages it is sent in one minute at most."
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When it was added."),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, comment="When it was last changed."),
        sa.CheckConstraint("most_per_minute >= 1", name=op.f("ck_target_most_per_minute")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_target")),
        schema="warehouse",
        comment="Where messages go: a channel, and an address of it.",
    )
    op.create_table(
        "target_state",
        sa.Column("target", sa.Text(), nullable=False, comment="Name of the target."),
        sa.Column("failure_count", sa.Integer(), nullable=False, comment="Attempts that failed in a row."),
        sa.Column(
            "open_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Nothing is sent before; then one message is tried. Null while all is well.",
        ),
        sa.Column(
            "attempted_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When something was last sent, or tried.",
        ),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True, comment="When something last arrived."),
        sa.Column(
            "error", sa.Text(), nullable=True, comment="One sentence on the last failure; null when the last went well."
        ),
        sa.PrimaryKeyConstraint("target", name=op.f("pk_target_state")),
        schema="warehouse",
        comment="How targets fare: failures in a row, and until when nothing is tried.",
    )
    op.create_table(
        "ticket",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column("issue_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="As in analytics.issues."),
        sa.Column("target", sa.Text(), nullable=False, comment="Name of the target."),
        sa.Column("key", sa.Text(), nullable=False, comment="Word in the ticket's body by which it is found again."),
        sa.Column("number", sa.Text(), nullable=True, comment="What the tracker calls it, such as 17 or SHOP-17."),
        sa.Column("url", sa.Text(), nullable=True, comment="Its address."),
        sa.Column(
            "begun_at", sa.DateTime(timezone=True), nullable=False, comment="When somebody last began to open it."
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True, comment="When it was found to be there."),
        sa.PrimaryKeyConstraint("project_id", "issue_id", "target", name=op.f("pk_ticket")),
        schema="warehouse",
        comment="Tickets elsewhere that were opened for issues.",
    )
    op.add_column(
        "dim_group",
        sa.Column(
            "url",
            sa.Text(),
            nullable=True,
            comment="Address of the issue in Sentry, where the event that moved the group to it told one.",
        ),
        schema="warehouse",
    )
    op.add_column(
        "issue_change",
        sa.Column(
            "is_told",
            sa.Boolean(),
            server_default="true",  # of those that are there, nobody is told any more
            nullable=False,
            comment="Whether alert rules have been evaluated on it.",
        ),
        schema="warehouse",
    )
    op.alter_column("issue_change", "is_told", server_default="false", schema="warehouse")
    op.create_index(
        "ix_issue_change_untold",
        "issue_change",
        ["received_at"],
        unique=False,
        schema="warehouse",
        postgresql_where=sa.text("not is_told"),
    )


def downgrade() -> None:
    op.execute("drop schema if exists analytics cascade")  # an older errhouse makes its own views again
    op.drop_index(
        "ix_issue_change_untold", table_name="issue_change", schema="warehouse", postgresql_where=sa.text("not is_told")
    )
    op.drop_column("issue_change", "is_told", schema="warehouse")
    op.drop_column("dim_group", "url", schema="warehouse")
    op.drop_table("ticket", schema="warehouse")
    op.drop_table("target_state", schema="warehouse")
    op.drop_table("target", schema="warehouse")
    op.drop_index(op.f("ix_script_run_target_started_at"), table_name="script_run", schema="warehouse")
    op.drop_index(op.f("ix_script_run_started_at"), table_name="script_run", schema="warehouse")
    op.drop_index(op.f("ix_script_run_message_id"), table_name="script_run", schema="warehouse")
    op.drop_table("script_run", schema="warehouse")
    op.drop_index(op.f("ix_outbox_target_created_at"), table_name="outbox", schema="warehouse")
    op.drop_index(
        "ix_outbox_due",
        table_name="outbox",
        schema="warehouse",
        postgresql_where=sa.text("status in ('waiting', 'sending')"),
    )
    op.drop_table("outbox", schema="warehouse")
    op.drop_index(op.f("ix_delivery_ended_at"), table_name="delivery", schema="warehouse")
    op.drop_table("delivery", schema="warehouse")
    op.drop_table("alert_state", schema="warehouse")
    op.drop_table("alert_rule", schema="warehouse")
    op.drop_table("alert_feed", schema="warehouse")
    op.drop_table("alert_count", schema="warehouse")
