"""Questions that are asked ahead: the same answers, of the same snapshot, and each asked once."""

import subprocess
import sys
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from pandas.testing import assert_frame_equal
from psycopg import sql
from sqlalchemy.engine import make_url

from reports import frames, questions
from reports.built_in import REPORTS, ahead, make
from reports.built_in.certain import BY_RELEASE, FINE
from reports.errors import ReportsError
from reports.period import calendar
from reports.questions import ALL, Question
from reports.reading import Reader, positional, reading
from reports.report import encoded
from tests.support import postgres, roles
from tests.support.builders import event
from tests.support.loading import NOON, loading, sdk, told
from tests.support.server import ROOT

WEEK = calendar(NOON.date(), "week", "UTC")
DAY = calendar((NOON - timedelta(days=1)).date(), "day", "UTC")
RIGHT = {"weekly": WEEK, "daily": DAY, "frequency": WEEK, "health": WEEK}


@pytest.fixture
def filled(database_url: str) -> str:
    with loading(database_url) as (loader, _):
        loader.load([sdk(*(event(timestamp=told(NOON - timedelta(hours=9 * n))) for n in range(40)))], origin="test")
    return database_url


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_asked_ahead_is_what_the_report_asks_and_gives_the_same_report(name: str, filled: str) -> None:
    certain = ahead(name, RIGHT[name])
    assert certain
    with reading(filled, certain) as reader:
        made = make(name, reader, RIGHT[name])
        assert reader._coming == {}
    with reading(filled) as reader:
        assert encoded(make(name, reader, RIGHT[name])) == encoded(made)


def test_a_period_of_half_days_is_asked_ahead_too(filled: str) -> None:
    half = WEEK._replace(start=WEEK.start + timedelta(hours=5), end=WEEK.end - timedelta(hours=7), kind="span")
    for name in (each.name for each in REPORTS):
        with reading(filled, ahead(name, half)) as reader:
            make(name, reader, half)
            assert reader._coming == {}


def test_a_question_that_fails_ahead_is_told_to_who_asks_it_and_a_reader_that_is_left_waits_for_none(
    filled: str,
) -> None:
    slow = Question("select pg_sleep(:seconds)::text as slept", {"seconds": 60.0})
    wrong = Question("select no_such_column from analytics.issues", {})
    with pytest.raises(ReportsError, match="did not answer"), reading(filled, [wrong]) as reader:
        reader.read(wrong.sql)

    class Left(Exception):
        """Somebody has had enough."""

    def leave(_: Reader) -> Any:
        raise Left

    with pytest.raises(Left), reading(filled, [slow]) as reader:
        leave(reader)


def test_two_questions_are_asked_at_once_and_see_the_same(filled: str) -> None:
    count = "select pg_backend_pid() as process, count(*) as events from analytics.events"
    waits = Question(f"select *, pg_advisory_xact_lock(:key)::text as got from ({count}) counted", {"key": 7})
    with psycopg.connect(filled, autocommit=True) as holder:
        holder.execute("select pg_advisory_lock(7)")
        with reading(filled, [waits]) as reader:
            with loading(filled) as (loader, _):
                loader.load([sdk(event(event_id="f" * 32, timestamp=told(NOON)))], origin="test")
            beside = reader.read(count)
            holder.execute("select pg_advisory_unlock(7)")
            waited = reader.read(waits.sql, **waits.told)
    assert (beside["events"][0], waited["events"][0]) == (40, 40)
    assert beside["process"][0] != waited["process"][0]


def test_a_period_and_the_one_before_it_read_at_once_are_as_each_read_alone(database_url: str) -> None:
    two = (("production", "shop@1"), (None, None))
    many = [
        event(timestamp=told(NOON - timedelta(hours=9 * n)), environment=where, release=which, dist=str(n % 3))
        for n in range(40)
        for where, which in two
    ]
    with loading(database_url) as (loader, _):
        for project in (1, 2):
            loader.load([sdk(*many, project=project)], origin="test")
    half = WEEK._replace(start=WEEK.start + timedelta(hours=5), kind="span")
    for week in (WEEK, half):
        spans = (week, week.previous())
        with reading(database_url) as reader:
            for by in (FINE, BY_RELEASE):
                for mine, span in zip(frames.compared(*spans, by, ALL, reader), spans, strict=True):
                    assert len(mine)
                    alone = frames.frequency(span, by, ALL, reader, counts_users=False)
                    assert_frame_equal(mine, alone, check_like=True)


def test_a_login_that_may_connect_once_gets_the_same_report(filled: str, postgres_url: str) -> None:
    with reading(filled) as reader:
        expected = encoded(make("weekly", reader, WEEK))
    with roles.login(filled, "analyst", superuser=postgres_url) as url:
        name = sql.Identifier(make_url(url).username or "")
        postgres.run(postgres_url, sql.SQL("alter role {} connection limit 1").format(name))
        with reading(url, ahead("weekly", WEEK)) as reader:
            assert encoded(make("weekly", reader, WEEK)) == expected


def test_a_question_of_days_and_instants_does_not_wait_for_pandas(database_url: str) -> None:
    code = """
import sys
from datetime import UTC, date, datetime
from reports.reading import SETTINGS
from reports.session import Sessions
values = [date(1969, 12, 31), datetime(2026, 11, 9, 1, 2, 3, 4, UTC), datetime(1969, 12, 31, 23, tzinfo=UTC)]
with Sessions(sys.argv[1], SETTINGS) as sessions:
    answer = sessions.ask("select $1::date as a, $2::timestamptz as b, $3::timestamptz as c", values).result()
    assert "pandas" not in sys.modules
assert list(answer.to_pylist()[0].values()) == values
"""
    done = subprocess.run(
        [sys.executable, "-c", code, database_url], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_value_of_a_question_has_a_place() -> None:
    question = questions.quality(WEEK, ALL)
    assert positional(question.sql, question.told)[1] == [question.told["first_day"], question.told["end_day"]]
