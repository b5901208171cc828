"""A request as pages see it: who asks, for what, with which words; and what a page may answer instead of a page."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from models.console_users import Person
from reports.errors import ReportsError

LONGEST_WORD = 2000


class NotThere(ReportsError):
    """What was asked for is not in the warehouse, or no more."""


class NotAllowed(ReportsError):
    """The person has not the right to it, or the form did not come from a page of ours."""


class BadQuestion(ReportsError):
    """The address or a form holds what cannot be understood."""


@dataclass(frozen=True)
class Asked:
    """One request; `token` is what its forms are tied to, `person` is None before the login."""

    path: str
    now: datetime
    client: str = ""
    is_secure: bool = False
    token: str = ""
    person: Person | None = None
    named: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, list[str]] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def csrf(self) -> str:
        """Return what a form of this session carries."""
        return hmac.new(self.token.encode(), b"errhouse form", sha256).hexdigest() if self.token else ""

    def word(self, name: str) -> str:
        """Give one word of the query, "" without; never with what PostgreSQL cannot hold."""
        return self.words(name)[0] if self.words(name) else ""

    def words(self, name: str) -> list[str]:
        """Give all words of one name."""
        return [told.replace("\0", "")[:LONGEST_WORD] for told in self.query.get(name, []) if told.strip()]

    def number(self, name: str) -> int:
        """Give a number that the path names. Raises NotThere."""
        told = self.named[name]
        if not (told.isascii() and told.isdigit() and int(told) < 2**63):
            raise NotThere("There is no such page; the address may be cut off.")
        return int(told)

    def uuid(self, name: str) -> UUID:
        """Give an id that the path names. Raises NotThere."""
        try:
            return UUID(self.named[name])
        except ValueError:
            raise NotThere("There is no such page; the address may be cut off.") from None

    def may(self, role: str) -> bool:
        """Whether who asks has the rights of a role."""
        return self.person is not None and self.person.may(role)

    def check_form(self) -> None:
        """Raise NotAllowed unless the form is one of this session's own."""
        given = self.form.get("csrf", "")
        if not self.csrf or not hmac.compare_digest(given.encode(), self.csrf.encode()):
            raise NotAllowed("The form is too old, or of another session; go back, load the page again and repeat it.")
