"""Kinds of alert rules, each by the cases of its folder; what they are limited by; and their quiet hours."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

import reports.rules
from reports.alerts import matching
from reports.alerts.quiet import hours, quiet_until
from reports.alerts.rule import Given, Rule, Sighting
from reports.alerts.rule_written import check, length, parameters, seconds
from reports.errors import BadRule
from reports.rules import RULES, kind_of

CASES = Path(__file__).parent / "rules"
FOLDERS = sorted(path.parent for path in CASES.glob("*/*/rule.json"))
SIGHTING = Sighting(7, "shop", 42, slug="shop", name="The shop", title="TypeError: a\nb", culprit="cart.total")


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def rule_of(folder: Path) -> Rule:
    written = read(folder / "rule.json")
    kind = kind_of(folder.parent.name)
    words = written.pop("parameters", {})
    return Rule("case", kind.NAME, parameters=parameters(kind, words), targets=["chat"], **written)


def test_every_kind_of_the_folder_is_in_the_list_and_has_cases() -> None:
    files = {path.stem for path in Path(reports.rules.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == {each.NAME for each in RULES} == {folder.parent.name for folder in FOLDERS}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_a_kind_finds_what_its_case_says(folder: Path) -> None:
    rule = rule_of(folder)
    check(rule)
    given = msgspec.convert(read(folder / "sightings.json"), Given)
    met = tuple(each for each in given.sightings if matching.is_matched(each, rule.matches))
    found = kind_of(rule.kind).found(rule.parameters, msgspec.structs.replace(given, sightings=met))
    expected = read(folder / "expect.json")
    told = msgspec.json.decode(msgspec.json.encode(found))
    assert [{name: each[name] for name in want} for each, want in zip(told, expected, strict=True)] == expected


@pytest.mark.parametrize(
    ("matches", "is_met"),
    [
        ({}, True),
        ({"project": ["shop"]}, True),
        ({"project": ["7"]}, True),
        ({"project": ["The shop"]}, True),
        ({"project": ["web", "shop"]}, True),
        ({"project": ["sho*"]}, False),
        ({"level": ["error"]}, True),
        ({"level": ["fatal", "warning"]}, False),
        ({"culprit": ["cart.*"]}, True),
        ({"culprit": ["cart"]}, False),
        ({"culprit": ["/^cart/"]}, True),
        ({"title": ["TypeError*b"]}, True),
        ({"title": ["/(?i)TYPEERROR/"]}, True),
        ({"title": ["type*"]}, False),
        ({"release": ["*"]}, False),
        ({"environment": ["prod?"]}, False),
        ({"culprit": ["cart.*"], "level": ["fatal"]}, False),
        ({"title": ["TypeError: a?b"]}, True),
    ],
)
def test_several_conditions_mean_all_and_several_values_any(matches: dict[str, list[str]], is_met: bool) -> None:
    matching.check(matches)
    assert matching.is_matched(SIGHTING, matches) is is_met


def test_tags_are_met_key_by_key() -> None:
    tags = {"region": "eu", "plan": "pro"}
    assert matching.has_tags(tags, {"region": ["us", "eu"], "plan": ["p*"]})
    assert not matching.has_tags(tags, {"region": ["us"]})
    assert not matching.has_tags(tags, {"host": ["*"]})
    assert not matching.has_tags(None, {"host": ["*"]})


@pytest.mark.parametrize(
    ("matches", "sentence"),
    [
        ({"level": ["eror"]}, "There is no level eror; there are fatal"),
        ({"title": ["/(/"]}, "/(/ is not a regular expression (missing ): (); see RE2's syntax."),
        ({"title": [r"/(a)\1/"]}, r"/(a)\1/ is not a regular expression"),
        ({"title": [""]}, "--title is empty"),
        ({"title": ["a" * 501]}, "A pattern has 500 characters at most"),
        ({"colour": ["red"]}, "There is no condition colour"),
        ({"culprit": ["a"] * 101}, "--culprit takes 100 values at most."),
    ],
)
def test_what_cannot_be_matched_is_one_sentence(matches: dict[str, list[str]], sentence: str) -> None:
    with pytest.raises(BadRule) as wrong:
        matching.check(matches)
    assert str(wrong.value).startswith(sentence)


def test_no_text_makes_an_expression_slow() -> None:
    evil = matching.test("/(a+)+$/")
    begun = datetime.now(UTC)
    assert not evil("a" * 8000 + "!")
    assert (datetime.now(UTC) - begun).total_seconds() < 1


@pytest.mark.parametrize(
    ("at", "quiet", "zone", "until"),
    [
        ("2026-11-24T21:30", "22:00-07:00", "Europe/Berlin", "2026-11-25T06:00"),
        ("2026-11-24T20:59", "22:00-07:00", "Europe/Berlin", None),
        ("2026-11-24T05:59", "22:00-07:00", "Europe/Berlin", "2026-11-24T06:00"),
        ("2026-11-24T06:00", "22:00-07:00", "Europe/Berlin", None),
        ("2026-11-24T12:30", "12:00-13:00", "UTC", "2026-11-24T13:00"),
        # clocks are put back: 02:30 comes twice, and it is quiet until the first
        ("2026-10-24T23:30", "22:00-02:30", "Europe/Berlin", "2026-10-25T00:30"),
        # clocks are put forward: there is no 02:30, and it is quiet until 03:30
        ("2026-03-29T00:30", "22:00-02:30", "Europe/Berlin", "2026-03-29T01:30"),
        ("2026-11-24T21:30", None, "UTC", None),
    ],
)
def test_quiet_hours_end_by_the_clock_of_their_zone(at: str, quiet: str | None, zone: str, until: str | None) -> None:
    found = quiet_until(datetime.fromisoformat(at).replace(tzinfo=UTC), quiet, zone)
    assert found == (datetime.fromisoformat(until).replace(tzinfo=UTC) if until else None)


@pytest.mark.parametrize("quiet", ["22-7", "22:00", "24:00-07:00", "22:00-07:60", "22:00\u201307:00", "07:00-07:00"])
def test_hours_that_are_none_are_one_sentence(quiet: str) -> None:
    with pytest.raises(BadRule):
        hours(quiet)


def test_lengths_of_time_are_written_as_they_are_read() -> None:
    assert [length(seconds("--window", each)) for each in ("90s", "60s", "2h", "48h", "0s")] == [
        "90s",
        "1m",
        "2h",
        "2d",
        "0s",
    ]
