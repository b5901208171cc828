"""What the loader writes down about its own work, in the same transaction as the rows."""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, Integer, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Instant, Key, described


class SpoolPosition(Base):
    """Grain: one spool. Written in the loading transaction: what stands before it is loaded, exactly once."""

    __tablename__ = "spool_position"
    __table_args__ = (described("How far each spool is loaded; moved in the transaction that loads the rows."),)

    spool_id: Mapped[UUID] = mapped_column(primary_key=True, comment="The spool's own id; a new folder has a new one.")
    segment: Mapped[int] = mapped_column(BigInteger, comment="Number of the segment file.")
    byte_offset: Mapped[int] = mapped_column(BigInteger, comment="First byte in it that is not loaded.")
    updated_at: Mapped[Instant] = mapped_column(comment="When the loader last moved it.")


class LoadTally(Base):
    """
    Grain: one origin (a spool, or a bulk load) and UTC day of loading. Written in the loading transaction.

    For every row: event_count = loaded_count + duplicate_count + refused_count, to the unit, across crashes.
    """

    __tablename__ = "load_tally"
    __table_args__ = (described("Payloads and events loaded, met again, or set aside, per origin and day."),)

    origin: Mapped[str] = mapped_column(primary_key=True, comment="The spool's id, or `file`.")
    loaded_on: Mapped[date] = mapped_column(primary_key=True, comment="UTC day of loading.")
    payload_count: Mapped[int] = mapped_column(BigInteger, comment="Payloads read.")
    event_count: Mapped[int] = mapped_column(BigInteger, comment="Events found in them.")
    loaded_count: Mapped[int] = mapped_column(BigInteger, comment="Events that became a row.")
    duplicate_count: Mapped[int] = mapped_column(BigInteger, comment="Events that had a row already.")
    refused_count: Mapped[int] = mapped_column(BigInteger, comment="Events that could not become a row; set aside.")
    set_aside_count: Mapped[int] = mapped_column(BigInteger, comment="Payloads set aside, whole or for one event.")


class SetAside(Base):
    """
    Grain: one distinct payload that did not become rows, whole or in part. Written by the loader.

    The same bytes sent again raise `seen_count`. Bounded by SET_ASIDE_MAX_BYTES: the oldest go first.
    """

    __tablename__ = "set_aside"
    __table_args__ = (
        Index(None, "last_received_at"),
        described("Authentic payloads without a row, why, and their bytes, to be loaded again after a cure."),
    )

    set_aside_key: Mapped[Key] = mapped_column(primary_key=True, comment="Hash of door, project, reason and bytes.")
    reason: Mapped[str] = mapped_column(comment="Reason code, see docs/glossary.md.")
    detail: Mapped[str] = mapped_column(comment="One sentence for a person.")
    door: Mapped[str] = mapped_column(comment="URL or command it came in by.")
    project_id: Mapped[int | None] = mapped_column(BigInteger, comment="Project, where the door tells it.")
    headers: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="Headers that matter for reading it again.")
    first_received_at: Mapped[Instant] = mapped_column(comment="When these bytes first came.")
    last_received_at: Mapped[Instant] = mapped_column(comment="When they came last.")
    seen_count: Mapped[int] = mapped_column(BigInteger, comment="How often they came.")
    body_bytes: Mapped[int] = mapped_column(Integer, comment="Size of the body, before compression.")
    body: Mapped[bytes] = mapped_column(LargeBinary, comment="The whole payload record, zstd-compressed msgpack.")
