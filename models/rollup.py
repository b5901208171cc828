"""
Rollups: how often, by project, hour or day, and what it happened to; and the deltas they are folded from.

A loading transaction appends what it adds to `rollup_delta`; `models.fold` moves deltas into the rollups every few
seconds. A rollup and the deltas that are not folded yet are exact together, at every instant: the views add them up.

Keys of dimensions are 0 where the fact has null, so that they can stand in a primary key. Users are not additive: each
row keeps a sketch of its users that can be merged, see docs/adr/0011.
"""

from datetime import date

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Date,
    DateTime,
    Double,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from models.base import PROJECT_ID, Base, Instant, Key, described

SKETCH_USERS = 1024
"""
Users a sketch keeps: the lowest of their keys, which are uniform hashes. With fewer it is exact; beyond, the standard
error is 1 / sqrt(SKETCH_USERS - 2), 3.1 %. Fixed: the migration's functions count on it.
"""

HOUR = "First instant of the UTC hour in which the events occurred."
DAY = "UTC day on which the events occurred."
GROUP_KEY = "Into dim_group."
CULPRIT_KEY = "Into dim_culprit; 0 when there is no culprit."
ENVIRONMENT_KEY = "Into dim_environment; 0 when none was sent."
RELEASE_KEY = "Into dim_release; 0 when none was sent."
LEVEL = "10 debug, 20 info, 30 warning, 40 error, 50 fatal."
EVENT_COUNT = "Events."
WEIGHTED_COUNT = "Events, each counted as the number it stands for: 1 / sample rate."
UNHANDLED_COUNT = "Events whose exception the program did not catch."
WITHOUT_USER_COUNT = "Events that name no user."
ODD_TIME_COUNT = "Events whose occurred_at is not what the sender said, or that a drifting clock told."
DELAY_SECONDS_SUM = "Seconds from accepting to loading, summed over the events."
USER_SKETCH = "The lowest 1,024 distinct user keys, ascending: all of them if fewer. Null without a user."
USER_COUNT = "Distinct users, counted in the fact once the day is closed and the sketch full; else null."

BY_DAY = {"postgresql_partition_by": "RANGE (day)"}
BY_HOUR = {"postgresql_partition_by": "RANGE (hour)"}
TO_COUNT = text(f"user_count is null and cardinality(user_sketch) >= {SKETCH_USERS}")

OWN_UPKEEP = {
    "autovacuum_vacuum_scale_factor": 0,
    "autovacuum_vacuum_threshold": 50_000,
    "autovacuum_analyze_threshold": 2_000_000_000,
}
"""Folding vacuums the deltas. Who looks just after a fold finds none, and every plan would then be made for no rows."""

ROLLUP_DELTA = Table(
    "rollup_delta",
    Base.metadata,
    Column("project_id", BigInteger, nullable=False, comment=PROJECT_ID),
    Column("batch_id", Uuid, nullable=False, comment="The batch that added it; a batch is folded as a whole."),
    Column("hour", DateTime(timezone=True), nullable=False, comment=HOUR),
    Column("group_key", BigInteger, nullable=False, comment=GROUP_KEY),
    Column("culprit_key", BigInteger, nullable=False, comment=CULPRIT_KEY),
    Column("environment_key", BigInteger, nullable=False, comment=ENVIRONMENT_KEY),
    Column("release_key", BigInteger, nullable=False, comment=RELEASE_KEY),
    Column("event_count", BigInteger, nullable=False, comment=EVENT_COUNT),
    Column("weighted_count", Double, nullable=False, comment=WEIGHTED_COUNT),
    Column("unhandled_count", BigInteger, nullable=False, comment=UNHANDLED_COUNT),
    Column("without_user_count", BigInteger, nullable=False, comment=WITHOUT_USER_COUNT),
    Column("odd_time_count", BigInteger, nullable=False, comment=ODD_TIME_COUNT),
    Column("delay_seconds_sum", Double, nullable=False, comment=DELAY_SECONDS_SUM),
    Column("first_at", DateTime(timezone=True), nullable=False, comment="When the first of the events occurred."),
    Column("last_at", DateTime(timezone=True), nullable=False, comment="When the last of the events occurred."),
    Column("level", SmallInteger, nullable=False, comment=LEVEL),
    Column("user_sketch", ARRAY(BigInteger), comment=USER_SKETCH),
    comment="What each batch added, by hour and everything a rollup is kept by; emptied by folding.",
    postgresql_with=OWN_UPKEEP,
)
"""Grain: one batch, hour, group, culprit, level, environment and release. It has no key: it is only read as a whole."""


def _in_time(column: str) -> Index:
    """Give the index by time: rows of a day lie together, so a small one does."""
    return Index(None, column, postgresql_using="brin", postgresql_with={"pages_per_range": 16})


class Counted:
    """What every rollup counts."""

    event_count: Mapped[int] = mapped_column(BigInteger, comment=EVENT_COUNT, sort_order=10)


class Weighed(Counted):
    """What all but the finest rollup count besides."""

    weighted_count: Mapped[float] = mapped_column(Double, comment=WEIGHTED_COUNT, sort_order=11)
    unhandled_count: Mapped[int] = mapped_column(BigInteger, comment=UNHANDLED_COUNT, sort_order=12)


class RollupHour(Weighed, Base):
    """Grain: one project, hour, level and environment. Written by `models.fold`; serves timelines, for all projects."""

    __tablename__ = "rollup_hour"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "hour", "level", "environment_key"),
        _in_time("hour"),
        described("Events by project, hour, level and environment, and how good they are.", **BY_HOUR),
    )

    project_id: Mapped[Key] = mapped_column(comment=PROJECT_ID)
    hour: Mapped[Instant] = mapped_column(comment=HOUR)
    environment_key: Mapped[Key] = mapped_column(comment=ENVIRONMENT_KEY)
    level: Mapped[int] = mapped_column(SmallInteger, comment=LEVEL)
    without_release_count: Mapped[int] = mapped_column(
        BigInteger, comment="Events that name no release.", sort_order=13
    )
    without_user_count: Mapped[int] = mapped_column(BigInteger, comment=WITHOUT_USER_COUNT, sort_order=14)
    odd_time_count: Mapped[int] = mapped_column(BigInteger, comment=ODD_TIME_COUNT, sort_order=15)
    delay_seconds_sum: Mapped[float] = mapped_column(Double, comment=DELAY_SECONDS_SUM, sort_order=16)


class RollupHourGroup(Counted, Base):
    """Grain: one project, group and hour, for the last days only. Written by `models.fold`; serves sparklines."""

    __tablename__ = "rollup_hour_group"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "group_key", "hour"),
        described("Events by project, group and hour, kept for HOUR_GROUP_RETENTION_DAYS.", **BY_HOUR),
    )

    project_id: Mapped[Key] = mapped_column(comment=PROJECT_ID)
    group_key: Mapped[Key] = mapped_column(comment=GROUP_KEY)
    hour: Mapped[Instant] = mapped_column(comment=HOUR)


class Dated:
    """What every rollup by day has."""

    project_id: Mapped[Key] = mapped_column(comment=PROJECT_ID, sort_order=-9)
    day: Mapped[date] = mapped_column(Date, comment=DAY, sort_order=0)
    user_count: Mapped[int | None] = mapped_column(BigInteger, comment=USER_COUNT, sort_order=20)
    user_sketch: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger), comment=USER_SKETCH, sort_order=21)


class RollupDay(Dated, Weighed, Base):
    """Grain: one project, group, day, culprit, level, environment and release. By `models.fold`; kept longest."""

    __tablename__ = "rollup_day"

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[object, ...]:
        """Give key, index and comment."""
        return (
            PrimaryKeyConstraint(
                "project_id", "group_key", "day", "culprit_key", "level", "environment_key", "release_key"
            ),
            _in_time("day"),
            Index("ix_rollup_day_to_count", "day", postgresql_where=TO_COUNT),
            described("Events by project, day and everything an issue is asked by.", **BY_DAY),
        )

    group_key: Mapped[Key] = mapped_column(comment=GROUP_KEY, sort_order=-8)
    culprit_key: Mapped[Key] = mapped_column(comment=CULPRIT_KEY, sort_order=-7)
    environment_key: Mapped[Key] = mapped_column(comment=ENVIRONMENT_KEY, sort_order=-6)
    release_key: Mapped[Key] = mapped_column(comment=RELEASE_KEY, sort_order=-5)
    level: Mapped[int] = mapped_column(SmallInteger, comment=LEVEL, sort_order=1)
    first_at: Mapped[Instant] = mapped_column(comment="When the first of the events occurred.", sort_order=13)
    last_at: Mapped[Instant] = mapped_column(comment="When the last of the events occurred.", sort_order=14)


class RollupDayCulprit(Dated, Weighed, Base):
    """Grain: one project, day, culprit, level and environment. Written by `models.fold`; serves top culprits."""

    __tablename__ = "rollup_day_culprit"

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[object, ...]:
        """Give key, index and comment."""
        return (
            PrimaryKeyConstraint("project_id", "day", "culprit_key", "level", "environment_key"),
            _in_time("day"),
            Index("ix_rollup_day_culprit_to_count", "day", postgresql_where=TO_COUNT),
            described("Events by project, day, culprit, level and environment.", **BY_DAY),
        )

    culprit_key: Mapped[Key] = mapped_column(comment=CULPRIT_KEY, sort_order=-8)
    environment_key: Mapped[Key] = mapped_column(comment=ENVIRONMENT_KEY, sort_order=-7)
    level: Mapped[int] = mapped_column(SmallInteger, comment=LEVEL, sort_order=1)


class RollupDayUser(Dated, Counted, Base):
    """Grain: one project and day. Written by `models.fold`; serves users affected, which no other rollup adds up to."""

    __tablename__ = "rollup_day_user"

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[object, ...]:
        """Give key, index and comment."""
        return (
            PrimaryKeyConstraint("project_id", "day"),
            Index("ix_rollup_day_user_to_count", "day", postgresql_where=TO_COUNT),
            described("Distinct users by project and day."),
        )


class Lifelong(Weighed):
    """What a rollup over all days has."""

    first_at: Mapped[Instant] = mapped_column(comment="When the first event ever occurred.", sort_order=13)
    last_at: Mapped[Instant] = mapped_column(comment="When the last event occurred.", sort_order=14)
    user_sketch: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger), comment=USER_SKETCH, sort_order=21)


class RollupGroup(Lifelong, Base):
    """Grain: one group, over all its days. Written by `models.fold`; serves issues: first and last seen, how often."""

    __tablename__ = "rollup_group"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "group_key"),
        described("Events by group, over all days.", postgresql_with={"fillfactor": 70}),
    )

    project_id: Mapped[Key] = mapped_column(comment=PROJECT_ID)
    group_key: Mapped[Key] = mapped_column(comment=GROUP_KEY)
    first_release_key: Mapped[Key] = mapped_column(comment="Release of the first event; 0 when none was sent.")
    last_release_key: Mapped[Key] = mapped_column(comment="Release of the last event; 0 when none was sent.")
    last_level: Mapped[int] = mapped_column(SmallInteger, comment="Level of the last event, as in the fact.")


class RollupRelease(Lifelong, Base):
    """Grain: one release and distribution, over all its days. Written by `models.fold`; serves releases."""

    __tablename__ = "rollup_release"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "release_key"),
        described("Events by release, over all days.", postgresql_with={"fillfactor": 70}),
    )

    project_id: Mapped[Key] = mapped_column(comment=PROJECT_ID)
    release_key: Mapped[Key] = mapped_column(comment=RELEASE_KEY)


class RebuildDue(Base):
    """Grain: one UTC day whose rollups are not to be trusted. Written by migrations; `db maintain` rebuilds."""

    __tablename__ = "rebuild_due"
    __table_args__ = (described("Days whose rollups have to be made again from the fact."),)

    day: Mapped[date] = mapped_column(Date, primary_key=True, comment=DAY)
