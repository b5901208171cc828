"""
The dimensions of the fact: what is described, once per project and distinct description.

Every key is a hash of its description (`models.keys`), so no look-up stands between an event and its row, and every
replica makes the same key. Rows are written by `ingest.load`, on first sight, and do not change unless it is said.
"""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Computed, Index, PrimaryKeyConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from models.base import PROJECT_ID, Base, Key

HASH = "Hash of the description, made by models.keys; the fact carries it."


class Dimension:
    """What every dimension has: (project_id, <its key>), and `ATTRIBUTES`, the columns the hash is made of."""

    KEY: ClassVar[str]
    ATTRIBUTES: ClassVar[tuple[str, ...]]
    COMMENT: ClassVar[str]

    project_id: Mapped[Key] = mapped_column(comment=PROJECT_ID, sort_order=-2)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[object, ...]:
        """Give the key and the comment."""
        return (PrimaryKeyConstraint("project_id", cls.KEY), {"comment": cls.COMMENT})


class DimCulprit(Dimension, Base):
    """Grain: one culprit of a project."""

    __tablename__ = "dim_culprit"
    KEY, ATTRIBUTES = "culprit_key", ("culprit",)
    COMMENT = "Culprits: Sentry's string for where it happened."

    culprit_key: Mapped[Key] = mapped_column(comment=HASH, sort_order=-1)
    culprit: Mapped[str] = mapped_column(comment="Sentry's string for where it happened.")


class DimException(Dimension, Base):
    """Grain: one kind of exception of a project."""

    __tablename__ = "dim_exception"
    KEY, ATTRIBUTES = "exception_key", ("exception_type", "mechanism")
    COMMENT = "Exception types, with the mechanism that caught them."

    exception_key: Mapped[Key] = mapped_column(comment=HASH, sort_order=-1)
    exception_type: Mapped[str | None] = mapped_column(comment="Type of the thrown exception.")
    mechanism: Mapped[str | None] = mapped_column(comment="What caught it, such as `excepthook` or `logging`.")


class DimTransaction(Dimension, Base):
    """Grain: one transaction name and request method of a project."""

    __tablename__ = "dim_transaction"
    KEY, ATTRIBUTES = "transaction_key", ("transaction", "method")
    COMMENT = "Transactions: route or task names, with the request's method."

    transaction_key: Mapped[Key] = mapped_column(comment=HASH, sort_order=-1)
    transaction: Mapped[str | None] = mapped_column(comment="Name of the transaction, such as a route.")
    method: Mapped[str | None] = mapped_column(comment="HTTP method of the request.")


class DimRelease(Dimension, Base):
    """Grain: one release and distribution of a project."""

    __tablename__ = "dim_release"
    KEY, ATTRIBUTES = "release_key", ("release", "dist")
    COMMENT = "Releases and their distributions."

    release_key: Mapped[Key] = mapped_column(comment=HASH, sort_order=-1)
    release: Mapped[str | None] = mapped_column(comment="Release, such as `package@1.2.3+build` or a commit.")
    dist: Mapped[str | None] = mapped_column(comment="Distribution: one build of the release.")


class DimEnvironment(Dimension, Base):
    """Grain: one environment of a project."""

    __tablename__ = "dim_environment"
    KEY, ATTRIBUTES = "environment_key", ("environment",)
    COMMENT = "Environments, such as production."

    environment_key: Mapped[Key] = mapped_column(comment=HASH, sort_order=-1)
    environment: Mapped[str] = mapped_column(comment="Name of the environment.")


class DimUser(Dimension, Base):
    """Grain: one user as told. Personal data lives here and in payloads, nowhere else."""

    __tablename__ = "dim_user"
    KEY, ATTRIBUTES = "user_key", ("user_id", "email", "username", "ip", "geo_country")
    COMMENT = "Users as the sender told them; the one dimension with personal data."

    user_key: Mapped[Key] = mapped_column(comment=HASH, sort_order=-1)
    user_id: Mapped[str | None] = mapped_column(comment="The sender's id of the user.")
    email: Mapped[str | None] = mapped_column(comment="E-mail address as told.")
    username: Mapped[str | None] = mapped_column(comment="User name as told.")
    ip: Mapped[str | None] = mapped_column(comment="IP address as told, or of the peer where the SDK asks for it.")
    geo_country: Mapped[str | None] = mapped_column(comment="Country code, where Sentry told it.")


class DimServer(Dimension, Base):
    """Grain: one server of a project."""

    __tablename__ = "dim_server"
    KEY, ATTRIBUTES = "server_key", ("server_name",)
    COMMENT = "Servers the events came from."

    server_key: Mapped[Key] = mapped_column(comment=HASH, sort_order=-1)
    server_name: Mapped[str] = mapped_column(comment="Host name as told.")


class DimLogger(Dimension, Base):
    """Grain: one logger of a project."""

    __tablename__ = "dim_logger"
    KEY, ATTRIBUTES = "logger_key", ("logger",)
    COMMENT = "Loggers."

    logger_key: Mapped[Key] = mapped_column(comment=HASH, sort_order=-1)
    logger: Mapped[str] = mapped_column(comment="Name of the logger.")


class DimClient(Dimension, Base):
    """Grain: one combination of SDK, system, browser, runtime and device: a junk dimension, in Kimball's word."""

    __tablename__ = "dim_client"
    KEY = "client_key"
    ATTRIBUTES = (
        "platform",
        "sdk_name",
        "sdk_version",
        "os_name",
        "os_version",
        "browser_name",
        "browser_version",
        "runtime_name",
        "runtime_version",
        "device_family",
    )
    COMMENT = "What the event was seen with: SDK, system, browser, runtime, device."

    client_key: Mapped[Key] = mapped_column(comment=HASH, sort_order=-1)
    platform: Mapped[str] = mapped_column(comment="Sentry's platform word, such as python; `other` when unknown.")
    sdk_name: Mapped[str | None] = mapped_column(comment="Name of the SDK.")
    sdk_version: Mapped[str | None] = mapped_column(comment="Version of the SDK.")
    os_name: Mapped[str | None] = mapped_column(comment="Operating system.")
    os_version: Mapped[str | None] = mapped_column(comment="Its version.")
    browser_name: Mapped[str | None] = mapped_column(comment="Browser.")
    browser_version: Mapped[str | None] = mapped_column(comment="Its version.")
    runtime_name: Mapped[str | None] = mapped_column(comment="Language runtime.")
    runtime_version: Mapped[str | None] = mapped_column(comment="Its version.")
    device_family: Mapped[str | None] = mapped_column(comment="Device family.")


class DimStack(Dimension, Base):
    """Grain: one distinct stack; stacks repeat within an issue, so each is kept once."""

    __tablename__ = "dim_stack"
    KEY, ATTRIBUTES = "stack_key", ("frames", "top_frame")
    COMMENT = "Stack traces of the thrown exception, each distinct one once."

    stack_key: Mapped[Key] = mapped_column(comment=HASH, sort_order=-1)
    frames: Mapped[list[dict[str, Any]]] = mapped_column(
        JSONB, comment="Frames, outermost first: function, module, filename, lineno, in_app."
    )
    top_frame: Mapped[str | None] = mapped_column(comment="The innermost frame of the program's own code.")


class DimGroup(Dimension, Base):
    """
    Grain: one grouping hash. `issue_id` follows what the latest event told, by its own time; nothing else changes.

    So a merge of issues moves groups from issue to issue, and never an event. The row is written only when it moves:
    docs/adr/0012-issues-follow-what-was-told-last.md says what follows from that.
    """

    __tablename__ = "dim_group"
    KEY, ATTRIBUTES = "group_key", ("group_hash",)
    COMMENT = "Groups of events, by grouping hash, and the issue Sentry counts them to."

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[object, ...]:
        """Give the key, the index of issues and the comment."""
        return (
            PrimaryKeyConstraint("project_id", "group_key"),
            Index(None, "project_id", "issue_id"),
            Index(None, "project_id", "public_issue_id"),
            {"comment": cls.COMMENT},
        )

    group_key: Mapped[Key] = mapped_column(comment=HASH, sort_order=-1)
    group_hash: Mapped[str] = mapped_column(comment="Grouping hash: Sentry's own where it was told, else ours.")
    issue_id: Mapped[int | None] = mapped_column(BigInteger, comment="Sentry's id of the issue, where it was told.")
    issue_told_at: Mapped[datetime | None] = mapped_column(
        comment="When the event occurred that moved the group to issue_id: the first that told it, not the last."
    )
    public_issue_id: Mapped[int] = mapped_column(
        BigInteger,
        Computed("coalesce(issue_id, group_key & 9223372036854775807)", persisted=True),
        comment="What views call the issue: issue_id where it was told, else group_key without its sign.",
    )
    type: Mapped[str] = mapped_column(comment="Kind of event: error, default or csp.")
    title: Mapped[str] = mapped_column(comment="Title of the first event.")
    culprit: Mapped[str] = mapped_column(comment="Culprit of the first event.")
    fingerprint: Mapped[list[str] | None] = mapped_column(
        ARRAY(TEXT), comment="Fingerprint of the first event, where the sender set one."
    )
    url: Mapped[str | None] = mapped_column(
        comment="Address of the issue in Sentry, where the event that moved the group to it told one."
    )


DIMENSIONS: tuple[type[Dimension], ...] = (
    DimCulprit,
    DimException,
    DimTransaction,
    DimRelease,
    DimEnvironment,
    DimUser,
    DimServer,
    DimLogger,
    DimClient,
    DimStack,
)
"""The dimensions that are nothing but their description; dim_group and dim_project know more."""
