"""What the loader writes down about its own work, in the same transaction as the rows."""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import REAL, BigInteger, Index, Integer, LargeBinary, SmallInteger
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from models.base import PROJECT_ID, Base, Instant, Key, described


class SpoolPosition(Base):
    """Grain: one spool. Written in the loading transaction: what stands before it is loaded, exactly once."""

    __tablename__ = "spool_position"
    __table_args__ = (described("How far each spool is loaded; moved in the transaction that loads the rows."),)

    spool_id: Mapped[UUID] = mapped_column(primary_key=True, comment="The spool's own id; a new folder has a new one.")
    segment: Mapped[int] = mapped_column(BigInteger, comment="Number of the segment file.")
    byte_offset: Mapped[int] = mapped_column(BigInteger, comment="First byte in it that is not loaded.")
    record_count: Mapped[int] = mapped_column(
        BigInteger, server_default="0", comment="Records before it, since the spool was made; see `errhouse db audit`."
    )
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
    issue_change_count: Mapped[int] = mapped_column(
        BigInteger, server_default="0", comment="Changes of issues told, new or met again."
    )
    conflict_count: Mapped[int] = mapped_column(
        BigInteger, server_default="0", comment="Events refused because another event with their id was there before."
    )


class Removal(Base):
    """
    Grain: one removal of events, or payloads alone, on purpose. Written with the removal, by `db maintain` and others.

    The audit adds them up: events loaded = events there + events removed.
    """

    __tablename__ = "removal"
    __table_args__ = (described("Events and payloads removed on purpose: why, of which days, and how many."),)

    removal_id: Mapped[UUID] = mapped_column(primary_key=True, comment="The removal's own id.")
    removed_at: Mapped[Instant] = mapped_column(comment="When.")
    reason: Mapped[str] = mapped_column(comment="retention, archive, restored (archived, and loaded again) or delete.")
    project_id: Mapped[int | None] = mapped_column(BigInteger, comment="Project; null for all of them.")
    first_on: Mapped[date] = mapped_column(comment="First UTC day whose events are not all there any more.")
    end_on: Mapped[date] = mapped_column(comment="First UTC day after them.")
    event_count: Mapped[int] = mapped_column(BigInteger, comment="Events removed.")
    payload_count: Mapped[int] = mapped_column(BigInteger, comment="Payloads removed.")


class Erasure(Base):
    """
    Grain: one erasure of a person from one project, or one of the keys they had there. Written by `db erase`.

    What is needed to go on after a break is here only until it is finished; the row itself stays, and tells nobody.
    Loaders count the rows: one more, and they no longer trust what they remember of dimensions.
    """

    __tablename__ = "erasure"
    __table_args__ = (described("Persons erased on request: when, where, and which keys stand in for theirs."),)

    erasure_id: Mapped[UUID] = mapped_column(primary_key=True, comment="The erasure's own id.")
    project_id: Mapped[int] = mapped_column(BigInteger, comment=PROJECT_ID)
    started_at: Mapped[Instant] = mapped_column(comment="When the person's row was removed from dim_user.")
    finished_at: Mapped[Instant | None] = mapped_column(comment="When nothing was left; null while it is under way.")
    user_key: Mapped[int | None] = mapped_column(BigInteger, comment="The key they had; null once finished.")
    stand_in_key: Mapped[int | None] = mapped_column(
        BigInteger, comment="The random key that their events have instead, so that users can still be counted."
    )
    identifiers: Mapped[list[str] | None] = mapped_column(
        ARRAY(TEXT), comment="What named them, to go on with after a break; null once finished."
    )


class PayloadDictionary(Base):
    """
    Grain: one zstd dictionary. Written by `db maintain`; kept as long as a payload is compressed with it.

    It is trained on payloads without their users: nothing that tells a person may get into it.
    """

    __tablename__ = "payload_dictionary"
    __table_args__ = (described("Dictionaries that payloads are compressed with; event_payload.codec names one."),)

    codec: Mapped[int] = mapped_column(
        SmallInteger, primary_key=True, autoincrement=False, comment="1 and up; 0 stands for no dictionary."
    )
    trained_at: Mapped[Instant] = mapped_column(comment="When it was made.")
    sample_count: Mapped[int] = mapped_column(Integer, comment="Payloads it was trained on.")
    gain: Mapped[float] = mapped_column(
        REAL, comment="Size of payloads it was not trained on, with it, as a part of their size with the one before."
    )
    body: Mapped[bytes] = mapped_column(LargeBinary, comment="The dictionary.")


class AnalystProject(Base):
    """Grain: one role and a project it may read. Written by `errhouse db roles`; asked by row-level security."""

    __tablename__ = "analyst_project"
    __table_args__ = (described("Which role may read which project, once row-level security is on."),)

    role_name: Mapped[str] = mapped_column(primary_key=True, comment="Role of the database; its members may read too.")
    project_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False, comment=PROJECT_ID)


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
