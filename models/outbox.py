"""What is to be sent, every attempt at it, and what came of it elsewhere: tickets, and scripts that were run."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import PROJECT_ID, Base, Instant, described

OPEN = text("status in ('waiting', 'sending')")


class Outbox(Base):
    """
    Grain: one message to one target. Written in the transaction that found the reason for it; sent after its commit.

    It is sent at least once, always with the same key, by which a receiver knows it again.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("key"),
        CheckConstraint("status in ('waiting', 'sending', 'sent', 'failed')", name="status"),
        Index("ix_outbox_due", "due_at", postgresql_where=OPEN),
        Index(None, "target", "created_at"),
        described("Messages to targets: those that wait, and what became of the others."),
    )

    message_id: Mapped[UUID] = mapped_column(primary_key=True, comment="The message's own id; receivers are told it.")
    key: Mapped[str] = mapped_column(comment="What it is about; the same reason never makes a second message.")
    target: Mapped[str] = mapped_column(comment="Name of the target.")
    kind: Mapped[str] = mapped_column(comment="alert, digest, report or test.")
    rule: Mapped[str | None] = mapped_column(comment="Name of the alert rule; null for what no rule asked for.")
    message: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="What it says, without any channel's markup.")
    run_id: Mapped[UUID | None] = mapped_column(comment="The report run whose files go with it.")
    created_at: Mapped[Instant] = mapped_column(comment="When the reason for it was found.")
    due_at: Mapped[Instant] = mapped_column(comment="When it is to be sent, or tried again.")
    status: Mapped[str] = mapped_column(comment="waiting, sending, sent or failed.")
    attempt_count: Mapped[int] = mapped_column(Integer, comment="How often it was tried.")
    claimed_until: Mapped[datetime | None] = mapped_column(comment="Until when the one who sends it is waited for.")
    finished_at: Mapped[datetime | None] = mapped_column(comment="When it was sent or given up.")
    error: Mapped[str | None] = mapped_column(comment="One sentence on the last failure.")


class Delivery(Base):
    """Grain: one attempt to send one message. Written when it ended; one without an end was cut off by a crash."""

    __tablename__ = "delivery"
    __table_args__ = (
        PrimaryKeyConstraint("message_id", "attempt"),
        CheckConstraint("outcome in ('delivered', 'temporary', 'permanent')", name="outcome"),
        Index(None, "ended_at"),
        described("Attempts to send messages, and what was answered."),
    )

    message_id: Mapped[UUID] = mapped_column(comment="The message, in outbox.")
    attempt: Mapped[int] = mapped_column(Integer, comment="1 for the first.")
    target: Mapped[str] = mapped_column(comment="Name of the target.")
    started_at: Mapped[Instant] = mapped_column(comment="When it began.")
    ended_at: Mapped[Instant] = mapped_column(comment="When it ended.")
    outcome: Mapped[str] = mapped_column(comment="delivered, temporary (it is tried again) or permanent.")
    status: Mapped[int | None] = mapped_column(Integer, comment="HTTP status or SMTP code that was answered.")
    detail: Mapped[str | None] = mapped_column(comment="What was answered, or what went wrong, without secrets; 2 KB.")


class Ticket(Base):
    """
    Grain: one issue and one target that opens tickets. Written before the ticket is opened, and when it is.

    `number` is null while it is not known whether the ticket is there: who comes next searches for `key` first.
    """

    __tablename__ = "ticket"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "issue_id", "target"),
        described("Tickets elsewhere that were opened for issues."),
    )

    project_id: Mapped[int] = mapped_column(BigInteger, autoincrement=False, comment=PROJECT_ID)
    issue_id: Mapped[int] = mapped_column(BigInteger, autoincrement=False, comment="As in analytics.issues.")
    target: Mapped[str] = mapped_column(comment="Name of the target.")
    key: Mapped[str] = mapped_column(comment="Word in the ticket's body by which it is found again.")
    number: Mapped[str | None] = mapped_column(comment="What the tracker calls it, such as 17 or SHOP-17.")
    url: Mapped[str | None] = mapped_column(comment="Its address.")
    begun_at: Mapped[Instant] = mapped_column(comment="When somebody last began to open it.")
    opened_at: Mapped[datetime | None] = mapped_column(comment="When it was found to be there.")


class ScriptRun(Base):
    """Grain: one run of an automation script. Written when it began and when it ended; never changed after that."""

    __tablename__ = "script_run"
    __table_args__ = (
        CheckConstraint("outcome in ('begun', 'done', 'failed', 'refused')", name="outcome"),
        Index(None, "started_at"),
        Index(None, "message_id"),
        Index(None, "target", "started_at"),
        described("Automation scripts that were run: by what, and how it went."),
    )

    run_id: Mapped[UUID] = mapped_column(primary_key=True, comment="The run's own id, ACTION_ID to the script.")
    target: Mapped[str | None] = mapped_column(comment="Name of the target; null when it was tested by hand.")
    message_id: Mapped[UUID | None] = mapped_column(comment="The message it was run for, in outbox.")
    script: Mapped[str] = mapped_column(comment="File in the folder of scripts.")
    sha256: Mapped[bytes] = mapped_column(LargeBinary, comment="What the file was.")
    is_dry_run: Mapped[bool] = mapped_column(comment="Whether it was only told, not run.")
    started_at: Mapped[Instant] = mapped_column(comment="When it began.")
    ended_at: Mapped[datetime | None] = mapped_column(comment="When nothing of it was left; null if it was cut off.")
    outcome: Mapped[str] = mapped_column(
        comment="begun, done, failed or refused. One that stays begun was cut off by a crash."
    )
    exit_code: Mapped[int | None] = mapped_column(Integer, comment="What it ended with; null when it was ended.")
    error: Mapped[str | None] = mapped_column(comment="One sentence on why it was refused or ended.")
    output: Mapped[str | None] = mapped_column(comment="What it printed, both streams, the first 64 KiB.")
