"""What a page is made with, and what it gives back."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fastapi import Response
from jinja2 import Environment

from models.settings import Settings
from reports.pages.asked import Asked
from reports.pages.receiving import Nobody, Receiving
from reports.pages.throttle import Throttle
from reports.pages.warehouse import Warehouse

CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)

Health = Callable[[], Mapping[str, Any]]
"""What the service says of itself, such as how much waits in its spools."""


@dataclass(frozen=True)
class Console:
    """What all pages share."""

    settings: Settings
    warehouse: Warehouse
    templates: Environment
    throttle: Throttle
    health: Health
    receiving: Receiving = field(default_factory=Nobody)
    secret: str = field(default_factory=secrets.token_hex)

    def page(self, asked: Asked, template: str, status: int = 200, **values: Any) -> Response:
        """Fill a template."""
        made = self.templates.get_template(template)
        body = made.render(asked=asked, person=asked.person, now=asked.now, **values)
        return Response(body.encode("utf-8", "replace"), status, media_type="text/html; charset=utf-8")


Answer = Callable[[Console, Asked], Response]


class Route(NamedTuple):
    """A path, what answers there, and the role that it needs; None needs no login."""

    path: str
    answer: Answer
    role: str | None = "viewer"
    method: str = "GET"
