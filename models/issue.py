"""Issues as Sentry told of them by webhook: what they are now, and what happened to them."""

from sqlalchemy import Boolean, Index, LargeBinary, PrimaryKeyConstraint, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import PROJECT_ID, Base, Instant, Key, described

ISSUE_ID = "Sentry's id of the issue."


class DimIssue(Base):
    """
    Grain: one issue that Sentry told of. Written by the loader, of the issue's rows in issue_change: the latest stands.

    What the latest does not tell is kept from the one before.
    dim_group says which groups of events an issue has; an issue without a webhook has no row here.
    """

    __tablename__ = "dim_issue"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "issue_id"),
        described("Issues as Sentry's `issue` webhooks told them last, by the time of the change."),
    )

    project_id: Mapped[Key] = mapped_column(comment=PROJECT_ID)
    issue_id: Mapped[Key] = mapped_column(comment=ISSUE_ID)
    changed_at: Mapped[Instant] = mapped_column(comment="When the change that stands here happened.")
    first_seen_at: Mapped[Instant | None] = mapped_column(comment="When Sentry first saw the issue.")
    last_seen_at: Mapped[Instant | None] = mapped_column(comment="When Sentry had last seen it, at that change.")
    resolved_at: Mapped[Instant | None] = mapped_column(comment="When it was resolved, while it is.")
    short_id: Mapped[str | None] = mapped_column(comment="Sentry's short name, such as SHOP-1A.")
    title: Mapped[str | None] = mapped_column(comment="Title of the issue.")
    culprit: Mapped[str | None] = mapped_column(comment="Culprit of the issue.")
    level: Mapped[str | None] = mapped_column(comment="Level of the issue.")
    status: Mapped[str | None] = mapped_column(comment="resolved, unresolved or ignored.")
    substatus: Mapped[str | None] = mapped_column(comment="Such as new, ongoing, regressed, escalating or archived_….")
    priority: Mapped[str | None] = mapped_column(comment="high, medium or low.")
    assignee: Mapped[str | None] = mapped_column(comment="Kind and id of who it is assigned to, such as `team:7`.")
    is_unhandled: Mapped[bool | None] = mapped_column(Boolean, comment="Whether the program did not catch it.")
    url: Mapped[str | None] = mapped_column(comment="Address of the issue in Sentry.")


class IssueChange(Base):
    """Grain: one change of an issue, told by webhook. Written by the loader; the same change told twice is one row."""

    __tablename__ = "issue_change"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "issue_id", "changed_at", "action"),
        Index("ix_issue_change_untold", "received_at", postgresql_where=text("not is_told")),
        described("What happened to issues, in the order of their own times, whatever the order of arrival."),
    )

    project_id: Mapped[Key] = mapped_column(comment=PROJECT_ID)
    issue_id: Mapped[Key] = mapped_column(comment=ISSUE_ID)
    changed_at: Mapped[Instant] = mapped_column(comment="When it happened.")
    received_at: Mapped[Instant] = mapped_column(comment="When errhouse accepted the webhook.")
    action: Mapped[str] = mapped_column(
        comment="created, resolved, unresolved, assigned, archived; also other types of activity alerts, as told."
    )
    status: Mapped[str | None] = mapped_column(comment="Status after it.")
    substatus: Mapped[str | None] = mapped_column(comment="Substatus after it.")
    priority: Mapped[str | None] = mapped_column(comment="Priority after it.")
    assignee: Mapped[str | None] = mapped_column(comment="Kind and id of who it is assigned to after it.")
    short_id: Mapped[str | None] = mapped_column(comment="Sentry's short name, as told then.")
    title: Mapped[str | None] = mapped_column(comment="Title of the issue, as told then.")
    culprit: Mapped[str | None] = mapped_column(comment="Culprit of the issue, as told then.")
    level: Mapped[str | None] = mapped_column(comment="Level of the issue, as told then.")
    first_seen_at: Mapped[Instant | None] = mapped_column(comment="When Sentry first saw the issue, as told then.")
    last_seen_at: Mapped[Instant | None] = mapped_column(comment="When Sentry had last seen the issue then.")
    is_unhandled: Mapped[bool | None] = mapped_column(Boolean, comment="Whether the program did not catch it.")
    url: Mapped[str | None] = mapped_column(comment="Address of the issue in Sentry.")
    codec: Mapped[int | None] = mapped_column(SmallInteger, comment="How body is compressed, as in event_payload.")
    body: Mapped[bytes | None] = mapped_column(
        LargeBinary, comment="The webhook's JSON without persons, scrubbed, compressed; null where none is kept."
    )
    is_told: Mapped[bool] = mapped_column(
        Boolean, server_default="false", comment="Whether alert rules have been evaluated on it."
    )
