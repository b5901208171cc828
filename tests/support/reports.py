"""Builders of finished reports, so that a rendering is tested without a database."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from xml.etree.ElementTree import Element, fromstring

from reports.period import calendar
from reports.report import Chart, Column, Definition, Figure, Report, Section, Table, span

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "bell\x07 escape\x1b[31mred\x1b]0;title\x07 delete\x7f c1\x9b31m",
    "line\nbreak | pipe `tick` [link](http://evil.example/) ![i](//evil.example/i.png) <b>bold</b> &amp; #1 @all",
    "https://evil.example/?a=1&b='\"",
    "/شراء/الدفع في checkout",
    "\u202egnp.exe\u202c turned",
    "🛒 cart 👩‍👩‍👧 → ошибка 决済",
    "]]></text><script>x</script>",
    "{{ 7 * 7 }}{% raw %}",
    "{'a': 1}[datum.value] \\",
    "",
)
COLUMNS = (
    Column("project", "Project", "text", "Where the events were sent to."),
    Column("level", "Level", "text", "How bad its sender says it is."),
    Column("culprit", "Culprit", "text", "Where it happened, in Sentry's words."),
    Column("events", "Events", "count", "How many events."),
    Column("share", "Share", "share", "Part of all events of the period."),
    Column("change", "Change", "change", "Against the period before."),
    Column("rate", "Rate", "number", "Events an hour.", "events/h"),
    Column("trend", "By day", "sparkline", "Events of each day."),
    Column("issue", "Issue", "id", "Sentry's number of the issue."),
    Column("is_new", "New", "flag", "Whether it was first seen in the period."),
    Column("last_seen_at", "Last seen", "instant", "When it was last seen."),
)
WEEK = date(2026, 11, 2)
NOW = datetime(2026, 11, 8, 16, 15, tzinfo=UTC)
LEVEL_NAMES = ("fatal", "error", "warning", "info", "debug")


def xml(text: str | bytes) -> Element:
    """Read XML that we wrote."""
    return fromstring(text)  # noqa: S314 - our own


def section(name: str, title: str, columns: tuple[Column, ...], rows: list[list[Any]], **more: Any) -> Section:
    """Give a section; `sentence`, `chart` and `left_out` have defaults."""
    sentence = more.get("sentence", f"{title} has {len(rows)} rows.")
    return Section(name, title, sentence, Table(columns, rows, more.get("left_out", 0)), more.get("chart"))


def culprit_row(number: int, culprit: str, random: Random) -> list[Any]:
    """Give a row of COLUMNS."""
    events = max(1, int(40000 / (number + 1) ** 1.1))
    last = datetime(2026, 11, 8, 23, 0, tzinfo=UTC) - timedelta(minutes=random.randrange(9000))
    return [
        ("shop", "billing", "mobile")[number % 3],
        LEVEL_NAMES[min(number % 4, 4)],
        culprit,
        events,
        events / 150_000,
        round(random.uniform(-0.6, 1.4), 3),
        round(events / 168, 2),
        [random.randrange(events // 9 + 2) for _ in range(14)],
        9_007_199_254_740_000 + number,
        number % 5 == 0,
        last.isoformat().replace("+00:00", "Z"),
    ]


def culprits(names: list[str], left_out: int = 0) -> Section:
    """Give a table of culprits with a bar for each."""
    random = Random(7)
    rows = [culprit_row(number, name, random) for number, name in enumerate(names)]
    chart = Chart("bars", "culprit", "events", "level", mark="is_new")
    sentence = f"{len(rows)} culprits make most of the events." if rows else "No event came."
    return section("top_culprits", "Top culprits", COLUMNS, rows, chart=chart, left_out=left_out, sentence=sentence)


def by_day(days: int = 14) -> Section:
    """Give levels over days, the last of which is not over and one of which is a spike."""
    columns = (
        Column("day", "Day", "day", "A day of the time zone."),
        Column("level", "Level", "text", "Level."),
        Column("events", "Events", "count", "How many."),
        Column("is_spike", "Spike", "flag", "More than usual at that time."),
        Column("is_partial", "Not over", "flag", "Whether the day goes on."),
    )
    random = Random(3)
    sizes = (60, 2400, 1300, 500, 260)
    rows = [
        [
            f"{datetime(2026, 10, 26, tzinfo=UTC) + timedelta(days=day):%Y-%m-%d}",
            level,
            int(size * random.uniform(0.7, 1.3) * (2.4 if day == 9 else 1) * (0.5 if day == days - 1 else 1)),
            day == 9 and level == "error",
            day == days - 1,
        ]
        for day in range(days)
        for level, size in zip(LEVEL_NAMES, sizes, strict=True)
    ]
    chart = Chart("stacked", "day", "events", "level", mark="is_spike", partial="is_partial")
    return section("level_mix", "Levels by day", columns, rows, chart=chart, sentence="Errors doubled on Wednesday.")


def by_hour(hours: int = 168) -> Section:
    """Give counts of two environments by hour, as lines."""
    columns = (
        Column("hour", "Hour", "instant", "An hour."),
        Column("environment", "Environment", "text", "Environment."),
        Column("events", "Events", "count", "How many."),
        Column("is_spike", "Spike", "flag", "More than usual."),
    )
    random = Random(5)
    start = datetime(2026, 11, 1, 23, tzinfo=UTC)
    rows = [
        [
            (start + timedelta(hours=hour)).isoformat().replace("+00:00", "Z"),
            environment,
            int(size * (1.2 - abs(hour % 24 - 14) / 14) * random.uniform(0.8, 1.2))
            + (900 if hour == 80 and size > 500 else 0),
            hour == 80 and environment == "production",
        ]
        for hour in range(hours)
        for environment, size in (("production", 700), ("staging", 120))
    ]
    chart = Chart("lines", "hour", "events", "environment", mark="is_spike")
    return section("timeline", "Events by hour", columns, rows, chart=chart, sentence="One hour stood out.")


def heat() -> Section:
    """Give weekday by hour."""
    columns = (
        Column("weekday", "Weekday", "text", "Day of the week."),
        Column("hour", "Hour of the day", "text", "Local hour."),
        Column("events", "Events an hour", "number", "Mean of the hours."),
        Column("is_high", "Much more than usual", "flag", "At least twice the mean."),
    )
    random = Random(11)
    rows = [
        [
            day,
            f"{hour:02d}",
            round((30 if place < 5 else 9) * (14 - abs(hour - 13)) / 4 * random.uniform(0.7, 1.3), 1),
            (place, hour) == (2, 14),
        ]
        for place, day in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))
        for hour in range(24)
    ]
    chart = Chart("heatmap", "hour", "weekday", "events", mark="is_high")
    return section("heatmap", "When it happens", columns, rows, chart=chart, sentence="Most of it is office hours.")


def pareto(count: int = 12) -> Section:
    """Give cumulative shares of projects."""
    columns = (
        Column("project", "Project", "text", "Project."),
        Column("events", "Events", "count", "How many."),
        Column("cumulative_share", "Share with all above", "share", "Part of all, with every row above."),
    )
    sizes = [int(9000 / (place + 1)) for place in range(count)]
    sums = [sum(sizes[: place + 1]) / sum(sizes) for place in range(count)]
    names = [f"project-{place}" for place in range(count)]
    rows: list[list[Any]] = [list(row) for row in zip(names, sizes, sums, strict=True)]
    chart = Chart("pareto", "project", "events", "cumulative_share")
    return section("pareto", "Who makes most of it", columns, rows, chart=chart, sentence="5 of 12 make 80 %.")


def changed() -> Section:
    """Give what explains a change, without a chart."""
    columns = (
        Column("what", "What", "text", "What changed."),
        Column("difference", "Events more", "count", "Difference to the period before."),
        Column("contribution", "Part of the change", "share", "Its part of the whole difference."),
    )
    rows = [["billing: stripe.charge", 4211, 0.61], ["shop: cart.total", -812, -0.118], ["mobile: login", 0, 0.0]]
    return section("what_changed", "What changed", columns, rows, sentence="Billing explains most of the rise.")


def report(*sections: Section, **more: Any) -> Report:
    """Give a weekly report of the sections; everything else has defaults that an argument replaces."""
    period = calendar(WEEK, "week", "Europe/Berlin")
    told: dict[str, Any] = {
        "name": "weekly",
        "title": "Weekly report",
        "period": span(period),
        "previous": span(period.previous()),
        "parameters": {"project": ["shop", "billing"], "environment": [], "level": [], "top": 20},
        "headline": [
            Figure("events", "Events", 153_204, "count", None, 131_877, 0.1617, is_significant=True),
            Figure("users", "Users affected", 8_410, "count", None, 8_512, -0.012),
            Figure("rate", "Rate", 911.93, "number", "events/h", 784.98, 0.1617, is_significant=True),
            Figure("unhandled", "Unhandled", 0.127, "share", None, 0.127, 0.0),
            Figure("new_issues", "New issues", 12, "count", None, 0),
            Figure("budget", "Budget burnt", None, "share"),
        ],
        "sections": list(sections),
        "quality": [
            Figure("late", "Came more than an hour late", 0.0123, "share"),
            Figure("lag", "Rollups behind", 4.2, "number", "seconds"),
            Figure("set_aside", "Set aside", 3, "count"),
        ],
        "notes": ["The last day is not over: its numbers will grow."],
        "definitions": [
            Definition("event", "One occurrence, with an id, as its SDK sent it."),
            Definition("culprit", "Sentry's words for where it happened."),
        ],
    }
    return Report(**{**told, **more})


def full() -> Report:
    """Give a report with six charts, as a good week has."""
    places = ("checkout", "cart.total", "stripe.charge", "login", "search.suggest", "invoice.render", "export")
    names = [f"shop.{place}.views in {verb}" for place in places for verb in ("get", "post", "retry")]
    return report(changed(), culprits(names[:20], 143), by_day(), by_hour(), heat(), pareto())


def hostile() -> Report:
    """Give a report in which every word of senders is against us."""
    names = [*HOSTILE, "long." * 1638, HOSTILE[0]]
    columns = (
        Column("environment", "Environment", "text", "Environment."),
        Column("culprit", "Culprit", "text", "Culprit."),
        Column("events", "Events", "count", "How many."),
    )
    rows: list[list[Any]] = [[name, names[-place - 1], 100 + place] for place, name in enumerate(names)]
    chart = Chart("stacked", "environment", "events", "culprit")
    mixed = section(HOSTILE[0], HOSTILE[1], columns, rows, chart=chart, sentence=f"Most came from {HOSTILE[9]}.")
    figures = [Figure("top", f"Events of {HOSTILE[8]}", 3, "count", HOSTILE[0], 2, 0.5)]
    words = [Definition(HOSTILE[0], HOSTILE[1])]
    return report(
        culprits(names),
        mixed,
        headline=figures,
        notes=list(HOSTILE),
        definitions=words,
        title=HOSTILE[0],
        parameters={"culprit": list(HOSTILE)},
    )
