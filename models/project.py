"""Projects, and who may send to them."""

from sqlalchemy import BigInteger, Computed, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from models.base import PROJECT_ID, Base, Instant, described


class DimProject(Base):
    """
    Grain: one Sentry project. Written by `errhouse project add`, and by the loader when events name a new one.

    `slug` and `name` change when a form tells other ones: projects are renamed, their id is the key.
    """

    __tablename__ = "dim_project"
    __table_args__ = (
        Index(None, "slug"),
        Index(None, "label"),
        described("Projects; slug and name follow what the last form told."),
    )

    project_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False, comment=PROJECT_ID)
    slug: Mapped[str | None] = mapped_column(comment="Sentry's short name, where it was told.")
    name: Mapped[str | None] = mapped_column(comment="Name for people.")
    is_scrubbed: Mapped[bool] = mapped_column(
        server_default="true", comment="Whether Sentry's default scrubbing rules are applied before loading."
    )
    created_at: Mapped[Instant] = mapped_column(comment="When errhouse first heard of the project.")
    label: Mapped[str] = mapped_column(
        Computed("coalesce(slug, name, project_id::text)", persisted=True),
        comment="What views call the project: its slug or name where known, else its id.",
    )
    event_retention_days: Mapped[int | None] = mapped_column(
        Integer, comment="Days its events are kept, where it is less than EVENT_RETENTION_DAYS."
    )
    payload_retention_days: Mapped[int | None] = mapped_column(
        Integer, comment="Days its payloads are kept, where it is less than PAYLOAD_RETENTION_DAYS."
    )


class ProjectKey(Base):
    """Grain: one public key of a DSN. Written by `errhouse project add`."""

    __tablename__ = "project_key"
    __table_args__ = (described("Public keys: the part of a DSN that lets an SDK send to a project."),)

    public_key: Mapped[str] = mapped_column(primary_key=True, comment="32 hex digits; public by protocol.")
    project_id: Mapped[int] = mapped_column(BigInteger, comment=PROJECT_ID)
    created_at: Mapped[Instant] = mapped_column(comment="When the key was made.")


class Hook(Base):
    """Grain: one address for the legacy, unsigned WebHooks plugin. Written by `errhouse hook add`."""

    __tablename__ = "hook"
    __table_args__ = (described("Addresses for the unsigned WebHooks plugin; its key is the right to send."),)

    hook_hash: Mapped[str] = mapped_column(primary_key=True, comment="SHA-256 of the key, in hex; the key is not kept.")
    name: Mapped[str] = mapped_column(comment="Name for people.")
    created_at: Mapped[Instant] = mapped_column(comment="When the hook was made.")
