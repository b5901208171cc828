"""tell conflicts, and further forms of an event"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "event_source",
        sa.Column(
            "occurred_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="As in fact_event: where the row is, and when this goes.",
        ),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When errhouse accepted the payload that came first so, UTC.",
        ),
        sa.Column("event_id", sa.UUID(), nullable=False, comment="As in fact_event."),
        sa.Column(
            "project_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sentry's numeric id of the project; first in every key, so that rows of one project lie together.",
        ),
        sa.Column(
            "source", sa.SmallInteger(), autoincrement=False, nullable=False, comment="The form, as in fact_event."
        ),
        sa.PrimaryKeyConstraint("project_id", "event_id", "source", name=op.f("pk_event_source")),
        schema="warehouse",
        comment="Further forms that brought an event which had its row by then.",
    )
    op.create_index(
        op.f("ix_event_source_occurred_at"),
        "event_source",
        ["occurred_at"],
        unique=False,
        schema="warehouse",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32},
    )
    op.add_column(
        "load_tally",
        sa.Column(
            "conflict_count",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Events refused because another event with their id was there before.",
        ),
        schema="warehouse",
    )


def downgrade() -> None:
    op.execute("drop schema if exists analytics cascade")  # an older errhouse makes its own views again
    op.drop_column("load_tally", "conflict_count", schema="warehouse")
    op.drop_table("event_source", schema="warehouse")
