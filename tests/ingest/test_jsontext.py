import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import jsontext
from ingest.errors import MalformedPayload, Reason

CORPUS = Path(__file__).parent.parent / "corpus"

UTF8_MARK = b"\xef\xbb\xbf"
NAUGHTY = {
    "plain": (b'{"a": [1, 2.5, null, true]}', {"a": [1, 2.5, None, True]}, False),
    "key given twice": (b'{"a": 1, "b": 2, "a": 3}', {"a": 3, "b": 2}, False),
    "bare value": (b' "text" ', "text", False),
    "pair of surrogates": (rb'"\ud83d\ude00"', "😀", False),
    "integer of 20 digits": (b"18446744073709551616", 18446744073709551616, False),
    "number too small": (b"1e-400", 0.0, False),
    "mark": (UTF8_MARK + b'{"a": 1}', {"a": 1}, True),
    "UTF-16 with mark": ('{"ä": 1}'.encode("utf-16"), {"ä": 1}, True),
    "UTF-16 big-endian with mark": (b"\xfe\xff" + '{"ä": 1}'.encode("utf-16-be"), {"ä": 1}, True),
    "UTF-16 without mark": ('{"ä": 1}'.encode("utf-16-le"), {"ä": 1}, True),
    "UTF-32 with mark": ('{"ä": 1}'.encode("utf-32"), {"ä": 1}, True),
    "Latin-1": ('{"ä": "ö"}'.encode("latin-1"), {"\ufffd": "\ufffd"}, True),
    "overlong NUL": (b'"a\xc0\x80b"', "a\ufffd\ufffdb", True),
    "surrogate in UTF-8": (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd", True),
    "lone high surrogate": (rb'{"a\ud800": "b\ud800c"}', {"a\ufffd": "b\ufffdc"}, True),
    "lone low surrogate": (rb'"\udc00"', "\ufffd", True),
    "surrogates the wrong way round": (rb'"\ude00\ud83d"', "\ufffd\ufffd", True),
    "NaN": (b'{"a": NaN}', {"a": 0}, True),
    "infinities": (b"[Infinity, -Infinity]", [0, 0], True),
    "float too large": (b"[1e400, -1e400]", ["1e400", "-1e400"], True),
    "integer of 100,000 digits": (b"9" * 100_000, "9" * 64 + "...", True),
    "fraction of 100,000 digits": (b"[NaN, 0." + b"1" * 100_000 + b"]", [0, "0." + "1" * 62], True),
    "control characters": (b'"a\x01\tb\n"', "a\x01\tb\n", True),
    "NUL as such": (b'"a\x00b"', "ab", True),
    "NULs at the end, as C agents send": (b'{"a": 1}\x00\x00', {"a": 1}, True),
    "as deep as allowed": (b"[" * 200 + b"]" * 200, None, False),
}
HOPELESS = {
    "nothing": (b"", Reason.EMPTY_BODY),
    "white space": (b" \r\n\t ", Reason.EMPTY_BODY),
    "only a mark": (UTF8_MARK, Reason.EMPTY_BODY),
    "only NULs": (b"\x00\x00\x00", Reason.EMPTY_BODY),
    "words": (b"hello world", Reason.NOT_JSON),
    "cut off": (b'{"a": [1, 2', Reason.NOT_JSON),
    "two values": (b"{} {}", Reason.NOT_JSON),
    "comma at the end": (b"[1, 2,]", Reason.NOT_JSON),
    "single quotes": (b"{'a': 1}", Reason.NOT_JSON),
    "comment": (b"{} // no", Reason.NOT_JSON),
    "leading zero": (b"01", Reason.NOT_JSON),
    "form": (b"a=1&b=2", Reason.NOT_JSON),
    "UTF-16 cut within a character": ('"a"'.encode("utf-16-le") + b"\x20", Reason.NOT_JSON),
    "random bytes": (bytes(range(256)), Reason.NOT_JSON),
    "a level too many": (b"[" * 201 + b"]" * 201, Reason.TOO_DEEP),
    "a level too many, in objects": (b'{"a":' * 201 + b"1" + b"}" * 201, Reason.TOO_DEEP),
    "a level too many, to be repaired": (b"[" * 201 + b"NaN" + b"]" * 201, Reason.TOO_DEEP),
    "100,000 levels": (b"[" * 100_000, Reason.TOO_DEEP),
    "100,000 levels, to be repaired": (b"[NaN," * 100_000, Reason.TOO_DEEP),
    "100,000 levels of objects": (b'{"a":' * 100_000, Reason.TOO_DEEP),
}

TEXTS = st.text(st.characters(codec=None), max_size=20)
NUMBERS = st.integers() | st.floats()
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize("name", NAUGHTY)
def test_text_whose_meaning_is_plain_is_read(name):
    body, expected, was_repaired = NAUGHTY[name]
    value, repaired = jsontext.parse(body)
    assert repaired is was_repaired
    assert expected is None or value == expected
    assert jsontext.is_json(body)


@pytest.mark.parametrize("name", HOPELESS)
def test_text_without_meaning_is_refused_with_a_reason(name):
    body, reason = HOPELESS[name]
    with pytest.raises(MalformedPayload) as refused:
        jsontext.parse(body)
    assert refused.value.reason is reason
    if reason is not Reason.TOO_DEEP:
        assert not jsontext.is_json(body)


def test_a_body_with_many_brackets_but_few_levels_is_not_deep():
    value, _ = jsontext.parse(b"[" + b",".join([b'{"a": "[[[["}'] * 1000) + b"]")
    assert len(value) == 1000


def test_nul_and_lone_surrogates_are_cleaned_from_keys_and_values():
    value = {"a\x00b": ["\x00", {"\ud800": "x\udfffy"}], "n": float("nan"), "i": [float("-inf"), 1.5]}
    assert jsontext.clean(value) == {"ab": ["", {"\ufffd": "x\ufffdy"}], "n": 0, "i": [0, 1.5]}
    assert "a\x00b" in value, "what is given is not changed"


def test_too_deep_a_value_is_refused_by_clean_and_encode_alike():
    value = []
    for _ in range(100_000):
        value = [value]
    for function in (jsontext.clean, jsontext.encode):
        with pytest.raises(MalformedPayload) as refused:
            function(value)
        assert refused.value.reason is Reason.TOO_DEEP


def test_encode_writes_a_lone_surrogate_as_the_replacement_character():
    assert jsontext.encode({"a": "\ud800"}) == '{"a":"\ufffd"}'.encode()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES)
def test_what_is_cleaned_and_written_is_read_again_the_same(value):
    clean = jsontext.clean(value)
    again, _ = jsontext.parse(jsontext.encode(clean))
    assert again == clean


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES, st.booleans())
def test_what_any_encoder_wrote_is_read_to_the_clean_value(value, is_ascii):
    body = json.dumps(value, ensure_ascii=is_ascii).encode(errors="replace" if is_ascii else "surrogatepass")
    again, repaired = jsontext.parse(body)
    assert repaired or jsontext.needs_cleaning(body) or again == jsontext.clean(again)
    if is_ascii:
        assert jsontext.clean(again) == jsontext.clean(value)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200) | st.text('{}[]",:\\u0d8NaInfty 1e-.9\x00', max_size=60).map(str.encode))
def test_random_bytes_are_read_or_refused_but_never_fail(body):
    _read_or_refuse(body)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_mutated_payloads_are_read_or_refused_but_never_fail(data):
    body = bytearray(data.draw(st.sampled_from(_payloads())))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    _read_or_refuse(bytes(body))


def _read_or_refuse(body):
    if not jsontext.is_json(body):
        with pytest.raises(MalformedPayload):
            jsontext.parse(body)
        return
    try:
        value, _ = jsontext.parse(body)
    except MalformedPayload as refused:
        value = str(refused)
        assert value.startswith(Reason.TOO_DEEP)
    jsontext.encode(value).decode()
    _assert_storable(jsontext.clean(value))


def _assert_storable(value):
    if isinstance(value, str):
        assert "\x00" not in value
        value.encode()
    elif isinstance(value, dict):
        for key, item in value.items():
            _assert_storable(key)
            _assert_storable(item)
    elif isinstance(value, list):
        for item in value:
            _assert_storable(item)
    elif isinstance(value, float):
        assert math.isfinite(value)


def _payloads():
    paths = [*(CORPUS / "malformed").glob("*.json"), *(CORPUS / "event_sdk").rglob("*.json")]
    return [body for path in sorted(paths) if len(body := path.read_bytes()) < 5000]
