"""People who may use the console, and the sessions they have open there."""

from datetime import datetime

from sqlalchemy import CheckConstraint, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Instant, described

ROLES = ("viewer", "analyst", "admin")
"""From the least rights to the most: counts and stacks; persons and payloads too; and what may be changed."""


class ConsoleUser(Base):
    """Grain: one person, by name. Written by `errhouse user`."""

    __tablename__ = "console_user"
    __table_args__ = (
        CheckConstraint("role in ('viewer', 'analyst', 'admin')", name="role"),
        described("People who may use the console."),
    )

    name: Mapped[str] = mapped_column(primary_key=True, comment="Name to log in with.")
    role: Mapped[str] = mapped_column(comment="viewer, analyst or admin.")
    password_hash: Mapped[str | None] = mapped_column(
        comment="Argon2id hash of the password; null where only a proxy's header names the person."
    )
    created_at: Mapped[Instant] = mapped_column(comment="When it was added.")
    updated_at: Mapped[Instant] = mapped_column(comment="When role or password was last set.")
    last_login_at: Mapped[datetime | None] = mapped_column(comment="When the person last logged in by password.")


class ConsoleSession(Base):
    """Grain: one open session. Written by the console; goes with a logout, its end, or a new password."""

    __tablename__ = "console_session"
    __table_args__ = (described("Open sessions of the console; who has the token is the person."),)

    token_hash: Mapped[bytes] = mapped_column(
        LargeBinary, primary_key=True, comment="SHA-256 of the token, which only the browser has."
    )
    user_name: Mapped[str] = mapped_column(comment="Whose it is, in console_user.")
    created_at: Mapped[Instant] = mapped_column(comment="When the person logged in.")
    seen_at: Mapped[Instant] = mapped_column(comment="When it was last used, to within some minutes.")
    expires_at: Mapped[Instant] = mapped_column(comment="When it ends, whatever happens.")
