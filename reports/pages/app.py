"""The console's application: every page behind the same gate, in threads, with headers that let nothing else in."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request, Response
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection

from models import console_users
from models.clock import now
from models.errors import ModelsError
from models.settings import Settings
from reports.errors import ReportsError
from reports.pages import (
    artifacts,
    deliveries,
    event,
    explorer,
    issue,
    login,
    messages,
    operation,
    overview,
    set_aside,
)
from reports.pages.asked import Asked, BadQuestion, NotAllowed, NotThere
from reports.pages.page import CSP, Console, Health, Route
from reports.pages.receiving import Nobody, Receiving
from reports.pages.rendering import HERE, style_sheet, templates
from reports.pages.throttle import Throttle
from reports.pages.warehouse import AT_ONCE, Warehouse

MARK = "x-errhouse-"
MOST_BODY_BYTES = 64 * 1024
QUERY_CANCELED = "57014"
YEAR_SECONDS = 31_536_000
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
ROUTES: tuple[Route, ...] = (
    *overview.ROUTES,
    *explorer.ROUTES,
    *issue.ROUTES,
    *event.ROUTES,
    *artifacts.ROUTES,
    *messages.ROUTES,
    *deliveries.ROUTES,
    *set_aside.ROUTES,
    *operation.ROUTES,
    *login.ROUTES,
)

FAULT = "The page could not be made, and the log of the service says why; load it again, or ask for less."

log = structlog.get_logger()


def _nothing(_: Console, __: Asked) -> Response:
    raise NotThere("There is no such page; the address may be mistyped.")


NOWHERE = Route("", _nothing, None)


def create_app(
    settings: Settings,
    url: str,
    health: Health,
    clock: Callable[[], datetime] = now,
    receiving: Receiving | None = None,
) -> FastAPI:
    """
    Make the application.

    Takes: requests as a receiver hands them on, whose `x-errhouse-` headers say who asks; it must be reached by
           receivers alone.
    """
    console = Console(settings, Warehouse(url), templates(), Throttle(), health, receiving or Nobody())
    limiter = CapacityLimiter(AT_ONCE)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    def endpoint(route: Route) -> Callable[[Request], Awaitable[Response]]:
        async def answered(request: Request) -> Response:
            body = await request.body() if route.method == "POST" else b""
            if len(body) > MOST_BODY_BYTES:
                return Response(status_code=413)
            work = partial(_answered, console, route, request, body, clock())
            return await to_thread.run_sync(work, limiter=limiter)

        return answered

    for route in ROUTES:
        methods = ["GET", "HEAD"] if route.method == "GET" else [route.method]
        app.add_route(route.path, endpoint(route), methods=methods)
    for name, media_type, body in (
        ("console.css", "text/css; charset=utf-8", style_sheet()),
        ("icon.svg", "image/svg+xml", (HERE / "static" / "icon.svg").read_bytes()),
    ):
        app.add_route(f"/static/{name}", _static(body, media_type), methods=["GET", "HEAD"])

    async def nowhere(request: Request, _: Exception) -> Response:
        return await to_thread.run_sync(partial(_answered, console, NOWHERE, request, b"", clock()), limiter=limiter)

    app.add_exception_handler(404, nowhere)
    app.add_exception_handler(405, nowhere)
    app.state.console = console
    return app


def _answered(console: Console, route: Route, request: Request, body: bytes, at: datetime) -> Response:
    """Answer one request, in a thread; whatever goes wrong is a page that says it."""
    asked = Asked(request.url.path, at)
    try:
        asked = _asked(console, route, request, body, at)
        if route.role is None or asked.may(route.role):
            return _guarded(route.answer(console, asked))
        if asked.person is not None:
            said = f"This needs the role {route.role}, and you are {asked.person.role}; an admin can change that."
            return _wrong(console, asked, 403, "Not allowed", said)
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        is_home = target == "/" or route.method != "GET"
        return _guarded(login.sent_to("/login" if is_home else f"/login?next={quote(target, safe='')}"))
    except NotThere as wrong:
        return _wrong(console, asked, 404, "Not found", str(wrong))
    except NotAllowed as wrong:
        return _wrong(console, asked, 403, "Not allowed", str(wrong))
    except (BadQuestion, ReportsError, ModelsError) as wrong:
        return _wrong(console, asked, 400, "That cannot be answered", str(wrong))
    except NoConnection:
        return _wrong(console, asked, 503, "Busy", "Too many pages are open at once; try again in a moment.")
    except SQLAlchemyError as wrong:
        return _refused(console, asked, wrong)
    except Exception:
        log.exception("a page could not be made", path=request.url.path)
        return _wrong(console, asked, 500, "A fault of errhouse", FAULT)


def _refused(console: Console, asked: Asked, wrong: SQLAlchemyError) -> Response:
    state = getattr(wrong.orig, "sqlstate", None) if isinstance(wrong, DBAPIError) else None
    if state == QUERY_CANCELED:
        said = "The question took longer than 30 seconds; ask for a shorter time or add a filter."
        return _wrong(console, asked, 503, "Too much to count", said)
    log.warning("the database does not answer a page", path=asked.path, state=state, kind=type(wrong).__name__)
    said = "The database does not answer; events are accepted and kept meanwhile. Try again in a moment."
    return _wrong(console, asked, 503, "No answer", said)


def _wrong(console: Console, asked: Asked, status: int, title: str, said: str) -> Response:
    return _guarded(console.page(asked, "wrong.html", status, title=title, said=said))


def _asked(console: Console, route: Route, request: Request, body: bytes, at: datetime) -> Asked:
    cookies = SimpleCookie()
    for told in request.headers.getlist("cookie"):
        cookies.load(re.sub(r"[^\x20-\x7e]", "", told))
    token = cookies[login.SESSION_COOKIE].value if login.SESSION_COOKIE in cookies else ""
    before = cookies[login.BEFORE_COOKIE].value if login.BEFORE_COOKIE in cookies else ""
    person = None
    if token:
        with console.warehouse.writing() as connection:
            person = console_users.of_session(connection, token, at)
    if person is None:
        token = before
        header = console.settings.CONSOLE_USER_HEADER
        name = request.headers.get(header, "").strip()[:200] if header else ""
        if name and request.headers.get(f"{MARK}proxied") == "1":
            person = login.named_by_proxy(console, name)
            token = f"{console.secret} {name}"
    scheme = request.headers.get(f"{MARK}scheme", "http")
    is_secure = scheme == "https" or console.settings.public_url.startswith("https://")
    return Asked(
        path=request.url.path,
        now=at,
        client=request.headers.get(f"{MARK}client", ""),
        is_secure=is_secure,
        token=token,
        person=person,
        named={name: str(value) for name, value in request.path_params.items()},
        query=parse_qs(request.url.query, max_num_fields=100, errors="replace"),
        form={name: told[-1] for name, told in _form(body).items()} if route.method == "POST" else {},
    )


def _form(body: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(body.decode("utf-8", "replace"), max_num_fields=100, keep_blank_values=True)
    except ValueError:
        raise BadQuestion("The form cannot be read.") from None


def _guarded(answer: Response) -> Response:
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer


def _static(body: bytes, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    async def answered(_: Request) -> Response:
        headers: dict[str, Any] = {"cache-control": f"public, max-age={YEAR_SECONDS}, immutable"}
        return _guarded(Response(body, media_type=media_type, headers=headers))

    return answered
