"""Report runs: what was reported, for which period, and how it went."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Instant, described


class ReportRun(Base):
    """
    Grain: one run of one report for one instant of its schedule, or one asked for by hand.

    The key is the claim: of several schedulers, the one whose row goes in runs it. A row holds all that the run needs,
    so that a change of its schedule does not reach it.
    """

    __tablename__ = "report_run"
    __table_args__ = (
        UniqueConstraint("run_id"),
        CheckConstraint("status in ('running', 'done', 'failed', 'skipped')", name="status"),
        Index("ix_report_run_running", "heartbeat_at", postgresql_where=text("status = 'running'")),
        described("Runs of reports: the claim, the period and the outcome of each."),
    )

    run_id: Mapped[UUID] = mapped_column(comment="The run's own id.")
    name: Mapped[str] = mapped_column(
        primary_key=True, comment="Name of the schedule, or of the report when asked for by hand."
    )
    report: Mapped[str] = mapped_column(comment="Name of the report.")
    scheduled_for: Mapped[Instant] = mapped_column(primary_key=True, comment="The instant of the schedule it answers.")
    period_start: Mapped[datetime | None] = mapped_column(comment="First instant of the period reported on.")
    period_end: Mapped[datetime | None] = mapped_column(comment="First instant after the period.")
    status: Mapped[str] = mapped_column(comment="running, done, failed or skipped.")
    attempt_count: Mapped[int] = mapped_column(Integer, comment="How often it was begun.")
    worker: Mapped[str | None] = mapped_column(comment="Host and process that runs it.")
    started_at: Mapped[datetime | None] = mapped_column(comment="When the last attempt began.")
    heartbeat_at: Mapped[datetime | None] = mapped_column(comment="When its worker last said that it lives.")
    finished_at: Mapped[datetime | None] = mapped_column(comment="When it ended.")
    row_count: Mapped[int | None] = mapped_column(BigInteger, comment="Rows read from the warehouse.")
    error: Mapped[str | None] = mapped_column(comment="One sentence on why it failed.")
    parameters: Mapped[dict[str, Any] | None] = mapped_column(JSONB, comment="What was asked for: grouping, filters.")
    zone: Mapped[str | None] = mapped_column(comment="IANA time zone of the report's days.")
    formats: Mapped[list[str] | None] = mapped_column(ARRAY(TEXT), comment="Formats it is to make.")
    targets: Mapped[list[str] | None] = mapped_column(ARRAY(TEXT), comment="Where they are to be sent too.")
    memory_bytes: Mapped[int | None] = mapped_column(BigInteger, comment="Most memory that its process held.")
    code_version: Mapped[str | None] = mapped_column(comment="Version of errhouse that made it.")
