"""schedule reports, and keep what they made"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OF_RUNS = (
    ("zone", sa.Text(), "IANA time zone of the report's days."),
    ("formats", postgresql.ARRAY(sa.TEXT()), "Formats it is to make."),
    ("targets", postgresql.ARRAY(sa.TEXT()), "Where they are to be sent too."),
    ("memory_bytes", sa.BigInteger(), "Most memory that its process held."),
    ("code_version", sa.Text(), "Version of errhouse that made it."),
)


def upgrade() -> None:
    op.create_table(
        "report_schedule",
        sa.Column("name", sa.Text(), nullable=False, comment="Name of the schedule."),
        sa.Column("report", sa.Text(), nullable=False, comment="Name of the report."),
        sa.Column("cron", sa.Text(), nullable=False, comment="When, as five fields of cron, in the zone."),
        sa.Column(
            "zone", sa.Text(), nullable=False, comment="IANA time zone of the cron fields and of the report's days."
        ),
        sa.Column(
            "parameters",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="What is asked for: grouping, filters.",
        ),
        sa.Column(
            "formats",
            postgresql.ARRAY(sa.TEXT()),
            nullable=False,
            comment="Formats in which the report is made and kept.",
        ),
        sa.Column(
            "targets",
            postgresql.ARRAY(sa.TEXT()),
            nullable=False,
            comment="Where it is sent too, such as file:/folder.",
        ),
        sa.Column("catch_up", sa.Text(), nullable=False, comment="Of runs that were missed: latest, all, or skip."),
        sa.Column(
            "max_lateness_seconds",
            sa.Integer(),
            nullable=False,
            comment="Older than this, a missed run is not owed.",
        ),
        sa.Column(
            "settle_seconds",
            sa.Integer(),
            nullable=False,
            comment="How long it waits for late events before it runs.",
        ),
        sa.Column("is_enabled", sa.Boolean(), nullable=False, comment="False while it is paused."),
        sa.Column(
            "starts_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="Runs before this instant are not owed; it was set or resumed.",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When it was added."),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, comment="When it was last changed."),
        sa.CheckConstraint("catch_up in ('latest', 'all', 'skip')", name=op.f("ck_report_schedule_catch_up")),
        sa.CheckConstraint(
            "settle_seconds >= 0 and max_lateness_seconds >= 0", name=op.f("ck_report_schedule_seconds")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_report_schedule")),
        schema="warehouse",
        comment="Schedules of reports: which report is made when, of what, and where it goes.",
    )
    op.create_table(
        "report_artifact",
        sa.Column("run_id", sa.Uuid(), nullable=False, comment="Run in report_run that made it."),
        sa.Column("format", sa.Text(), nullable=False, comment="Name of the format, such as html or json."),
        sa.Column("sha256", sa.LargeBinary(), nullable=False, comment="Hash of the body."),
        sa.Column("body_bytes", sa.BigInteger(), nullable=False, comment="Size of the body."),
        sa.Column("body", sa.LargeBinary(), nullable=False, comment="The file."),
        sa.PrimaryKeyConstraint("run_id", "format", name=op.f("pk_report_artifact")),
        schema="warehouse",
        comment="What runs of reports made: one file for each format, as it is.",
    )
    for name, kind, comment in OF_RUNS:
        op.add_column("report_run", sa.Column(name, kind, nullable=True, comment=comment), schema="warehouse")
    # the claim becomes the key, since a claim is an insert that names the whole key
    _rekey("uq_report_run_name_scheduled_for", ["name", "scheduled_for"], "uq_report_run_run_id", ["run_id"])
    op.create_index(
        "ix_report_run_running",
        "report_run",
        ["heartbeat_at"],
        schema="warehouse",
        postgresql_where=sa.text("status = 'running'"),
    )


def downgrade() -> None:
    op.drop_index("ix_report_run_running", table_name="report_run", schema="warehouse")
    _rekey("uq_report_run_run_id", ["run_id"], "uq_report_run_name_scheduled_for", ["name", "scheduled_for"])
    for name, _, _ in OF_RUNS:
        op.drop_column("report_run", name, schema="warehouse")
    op.drop_table("report_artifact", schema="warehouse")
    op.drop_table("report_schedule", schema="warehouse")


def _rekey(old: str, key: list[str], unique: str, other: list[str]) -> None:
    op.drop_constraint(op.f("pk_report_run"), "report_run", schema="warehouse")
    op.drop_constraint(op.f(old), "report_run", schema="warehouse")
    op.create_primary_key(op.f("pk_report_run"), "report_run", key, schema="warehouse")
    op.create_unique_constraint(op.f(unique), "report_run", other, schema="warehouse")
