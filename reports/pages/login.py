"""Logging in and out: by password, slowed down for who guesses, or named by a proxy that is trusted."""

import secrets
from urllib.parse import quote

from fastapi import Response

from models import console_users
from models.console_users import Person
from reports.pages.asked import Asked
from reports.pages.page import Console, Route
from reports.pages.rendering import span

SESSION_COOKIE = "errhouse_session"
BEFORE_COOKIE = "errhouse_before"
BEFORE_SECONDS = 3600


def show_login(console: Console, asked: Asked) -> Response:
    """Show the form, and give who has no session yet what it is tied to."""
    return _form(console, asked)


def log_in(console: Console, asked: Asked) -> Response:
    """Check name and password and open a session; the same words for an unknown name and a wrong password."""
    asked.check_form()
    name, password = asked.form.get("name", "").strip(), asked.form.get("password", "")
    keys = (f"name {name.lower()[:200]}", f"client {asked.client}")
    at = asked.now.timestamp()
    if pause := console.throttle.pause(keys, at):
        said = f"That was wrong too often; try again in {span(pause + 1)}."
        return _form(console, asked, said, name, 429)
    with console.warehouse.writing() as connection:
        person = console_users.checked(connection, name, password)
        token = console_users.opened(connection, person, asked.now) if person else ""
    if person is None:
        console.throttle.failed(keys, at)
        return _form(console, asked, "Name or password is wrong.", name, 401)
    console.throttle.succeeded(keys[:1])
    answer = sent_to(_here(asked.form.get("next", "")))
    answer.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=console_users.SESSION_DAYS * 86_400,
        httponly=True,
        samesite="lax",
        secure=asked.is_secure,
    )
    answer.delete_cookie(BEFORE_COOKIE)
    return answer


def log_out(console: Console, asked: Asked) -> Response:
    """End the session."""
    asked.check_form()
    with console.warehouse.writing() as connection:
        console_users.closed(connection, asked.token)
    answer = sent_to("/login")
    answer.delete_cookie(SESSION_COOKIE)
    return answer


def sent_to(path: str) -> Response:
    """Send the browser to another page."""
    return Response(status_code=303, headers={"location": quote(path, safe="/?&=%:@-._~+,;!*'()")})


def named_by_proxy(console: Console, name: str) -> Person | None:
    """Give the person a trusted proxy names: as `errhouse user` knows them, else with the role for strangers."""
    with console.warehouse.reading() as connection:
        found = console_users.known(connection, name)
    role = console.settings.CONSOLE_HEADER_ROLE
    return found or (None if role == "none" else Person(name, role))


def _form(console: Console, asked: Asked, said: str = "", name: str = "", status: int = 200) -> Response:
    token = asked.token or secrets.token_urlsafe(24)
    tied = Asked(asked.path, asked.now, token=token)
    with console.warehouse.reading() as connection:
        is_empty = not console_users.listed(connection)
    target = _here(asked.form.get("next") or asked.word("next"))
    answer = console.page(tied, "login.html", status, said=said, name=name, target=target, is_empty=is_empty)
    if not asked.token:
        answer.set_cookie(
            BEFORE_COOKIE, token, max_age=BEFORE_SECONDS, httponly=True, samesite="lax", secure=asked.is_secure
        )
    return answer


def _here(path: str) -> str:
    """Give a path of ours to go to; never another site's."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\", "/login")) and path.isprintable()
    return path if is_ours else "/"


ROUTES = (
    Route("/login", show_login, None),
    Route("/login", log_in, None, "POST"),
    Route("/logout", log_out, "viewer", "POST"),
)
