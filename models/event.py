"""The fact: one row per event, and what is kept beside it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import REAL, BigInteger, DateTime, Index, LargeBinary, PrimaryKeyConstraint, SmallInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import PROJECT_ID, Base, Instant, Key, described

BY_TIME = {"postgresql_partition_by": "RANGE (occurred_at)"}


class FactEvent(Base):
    """
    Grain: one accepted error event. Key: (project_id, event_id, occurred_at). Written by `ingest.load` alone.

    Rows never change; identity is (project_id, event_id), which the loader holds across partitions.
    Fixed-width columns come first, so that no row is padded.
    """

    __tablename__ = "fact_event"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "event_id", "occurred_at"),
        Index(None, "project_id", "group_key", "occurred_at"),
        Index(None, "occurred_at", postgresql_using="brin", postgresql_with={"pages_per_range": 32}),
        described("One row per error event; identity is (project_id, event_id). Rows never change.", **BY_TIME),
    )

    occurred_at: Mapped[Instant] = mapped_column(
        comment="When the sender says it happened, UTC; the partition column. Never corrected for clock drift."
    )
    received_at: Mapped[Instant] = mapped_column(comment="When errhouse accepted the payload, UTC.")
    loaded_at: Mapped[Instant] = mapped_column(comment="When the row was loaded, UTC; the same for one batch.")
    event_id: Mapped[UUID] = mapped_column(comment="The sender's id of the event.")
    project_id: Mapped[Key] = mapped_column(comment=PROJECT_ID)
    group_key: Mapped[Key] = mapped_column(comment="Grouping hash, into dim_group; a merge of issues never changes it.")
    culprit_key: Mapped[Key | None] = mapped_column(comment="Into dim_culprit; null when there is no culprit.")
    exception_key: Mapped[Key | None] = mapped_column(comment="Into dim_exception; null for a plain message.")
    transaction_key: Mapped[Key | None] = mapped_column(comment="Into dim_transaction; null when none was sent.")
    release_key: Mapped[Key | None] = mapped_column(comment="Into dim_release; null when none was sent.")
    environment_key: Mapped[Key | None] = mapped_column(comment="Into dim_environment; null when none was sent.")
    user_key: Mapped[Key | None] = mapped_column(comment="Into dim_user; null when none was sent.")
    server_key: Mapped[Key | None] = mapped_column(comment="Into dim_server; null when none was sent.")
    logger_key: Mapped[Key | None] = mapped_column(comment="Into dim_logger; null when none was sent.")
    client_key: Mapped[Key | None] = mapped_column(comment="Into dim_client: SDK, system, browser, runtime, device.")
    stack_key: Mapped[Key | None] = mapped_column(comment="Into dim_stack; null without a stack trace.")
    trace_id: Mapped[UUID | None] = mapped_column(comment="The trace this event belongs to.")
    sample_weight: Mapped[float] = mapped_column(
        REAL, server_default=text("1"), comment="How many events this one stands for: 1 / sample rate, 1 if none sent."
    )
    http_status: Mapped[int | None] = mapped_column(SmallInteger, comment="HTTP status of the response, where told.")
    level: Mapped[int] = mapped_column(
        SmallInteger, comment="10 debug, 20 info, 30 warning, 40 error, 50 fatal; sorts by weight."
    )
    time_quality: Mapped[int] = mapped_column(
        SmallInteger, comment="0 exact, 1 missing, 2 too_old, 3 future (1-3: received_at stands in), 4 drifted."
    )
    source: Mapped[int] = mapped_column(
        SmallInteger,
        comment="Form of the row: 1 webhook_platform, 2 webhook_legacy, 3 service_hook, 4 sdk, 5 rest, 6 file.",
    )
    handled: Mapped[bool | None] = mapped_column(comment="Whether the program caught it; null when not told.")
    title: Mapped[str | None] = mapped_column(
        comment="Sentry's title; null where it is `type: value`, the type, or the message: the view tells it."
    )
    exception_value: Mapped[str | None] = mapped_column(comment="Message of the thrown exception.")
    message: Mapped[str | None] = mapped_column(comment="The log message, formatted.")
    url: Mapped[str | None] = mapped_column(comment="URL of the request, without query.")
    tags: Mapped[dict[str, Any] | None] = mapped_column(JSONB, comment="Tags as an object of strings.")


class EventPayload(Base):
    """
    Grain: one event whose JSON is kept. Key as the fact. Written with the fact row; dropped earlier, by partition.

    Apart from the fact, so that reading events never reads payloads.
    """

    __tablename__ = "event_payload"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "event_id", "occurred_at"),
        described("The event's own JSON, scrubbed and compressed, kept for PAYLOAD_RETENTION_DAYS.", **BY_TIME),
    )

    occurred_at: Mapped[Instant] = mapped_column(comment="As in fact_event; the partition column.")
    event_id: Mapped[UUID] = mapped_column(comment="As in fact_event.")
    project_id: Mapped[Key] = mapped_column(comment=PROJECT_ID)
    codec: Mapped[int] = mapped_column(
        SmallInteger, comment="How body is compressed: zstd with this dictionary of payload_dictionary, 0 without."
    )
    body: Mapped[bytes] = mapped_column(LargeBinary, comment="The event's JSON, compressed as codec says.")


class EventOddTime(Base):
    """
    Grain: one event whose time may differ from form to form. Written with the fact row.

    An event with a missing, refused or drifting clock can come again under another day; these few rows let the
    loader find it without searching every partition for every event.
    """

    __tablename__ = "event_odd_time"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "event_id"),
        described("Events whose occurred_at may be told otherwise by another form; guards their identity."),
    )

    project_id: Mapped[int] = mapped_column(BigInteger, autoincrement=False, comment=PROJECT_ID)
    event_id: Mapped[UUID] = mapped_column(comment="As in fact_event.")
    occurred_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), comment="As in fact_event: where the row is."
    )


class EventSource(Base):
    """
    Grain: one event and one further form that brought it. Written by the loader when it meets the event again.

    The form of the fact's row is not here; an event that came in one form alone, as most do, has no row.
    """

    __tablename__ = "event_source"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "event_id", "source"),
        Index(None, "occurred_at", postgresql_using="brin", postgresql_with={"pages_per_range": 32}),
        described("Further forms that brought an event which had its row by then."),
    )

    occurred_at: Mapped[Instant] = mapped_column(comment="As in fact_event: where the row is, and when this goes.")
    received_at: Mapped[Instant] = mapped_column(comment="When errhouse accepted the payload that came first so, UTC.")
    event_id: Mapped[UUID] = mapped_column(comment="As in fact_event.")
    project_id: Mapped[Key] = mapped_column(comment=PROJECT_ID)
    source: Mapped[int] = mapped_column(SmallInteger, autoincrement=False, comment="The form, as in fact_event.")
