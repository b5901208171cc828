"""Alert rules evaluated over a real database: what is told, what is not, how often and when."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reports.alerts.rule import Rule
from tests.support import warehouse
from tests.support.alerts import PUBLIC_URL, House, alerts, titled
from tests.support.builders import event
from tests.support.loading import sdk, told
from tests.support.server import errhouse

NEW = ["New issue in 42: Boom: it broke"]
CHANGE = """
insert into warehouse.issue_change (project_id, issue_id, changed_at, received_at, action, status, substatus, title,
    culprit, level) values (42, 9, now(), now(), '{action}', 'unresolved', {substatus}, 'KeyError', 'a.b', 'fatal')
"""


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    with alerts(database_url) as made:
        yield made


def facts(row: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in row["message"]["facts"]}


def test_a_new_issue_is_told_once_to_every_target_with_what_is_known_of_it(house: House) -> None:
    house.rule("new", "new_issue", targets=["chat", "mail"])
    house.load(titled("Boom"), titled("Boom", user={"id": "8"}))
    assert house.evaluate() == 1
    house.passes(hours=5)
    house.load(titled("Boom"))
    assert house.evaluate() == 0
    one, other = house.outbox()
    assert (one["target"], other["target"], one["kind"], one["rule"]) == ("chat", "mail", "alert", "new")
    message = one["message"]
    assert message["title"] == NEW[0]
    assert message["level"] == "error"
    assert message["link"] == f"{PUBLIC_URL}/issues/42/{message['issue']['issue_id']}"
    told_facts = facts(one)
    first = told_facts.pop("First seen")
    assert first.endswith(" UTC")
    assert told_facts == {
        "Project": "42",
        "Culprit": "/checkout",
        "Level": "error",
        "Title": "Boom: it broke",
        "Message": "it broke",
        "Environment": "staging",
        "Release": "shop@1.2.3",
        "Events": "2",
        "Users": "2",
        "Trend": "up: 2 events in the last 24 hours, 0 in the 24 before",
    }
    event = message["about_event"]
    found = warehouse.value(
        house.url, "select count(*)::int from warehouse.fact_event where event_id = %s", event["event_id"]
    )
    assert found == 1


def test_an_issue_of_which_another_group_is_known_is_not_new(house: House) -> None:
    house.rule("new", "new_issue")
    house.load(titled("Boom"))
    assert house.evaluate() == 1
    house.load(titled("Bang"))
    house.run("update warehouse.dim_group set issue_id = 5")
    assert house.evaluate() == 0


def test_two_groups_of_one_new_issue_are_one_new_issue(house: House) -> None:
    house.rule("new", "new_issue")
    house.load(titled("Boom"), titled("Bang"))
    house.run("update warehouse.dim_group set issue_id = 5")
    assert house.evaluate() == 1


def test_what_was_loaded_before_a_rule_was_there_is_not_told(house: House) -> None:
    house.rule("other", "level", level="fatal")
    house.load(titled("Boom"))
    house.rule("new", "new_issue")
    house.run("update warehouse.alert_rule set starts_at = now() where name = 'new'")
    assert house.evaluate() == 0
    assert warehouse.value(house.url, "select count(*)::int from warehouse.alert_feed") == 0


def test_without_a_rule_nothing_is_kept_and_changes_are_told_all_the_same(house: House) -> None:
    house.load(titled("Boom"))
    house.run(CHANGE.format(action="created", substatus="'new'"))
    assert warehouse.value(house.url, "select count(*)::int from warehouse.alert_feed") == 0
    house.evaluate()
    assert warehouse.value(house.url, "select is_told from warehouse.issue_change") is True
    assert house.outbox() == []


def test_changes_that_sentry_tells_are_new_issues_and_regressions(house: House) -> None:
    house.rule("new", "new_issue")
    house.rule("back", "regression")
    house.run(CHANGE.format(action="created", substatus="'new'"))
    assert house.evaluate() == 1
    house.run(CHANGE.format(action="unresolved", substatus="'ongoing'"))
    assert house.evaluate() == 0
    house.run(CHANGE.format(action="unresolved", substatus="'regressed'"))
    assert house.evaluate() == 1
    assert sorted(house.titles()) == ["New issue in 42: KeyError", "Regression in 42: KeyError"]


def test_an_issue_that_comes_back_after_it_was_resolved_is_told_once_for_that(house: House) -> None:
    house.rule("back", "regression", cooldown_seconds=0)
    house.load(titled("Boom"))
    assert house.evaluate() == 0
    house.run("update warehouse.dim_group set issue_id = 5")
    house.run(
        "insert into warehouse.dim_issue (project_id, issue_id, changed_at, resolved_at, status) "
        "values (42, 5, now(), now(), 'resolved')"
    )
    for _ in range(2):
        house.passes(minutes=1)
        house.load(titled("Boom"))
        house.evaluate()
    assert house.titles() == ["Regression in 42: Boom: it broke"]


def test_an_issue_is_told_again_after_the_cooldown_and_not_before(house: House) -> None:
    house.rule("fatal", "level", level="fatal", cooldown_seconds=600)
    for minutes, expected in ((0, 1), (9, 1), (1, 2)):
        house.passes(minutes=minutes)
        house.load(titled("Boom", level="fatal"), titled("Meh", level="error"))
        house.evaluate()
        assert len(house.outbox()) == expected


def test_a_threshold_is_told_when_it_is_reached_and_again_once_it_was_not(house: House) -> None:
    house.rule("many", "threshold", count="5", window="1m", cooldown_seconds=0)

    def minute(moment: datetime) -> None:
        # the database says when it folded; here the clock of the test does
        house.run(f"update warehouse.alert_feed set folded_at = '{moment.isoformat()}'")

    house.clock.now = house.clock.now.replace(second=5, microsecond=0) + timedelta(minutes=1)
    for events, expected in ((4, 0), (1, 1), (9, 1)):
        house.load(*[titled("Boom")] * events)
        minute(house.clock.now)
        house.evaluate()
        assert len(house.outbox()) == expected
    house.passes(minutes=3)
    house.alerting._looked_at = float("-inf")
    house.evaluate()
    assert warehouse.value(house.url, "select is_firing from warehouse.alert_state") is False
    house.load(*[titled("Boom")] * 5)
    minute(house.clock.now)
    house.evaluate()
    assert len(house.outbox()) == 2
    assert house.titles()[0] == "5 events in 1 minute in 42: Boom: it broke"


def test_several_are_told_together_by_project_or_by_rule(house: House) -> None:
    house.rule("by-project", "new_issue", group_by="project")
    house.rule("by-rule", "new_issue", group_by="rule")
    house.load(*(titled(f"Boom{number}") for number in range(12)))
    house.load(titled("Elsewhere"), project=43)
    assert house.evaluate() == 3
    assert sorted(house.titles()) == ["12 new issues in 42", "13 new issues", "New issue in 43: Elsewhere: it broke"]
    (row,) = [row for row in house.outbox() if row["rule"] == "by-rule"]
    assert row["message"]["text"].splitlines()[-1] == "and 3 more"
    assert len(row["message"]["text"].splitlines()) == 11


def test_only_events_with_a_tag_are_told(house: House) -> None:
    house.rule("eu", "new_issue", matches={"tag": {"region": ["eu"]}})
    house.load(titled("Boom"), titled("Bang", tags={"region": "us"}), titled("Bare", tags={}))
    assert house.evaluate() == 1
    assert house.titles() == NEW


def test_a_rule_that_fails_says_so_and_the_others_go_on(house: House) -> None:
    for name in ("a", "b", "c"):
        house.rule(name, "new_issue")
    house.run("update warehouse.alert_rule set kind = 'of_tomorrow' where name = 'a'")
    house.run("update warehouse.alert_rule set kind = 'threshold' where name = 'b'")
    house.load(titled("Boom"))
    assert house.evaluate() == 1
    assert str(house.error("a")).startswith("There is no kind of rule 'of_tomorrow'")
    assert str(house.error("b")).startswith("It failed by a fault of this program (KeyError)")
    assert house.error("c") is None
    house.run("update warehouse.alert_rule set kind = 'new_issue'")
    house.load(titled("Bang"))
    assert house.evaluate() == 3
    assert house.error("a") is None


def test_in_quiet_hours_a_message_is_due_when_they_end(house: House) -> None:
    house.clock.now = house.clock.now.replace(hour=23, minute=30, second=0, microsecond=0)
    house.rule("new", "new_issue", quiet="22:00-07:00")
    house.most = 2
    house.load(*(titled(f"Boom{number}") for number in range(5)))
    house.evaluate()
    ends = (house.clock.now + timedelta(days=1)).replace(hour=7, minute=0)
    assert [row["due_at"] for row in house.outbox("alert")] == [ends, ends]
    (digest,) = house.outbox("digest")
    assert digest["due_at"] == ends + timedelta(minutes=1)
    assert digest["message"]["title"] == "3 more alerts were held back"


def test_what_is_more_than_a_target_is_sent_in_a_minute_is_told_in_one_digest(house: House) -> None:
    house.clock.now = house.clock.now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    house.most = 3
    house.rule("new", "new_issue")
    for batch in range(3):
        house.load(*(titled(f"Boom{batch}x{number}") for number in range(6)))
        house.evaluate()
        house.passes(seconds=10)
    assert len(house.outbox("alert")) == 3
    (digest,) = house.outbox("digest")
    assert digest["message"]["title"] == "15 more alerts were held back"
    assert len(digest["message"]["text"].splitlines()) == 10
    assert digest["due_at"] == house.clock.now.replace(second=0) + timedelta(minutes=1)
    # one that is on its way is not changed: what is more is told a minute later
    house.run("update warehouse.outbox set status = 'sending' where kind = 'digest'")
    house.load(titled("Late"))
    house.evaluate()
    assert [row["message"]["title"] for row in house.outbox("digest")] == [
        "15 more alerts were held back",
        "1 more alert was held back",
    ]


def test_a_late_service_is_told_by_the_clock_once_until_it_was_not(house: House) -> None:
    house.rule("fresh", "freshness", lag="1m", cooldown_seconds=0)
    for lag, expected in ((0, 0), (61, 1), (90, 1), (1, 1), (70, 2)):
        house.figures = {"loader_lag_seconds": float(lag)}
        house.passes(seconds=31)
        house.alerting.asked()
        assert len(house.outbox()) == expected, lag
    assert house.titles() == ["Events wait to be loaded"] * 2


def test_one_that_is_asked_by_the_clock_is_asked_no_more_often_than_it_says(house: House) -> None:
    house.rule("fresh", "freshness", every="60s", cooldown_seconds=0)
    house.alerting.asked()
    house.figures = {"loader_lag_seconds": 999.0}
    house.passes(seconds=59)
    assert house.alerting.asked() == 0
    house.passes(seconds=1)
    assert house.alerting.asked() == 1


def test_rows_of_a_query_are_told_and_one_that_fails_says_why(house: House) -> None:
    house.rule("slow", "sql", sql="select title as subject, events from analytics.issues order by title; ")
    house.rule("writes", "sql", sql="select lo_create(0) as subject")
    house.rule("broken", "sql", sql="select 1/0 as subject")
    house.load(titled("Boom"), titled("Bang"))
    assert house.alerting.asked() == 2
    assert house.titles() == ["Bang: it broke", "Boom: it broke"]
    assert facts(house.outbox()[0]) == {"events": "1"}
    assert "read-only transaction" in str(house.error("writes"))
    assert house.error("broken") == "The query cannot be asked (division by zero)."
    assert house.error("slow") is None


def test_a_project_that_stops_is_silent_unless_the_loader_is_behind(house: House) -> None:
    house.rule("quiet", "silence", silent="10m", cooldown_seconds=0)
    at = house.clock.now
    for day in range(5):
        for minute in range(0, 180, 3):
            moment = at - timedelta(days=day, minutes=minute)
            if day or minute > 90:
                house._loader.load([_payload(moment)], origin="test")
    house.load()
    house.figures = {"loader_lag_seconds": 100.0}
    assert house.alerting.asked() == 0
    house.figures = {}
    house.passes(minutes=6)
    assert house.alerting.asked() == 1
    assert house.titles()[0].startswith("42 has sent nothing for 9")


def test_a_spike_is_found_in_the_hour_in_which_it_is(house: House) -> None:
    house.rule("spike", "spike")
    at = house.clock.now
    for hour in range(30, 0, -1):
        house._loader.load([_payload(at - timedelta(hours=hour)) for _ in range(4)], origin="test")
    house.load(*[titled("Boom")] * 40)
    assert house.alerting.asked() == 1
    assert house.titles() == ["Spike in 42: 40 events"]
    house.passes(minutes=5)
    assert house.alerting.asked() == 0


def test_the_trial_says_what_would_have_been_told(house: House, tmp_path: Any) -> None:
    house.rule("new", "new_issue")
    house.rule("many", "threshold", count="3", window="5m")
    house.load(*[titled("Boom")] * 4)

    def run(*words: str) -> Any:
        return errhouse("rule", "test", *words, data_dir=tmp_path / "data", database_url=house.url)

    assert "New issue in 42: Boom: it broke" in run("new").stdout
    assert "4 events in 5 minutes in 42: Boom: it broke" in run("many").stdout
    assert house.outbox() == []
    assert run("new", "--send").returncode == 0
    (row,) = house.outbox()
    assert (row["kind"], row["message"]["title"]) == ("test", f"[test] {NEW[0]}")


def _payload(moment: datetime) -> Any:
    return sdk(event(timestamp=told(moment.astimezone(UTC)), **titled("Boom")), at=moment)


def test_a_rule_is_what_its_row_says(house: House) -> None:
    made = house.rule("new", "new_issue", quiet="22:00-07:00", zone="Europe/Berlin", matches={"level": ["fatal"]})
    assert isinstance(made, Rule)
    row = warehouse.rows(house.url, "select * from warehouse.alert_rule")[0]
    assert (row["quiet"], row["zone"], row["matches"]) == ("22:00-07:00", "Europe/Berlin", {"level": ["fatal"]})
