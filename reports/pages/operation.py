"""How the service fares: schedules and health."""

from datetime import timedelta

from fastapi import Response

from models import console_users
from reports import cron, schedules
from reports.errors import ReportsError
from reports.pages import questions
from reports.pages.asked import Asked
from reports.pages.login import sent_to
from reports.pages.overview import freshness
from reports.pages.page import Console, Route

LOADED_DAYS = 14


def show_schedules(console: Console, asked: Asked) -> Response:
    """List schedules, with their next and their last run."""
    with console.warehouse.reading() as connection:
        found = schedules.listed(connection)
    upcoming = {}
    for each in found:
        try:
            following = cron.upcoming(each.schedule.cron, each.schedule.zone, asked.now, 1)
        except ReportsError:
            following = []
        upcoming[each.schedule.name] = following[0] if following and each.schedule.is_enabled else None
    return console.page(asked, "schedules.html", schedules=found, upcoming=upcoming)


def switch_schedule(console: Console, asked: Asked) -> Response:
    """Pause a schedule, or let it go on."""
    asked.check_form()
    is_enabled = asked.form.get("enable") == "yes"
    with console.warehouse.writing() as connection:
        schedules.switch(connection, asked.form.get("name", ""), asked.now, is_enabled=is_enabled)
    return sent_to("/schedules")


def health(console: Console, asked: Asked) -> Response:
    """Show how the parts of the service fare, and, to an admin, who may use the console."""
    since = (asked.now - timedelta(days=LOADED_DAYS - 1)).date()
    with console.warehouse.reading() as connection:
        loaded = connection.execute(questions.LOADED, {"since": since}).all()
        users = console_users.listed(connection) if asked.may("admin") else []
    return console.page(asked, "health.html", loaded=loaded, users=users, **freshness(console, asked.now))


ROUTES = (
    Route("/schedules", show_schedules),
    Route("/schedules", switch_schedule, "admin", "POST"),
    Route("/health", health),
)
