"""How a person is told from others in text, in JSON and in bytes."""

import json
from typing import Any

import pytest

from ingest.erase.person import Person

MAIL = "Jane.Doe@people.example"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("mail to jane.doe@PEOPLE.example.", "mail to [erased]."),
        (f"<{MAIL}>,{MAIL}", "<[erased]>,[erased]"),
        ("?to=jane.doe%40people.example&x=%20Jane.Doe@people.example", "?to=[erased]&x=%20[erased]"),
        (f"see {MAIL}.Retry", "see [erased].Retry"),
        ("mary-jane.doe@people.example", "mary-jane.doe@people.example"),
        ("x.jane.doe@people.example", "x.jane.doe@people.example"),
        ("jane.doe@people.example.au", "jane.doe@people.example.au"),
        ("jane.doe@people.examples", "jane.doe@people.examples"),
    ],
)
def test_a_mail_address_is_found_where_it_stands_alone(before: str, after: str) -> None:
    assert Person([MAIL]).text(before) == after


@pytest.mark.parametrize(
    ("identifier", "before", "after"),
    [
        (
            "10.0.0.1",
            "from 10.0.0.1:80 and 10.0.0.12, 110.0.0.1, 10.0.0.1.5",
            "from [erased]:80 and 10.0.0.12, 110.0.0.1, 10.0.0.1.5",
        ),
        ("123456", "id 123456, 1234567, user_123456", "id [erased], 1234567, user_[erased]"),
        ("2001:db8::7", "[2001:db8::7] 2001:db8::77", "[[erased]] 2001:db8::77"),
        ("o'neil\\x", "as o'neil\\x said", "as [erased] said"),
        ("Jürgen", "für JÜRGEN und Jürgens", "für [erased] und Jürgens"),
    ],
)
def test_other_identifiers_are_found_where_they_stand_alone(identifier: str, before: str, after: str) -> None:
    assert Person([identifier]).text(before) == after


def test_a_short_identifier_is_only_taken_for_the_person_whole_and_in_their_own_events() -> None:
    person = Person(["7"])
    assert not person.is_searched_for
    assert person.text("7") == "7"
    assert person.text("line 7", is_own=True) == "line 7"
    own = {"tags": [["user", "id:7"], ["retries", "17"]], "extra": {"who": "7", "n": 7}, "exception": {"type": "7"}}
    assert person.event(own, is_own=True) == {
        "tags": [["user", "[erased]"], ["retries", "17"]],
        "extra": {"who": "[erased]", "n": 7},
        "exception": {"type": "7"},
    }


def test_what_makes_an_event_what_it_is_stays() -> None:
    data: dict[str, Any] = {
        "event_id": "a" * 32,
        "platform": "python",
        "sdk": {"name": "python"},
        "user": {"username": "python"},
        "extra": {"by": "python", MAIL: {"n": 1234567}},
    }
    person = Person(["python", MAIL, "1234567"])
    assert person.event(data, is_own=True) == {
        "event_id": "a" * 32,
        "platform": "python",
        "sdk": {"name": "python"},
        "extra": {"by": "[erased]", "[erased]": {"n": "[erased]"}},
    }


def test_what_names_the_person_only_in_their_own_events_is_not_searched_for_in_others() -> None:
    person = Person([MAIL, "janedoe99"])
    data = {"message": f"{MAIL} is janedoe99", "user": {"id": "9"}}
    assert person.event(data, is_own=False) == {"message": "[erased] is janedoe99", "user": {"id": "9"}}
    assert person.event(data, is_own=True) == {"message": "[erased] is [erased]"}


def test_a_payload_without_the_person_is_not_written_anew() -> None:
    person = Person([MAIL])
    assert person.payload(b'{"message":"nobody"}', is_own=False) is None
    assert person.payload(b'{"message":"nobody"}', is_own=True) is None
    escaped = json.dumps({"message": f"é {MAIL}"}).replace("@", "\\u0040").encode()
    assert json.loads(person.payload(escaped, is_own=False) or b"") == {"message": "é [erased]"}


def test_bytes_keep_their_length() -> None:
    body = b'{"length":30}\n\xff{"m":"' + MAIL.encode() + b'"}'
    struck = Person([MAIL]).barred(body)
    assert len(struck) == len(body)
    assert struck == body.replace(MAIL.encode(), b"*" * len(MAIL))
