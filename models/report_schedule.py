"""Report schedules: which report is made when, of what, and where it goes."""

from typing import Any

from sqlalchemy import CheckConstraint, Integer
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Instant, described


class ReportSchedule(Base):
    """Grain: one schedule, by its name. Written by `errhouse schedule`; its runs stay in report_run when it goes."""

    __tablename__ = "report_schedule"
    __table_args__ = (
        CheckConstraint("catch_up in ('latest', 'all', 'skip')", name="catch_up"),
        CheckConstraint("settle_seconds >= 0 and max_lateness_seconds >= 0", name="seconds"),
        described("Schedules of reports: which report is made when, of what, and where it goes."),
    )

    name: Mapped[str] = mapped_column(primary_key=True, comment="Name of the schedule.")
    report: Mapped[str] = mapped_column(comment="Name of the report.")
    cron: Mapped[str] = mapped_column(comment="When, as five fields of cron, in the zone.")
    zone: Mapped[str] = mapped_column(comment="IANA time zone of the cron fields and of the report's days.")
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="What is asked for: grouping, filters.")
    formats: Mapped[list[str]] = mapped_column(ARRAY(TEXT), comment="Formats in which the report is made and kept.")
    targets: Mapped[list[str]] = mapped_column(ARRAY(TEXT), comment="Where it is sent too, such as file:/folder.")
    catch_up: Mapped[str] = mapped_column(comment="Of runs that were missed: latest, all, or skip.")
    max_lateness_seconds: Mapped[int] = mapped_column(Integer, comment="Older than this, a missed run is not owed.")
    settle_seconds: Mapped[int] = mapped_column(Integer, comment="How long it waits for late events before it runs.")
    is_enabled: Mapped[bool] = mapped_column(comment="False while it is paused.")
    starts_at: Mapped[Instant] = mapped_column(comment="Runs before this instant are not owed; it was set or resumed.")
    created_at: Mapped[Instant] = mapped_column(comment="When it was added.")
    updated_at: Mapped[Instant] = mapped_column(comment="When it was last changed.")
