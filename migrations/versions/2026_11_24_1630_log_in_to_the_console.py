"""let people log in to the console"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "console_user",
        sa.Column("name", sa.Text(), nullable=False, comment="Name to log in with."),
        sa.Column("role", sa.Text(), nullable=False, comment="viewer, analyst or admin."),
        sa.Column(
            "password_hash",
            sa.Text(),
            nullable=True,
            comment="Argon2id hash of the password; null where only a proxy's header names the person.",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When it was added."),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), nullable=False, comment="When role or password was last set."
        ),
        sa.Column(
            "last_login_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the person last logged in by password.",
        ),
        sa.CheckConstraint("role in ('viewer', 'analyst', 'admin')", name=op.f("ck_console_user_role")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_console_user")),
        schema="warehouse",
        comment="People who may use the console.",
    )
    op.create_table(
        "console_session",
        sa.Column(
            "token_hash",
            sa.LargeBinary(),
            nullable=False,
            comment="SHA-256 of the token, which only the browser has.",
        ),
        sa.Column("user_name", sa.Text(), nullable=False, comment="Whose it is, in console_user."),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When the person logged in."),
        sa.Column(
            "seen_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When it was last used, to within some minutes.",
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False, comment="When it ends, whatever happens."),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_console_session")),
        schema="warehouse",
        comment="Open sessions of the console; who has the token is the person.",
    )


def downgrade() -> None:
    op.drop_table("console_session", schema="warehouse")
    op.drop_table("console_user", schema="warehouse")
