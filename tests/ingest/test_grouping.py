"""Which events are one group."""

import json
from datetime import UTC, datetime

from ingest.normalize import normalize
from ingest.records import EventRecord, RawEvent, Source

RECEIVED_AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def record(told=None, /, **data) -> EventRecord:
    told = {"source": Source.sdk, "project_id": 1, **(told or {})}
    return normalize(RawEvent(data=data, body=json.dumps(data).encode(), **told), RECEIVED_AT)


PROCESSED = {"source": Source.webhook_platform, "is_processed": True}


def group_of(told=None, /, **data) -> str:
    return record(told, **data).group


def stack(lineno=1, in_app=True, function="f") -> dict:
    frames = [
        {"module": "m", "function": function, "lineno": lineno, "in_app": in_app},
        {"module": "lib", "function": "g"},
    ]
    return {"exception": [{"type": "E", "value": f"id {lineno}", "stacktrace": {"frames": frames}}]}


def test_sentrys_group_is_kept_where_it_was_told():
    assert group_of({**PROCESSED, "issue_id": 5}, hashes=["abc"]) == "abc"
    assert group_of({**PROCESSED, "issue_id": 5}) == "issue:5"


def test_line_numbers_values_and_library_frames_found_no_new_group():
    assert group_of(**stack(1)) == group_of(**stack(2))
    assert group_of(**stack()) != group_of(**stack(function="h"))
    assert group_of(**stack()).startswith("e1:")


def test_messages_of_one_template_are_one_group():
    one, other = (group_of(logentry={"message": "cart %s", "params": [n]}) for n in (1, 2))
    assert one == other != group_of(logentry={"message": "user %s", "params": [1]})


def test_exceptions_without_frames_differ_by_value_but_not_by_its_numbers():
    def of(value):
        return group_of(exception=[{"type": "E", "value": value}])

    assert of("row 17 of 0x7f3c38e16d10") == of("row 18 of 0x7f3c38e16d11") != of("no row")


def test_a_fingerprint_decides_and_default_in_it_is_our_own_group():
    assert group_of(**stack(), fingerprint=["a"]) == group_of(message="m", fingerprint=["a"])
    assert group_of(**stack(), fingerprint=["{{ default }}"]) == group_of(**stack())
    assert group_of(**stack(), fingerprint=["{{ default }}", "a"]) == group_of(
        **stack(), fingerprint=["{{default}}", "a"]
    )
    assert group_of(**stack(), fingerprint=["{{ default }}", "a"]) != group_of(
        **stack(function="h"), fingerprint=["{{ default }}", "a"]
    )
