"""Targets: the addresses to which messages go, and how each has fared."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Integer, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Instant, described

MOST_PER_MINUTE = 20
"""Messages that a target is sent in one minute, unless it says otherwise; what is more is told in one digest."""


class Target(Base):
    """
    Grain: one address of one channel, by its name. Written by `errhouse target`.

    Targets of TARGETS_FILE have no row here. What must stay secret is sealed with a key that is not in the database.
    """

    __tablename__ = "target"
    __table_args__ = (
        CheckConstraint("most_per_minute >= 1", name="most_per_minute"),
        described("Where messages go: a channel, and an address of it."),
    )

    name: Mapped[str] = mapped_column(primary_key=True, comment="Name of the target.")
    channel: Mapped[str] = mapped_column(comment="Channel it is an address of, such as slack.")
    options: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="Options of the channel that are no secrets.")
    sealed: Mapped[bytes | None] = mapped_column(
        LargeBinary, comment="The others, as JSON sealed by AES-256-GCM; see models/sealed.py."
    )
    allow_private: Mapped[bool] = mapped_column(comment="Whether it may be an address that is not of the Internet.")
    most_per_minute: Mapped[int] = mapped_column(Integer, comment="Messages it is sent in one minute at most.")
    created_at: Mapped[Instant] = mapped_column(comment="When it was added.")
    updated_at: Mapped[Instant] = mapped_column(comment="When it was last changed.")


class TargetState(Base):
    """Grain: one target that something was sent to, whether it is in `target` or in TARGETS_FILE. By the sender."""

    __tablename__ = "target_state"
    __table_args__ = (described("How targets fare: failures in a row, and until when nothing is tried."),)

    target: Mapped[str] = mapped_column(primary_key=True, comment="Name of the target.")
    failure_count: Mapped[int] = mapped_column(Integer, comment="Attempts that failed in a row.")
    open_until: Mapped[datetime | None] = mapped_column(
        comment="Nothing is sent before; then one message is tried. Null while all is well."
    )
    attempted_at: Mapped[Instant] = mapped_column(comment="When something was last sent, or tried.")
    sent_at: Mapped[datetime | None] = mapped_column(comment="When something last arrived.")
    error: Mapped[str | None] = mapped_column(comment="One sentence on the last failure; null when the last went well.")
