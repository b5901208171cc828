"""Alert rules, what they have told, and the feed of what was loaded that they are evaluated on."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from models.base import PROJECT_ID, Base, Instant, described
from models.rollup import (
    CULPRIT_KEY,
    ENVIRONMENT_KEY,
    EVENT_COUNT,
    GROUP_KEY,
    LEVEL,
    OWN_UPKEEP,
    RELEASE_KEY,
    UNHANDLED_COUNT,
)


class AlertRule(Base):
    """Grain: one alert rule, by its name. Written by `errhouse rule`; evaluated by the scheduler."""

    __tablename__ = "alert_rule"
    __table_args__ = (
        CheckConstraint("group_by in ('issue', 'project', 'rule')", name="group_by"),
        CheckConstraint("cooldown_seconds >= 0", name="cooldown_seconds"),
        described("Alert rules: what is told, of which events, to whom, and how often."),
    )

    name: Mapped[str] = mapped_column(primary_key=True, comment="Name of the rule.")
    kind: Mapped[str] = mapped_column(comment="What it waits for, such as new_issue.")
    matches: Mapped[dict[str, Any]] = mapped_column(
        JSONB, comment="Which events: lists under project, level, culprit, title, release, environment; tag, an object."
    )
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="What its kind asks for, such as a threshold.")
    targets: Mapped[list[str]] = mapped_column(ARRAY(TEXT), comment="Names of targets that are told.")
    group_by: Mapped[str] = mapped_column(comment="What one message is about: an issue, a project, or all of the rule.")
    cooldown_seconds: Mapped[int] = mapped_column(Integer, comment="How long nothing more is told of the same subject.")
    quiet: Mapped[str | None] = mapped_column(comment="Hours in which nothing is sent, such as 22:00-07:00.")
    zone: Mapped[str] = mapped_column(comment="IANA time zone of the quiet hours.")
    is_enabled: Mapped[bool] = mapped_column(comment="False while it is paused.")
    starts_at: Mapped[Instant] = mapped_column(comment="What was loaded before is not told.")
    created_at: Mapped[Instant] = mapped_column(comment="When it was added.")
    updated_at: Mapped[Instant] = mapped_column(comment="When it was last changed.")
    evaluated_at: Mapped[datetime | None] = mapped_column(comment="When one that asks by the clock last asked.")
    error: Mapped[str | None] = mapped_column(comment="One sentence on why it cannot be evaluated; null when it can.")


class AlertState(Base):
    """Grain: one rule and what it told of. Written by the evaluation; gone some time after its cooldown."""

    __tablename__ = "alert_state"
    __table_args__ = (
        PrimaryKeyConstraint("rule", "subject"),
        described("What rules have told of, and when: so that nothing is told twice or too often."),
    )

    rule: Mapped[str] = mapped_column(comment="Name of the rule.")
    subject: Mapped[str] = mapped_column(comment="What it told of, such as issue:1:42:new.")
    told_at: Mapped[Instant] = mapped_column(comment="When it was last told.")
    is_firing: Mapped[bool] = mapped_column(Boolean, comment="Whether the condition holds; told again once it did not.")


class AlertCount(Base):
    """
    Grain: one rule, one subject, one minute of loading. Written by the evaluation; gone with the rule's window.

    Rows without a rule count what a target is sent, by the minute in which it is due.
    """

    __tablename__ = "alert_count"
    __table_args__ = (
        PrimaryKeyConstraint("rule", "subject", "minute"),
        described("Events that matched a rule with a threshold, by minute; they are counted as they are loaded."),
    )

    rule: Mapped[str] = mapped_column(comment="Name of the rule; empty where a target's messages are counted.")
    subject: Mapped[str] = mapped_column(comment="What is counted, such as project:1, or the target.")
    minute: Mapped[Instant] = mapped_column(
        comment="First instant of the minute in which they were folded, or are due."
    )
    event_count: Mapped[int] = mapped_column(BigInteger, comment=EVENT_COUNT)


ALERT_FEED = Table(
    "alert_feed",
    Base.metadata,
    Column("project_id", BigInteger, nullable=False, comment=PROJECT_ID),
    Column("group_key", BigInteger, nullable=False, comment=GROUP_KEY),
    Column("culprit_key", BigInteger, nullable=False, comment=CULPRIT_KEY),
    Column("environment_key", BigInteger, nullable=False, comment=ENVIRONMENT_KEY),
    Column("release_key", BigInteger, nullable=False, comment=RELEASE_KEY),
    Column("level", SmallInteger, nullable=False, comment=LEVEL),
    Column("event_count", BigInteger, nullable=False, comment=EVENT_COUNT),
    Column("unhandled_count", BigInteger, nullable=False, comment=UNHANDLED_COUNT),
    Column("first_at", DateTime(timezone=True), nullable=False, comment="When the first of the events occurred."),
    Column("last_at", DateTime(timezone=True), nullable=False, comment="When the last of the events occurred."),
    Column("seen_before_at", DateTime(timezone=True), comment="Last event of the group before; null for a new group."),
    Column("folded_at", DateTime(timezone=True), nullable=False, comment="When they were folded into the rollups."),
    comment="What was loaded since alert rules were last evaluated, which empties it. Empty without a rule.",
    postgresql_with=OWN_UPKEEP,
)
"""Grain: one fold, group, culprit, level, environment and release. Written by `models.fold`; only read as a whole."""
