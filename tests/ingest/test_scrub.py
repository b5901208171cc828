import copy

import pytest

from ingest import jsontext
from ingest.scrub import rules as scrub_rules
from ingest.scrub import scrub, scrub_fields
from tests.support.secrets_to_scrub import KEPT_KEYS, MESSAGES, SECRET_KEYS, VALUES, F

EVENTS = {
    "structure is left alone": (
        {
            "event_id": "4111111111111111", "transaction": "/auth/login", "release": "auth@1", "culprit": "auth.token",
            "logger": "auth", "fingerprint": ["auth"], "platform": "python", "modules": {"authlib": "1", "token": "2"},
            "project_slug": "auth", "sdk": {"name": "auth"}, "debug_meta": {"images": [{"code_file": "/home/bob/x"}]},
            "contexts": {"trace": {"trace_id": "41111111111111111111", "op": "auth"}, "flags": {"a": "auth"}},
            "exception": {"values": [{"type": "AuthError", "value": "password wrong", "stacktrace": {"frames": [
                {"filename": "/home/bob/auth.py", "abs_path": "/home/bob/auth.py", "context_line": "password = 'x'"},
            ]}}]},
            "request": {"headers": {"User-Agent": "auth token=1"}, "method": "auth"},
        },
        None,
    ),
    "booleans and nulls are no secrets": ({"extra": {"password": None, "is_authenticated": True, "auth": ""}}, None),
    "containers and numbers go whole": (
        {"extra": {"auth": {"a": 1}, "token": [1], "otp": 123456}}, {"extra": {"auth": F, "token": F, "otp": F}},
    ),
    "variables of frames": (
        {"exception": [{"stacktrace": {"frames": [{"vars": {"password": "x", "a": ["/home/bob"]}}, None]}}]},
        {"exception": [{"stacktrace": {"frames": [{"vars": {"password": F, "a": [f"/home/{F}"]}}, None]}}]},
    ),
    "variables of threads and of the lone stack trace": (
        {
            "threads": {"values": [{"stacktrace": {"frames": [{"vars": {"pass_secret": "x"}}]}}]},
            "stacktrace": {"frames": [{"vars": {"secret": "x"}}]},
        },
        {
            "threads": {"values": [{"stacktrace": {"frames": [{"vars": {"pass_secret": F}}]}}]},
            "stacktrace": {"frames": [{"vars": {"secret": F}}]},
        },
    ),
    "breadcrumbs in either shape": (
        {
            "breadcrumbs": {"values": [{"category": "auth", "message": "token=1", "data": {"url": "//a:b@c"}}]},
            "sentry.interfaces.Breadcrumbs": [{"category": "auth", "message": "ok", "data": {"auth": "x"}}],
        },
        {
            "breadcrumbs": {"values": [{"category": "auth", "message": F, "data": {"url": f"//a:{F}@c"}}]},
            "sentry.interfaces.Breadcrumbs": [{"category": "auth", "message": "ok", "data": {"auth": F}}],
        },
    ),
    "a message loses only what matches": (
        {"message": "auth of a@b.co", "logentry": {"formatted": "auth of a@b.co", "params": ["auth"]}},
        {"message": "auth of [email]", "logentry": {"formatted": "auth of [email]", "params": [F]}},
    ),
    "mail addresses stay elsewhere": ({"user": {"email": "a@b.co"}, "extra": {"to": "a@b.co"}}, None),
    "user and contexts": (
        {"user": {"id": "1", "data": {"api_key": "x"}}, "contexts": {"my": {"type": "my", "secret_a": 1}, "os": {}}},
        {"user": {"id": "1", "data": {"api_key": F}}, "contexts": {"my": {"type": "my", "secret_a": F}, "os": {}}},
    ),
    "trace data": ({"contexts": {"trace": {"data": {"auth": 1}}}}, {"contexts": {"trace": {"data": {"auth": F}}}}),
    "request by pairs": (
        {"request": {
            "headers": [["Authorization", "x"], ["Cookie", "a=1; sessionid=x; XSRF-TOKEN=y"], ["Accept", "*"]],
            "query_string": [["otp", "1"], ["q", "1"]], "cookies": [["csrf", "x"], ["b", "c"]],
        }},
        {"request": {
            "headers": [["Authorization", F], ["Cookie", f"a=1; sessionid={F}; XSRF-TOKEN={F}"], ["Accept", "*"]],
            "query_string": [["otp", F], ["q", "1"]], "cookies": [["csrf", F], ["b", "c"]],
        }},
    ),
    "request by objects": (
        {"request": {
            "headers": {"x-api-key": "x", "cookie": "su=1;b=2"}, "query_string": {"token": "x"},
            "cookies": {"PHPSESSID": "x", "session__1": "y", "b": "c"},
            "env": {"HTTP_COOKIE": "_csrf=1", "DB_PASSWD": "x"},
            "data": {"user": {"password": "x"}},
        }},
        {"request": {
            "headers": {"x-api-key": F, "cookie": f"su={F};b=2"}, "query_string": {"token": F},
            "cookies": {"PHPSESSID": F, "session__1": F, "b": "c"},
            "env": {"HTTP_COOKIE": f"_csrf={F}", "DB_PASSWD": F},
            "data": {"user": {"password": F}},
        }},
    ),
    "request by strings": (
        {"request": {
            "url": "https://u:p@h/auth?password=x&q=1",
            "query_string": "?otp=1&q=%2Fhome%2Fbob&pass%77ord=x&t=Bearer+x",
            "cookies": "session=x; b=c", "data": "otp=1&q=2",
        }},
        {"request": {
            "url": f"https://u:{F}@h/auth?password={F}&q=1",
            "query_string": f"?otp={F}&q={F}&pass%77ord={F}&t={F}",
            "cookies": f"session={F}; b=c", "data": f"otp={F}&q=2",
        }},
    ),
    "JSON as request body": (
        {"request": {"data": '{"otp": "1", "a": {"b": "4111\\n1111\\n1111\\n1111"}}'}},
        {"request": {"data": f'{{"otp":"{F}","a":{{"b":"{F}"}}}}'}},
    ),
    "escapes within JSON within JSON": (
        {"request": {"data": '{"pass\\u0077ord": "x"}'}}, {"request": {"data": f'{{"password":"{F}"}}'}},
    ),
    "tags by key, and what matches in them": (
        {"tags": [["auth.method", "x"], ["url", "/users/7/auth"], ["card", "4111111111111111"]]},
        {"tags": [["auth.method", F], ["url", "/users/7/auth"], ["card", F]]},
    ),
    "bare numbers": ({"user": [4111111111111111, 4111111111111112]}, {"user": [F, 4111111111111112]}),
    "two items whose first names a secret": ({"extra": {"a": ["password", "x"]}}, {"extra": {"a": ["password", F]}}),
    "odd shapes": (
        {"request": [1], "exception": "x", "breadcrumbs": 3, "contexts": [["a"]], "logentry": [], "stacktrace": "auth",
         "threads": {"values": None}, "tags": 5, "user": "my password", "message": 5},
        {"user": F},
    ),
}  # fmt: skip


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_a_key_that_names_a_secret_hides_its_value(key):
    assert _scrubbed({"extra": {"deep": [{key: "abc"}]}}) == {"extra": {"deep": [{key: F}]}}


@pytest.mark.parametrize("key", KEPT_KEYS)
def test_a_key_that_names_none_keeps_its_value(key):
    assert _scrubbed({"extra": {key: "abc"}}) == {"extra": {key: "abc"}}


@pytest.mark.parametrize("value", VALUES)
def test_a_value_loses_what_matches(value):
    assert _scrubbed({"extra": {"a": value}}) == {"extra": {"a": VALUES[value]}}


@pytest.mark.parametrize("text", MESSAGES)
def test_a_message_is_never_filtered_as_a_whole(text):
    assert _scrubbed({"message": text}) == {"message": MESSAGES[text]}


@pytest.mark.parametrize("name", EVENTS)
def test_each_part_of_an_event_is_scrubbed_as_sentry_does(name):
    event, changes = EVENTS[name]
    before = copy.deepcopy(event)
    assert _scrubbed(event) == {**event, **(changes or {})}
    assert event == before, "what is given is not changed"


@pytest.mark.parametrize("name", sorted(scrub_rules.COOKIES))
def test_session_and_forgery_cookies_are_known_by_name(name):
    assert (
        _scrubbed({"request": {"cookies": f"a=1; {name.upper()}=x"}})["request"]["cookies"]
        == f"a=1; {name.upper()}={F}"
    )


def test_a_text_with_too_many_secrets_goes_as_a_whole():
    text = " ".join(["4111111111111111"] * scrub_rules.MANY)
    assert _scrubbed({"extra": {"a": text}}) == {"extra": {"a": F}}


def test_a_message_with_too_many_secrets_is_cut_where_sentry_cuts_it():
    scrubbed = _scrubbed({"message": "a@b.co " * 10_000})["message"]
    assert scrubbed.startswith("[email] [email]")
    assert scrubbed.endswith("...")
    assert "@b.co" not in scrubbed


@pytest.mark.parametrize(("text", "kept"), [("a=b&" * 5000, "a=b&" * 5000), ("a=b&" * 5000 + "otp=1", F)])
def test_a_query_too_long_for_sentry_is_taken_or_left_as_a_whole(text, kept):
    assert _scrubbed({"request": {"query_string": text, "method": "secret"}})["request"]["query_string"] == kept


def test_nothing_found_gives_the_same_event():
    event = {"extra": {"a": "b"}}
    assert scrub(event, b'{"extra":{"a":"b"}}') == (event, False)
    assert scrub(event, b'{"extra":{"a":"b"}}')[0] is event


def test_scrubbing_twice_changes_nothing_more():
    for event, _ in EVENTS.values():
        once = scrub_fields(event)
        assert scrub_fields(once) == once


@pytest.mark.parametrize(
    "body",
    [
        rb'{"extra": {"pass\u0077ord": "hunter2"}}',
        rb'{"extra": {"a": "https:\/\/bob:hunter2@example.com"}}',
        rb'{"extra": {"a": "\u002f\u002fbob:hunter2@example.com"}}',
        rb'{"extra": {"pass\u0000word": "hunter2"}}',
        b'{"extra": {"pass\x00word": "hunter2"}}',
        '{"extra": {"password": "hunter2"}}'.encode("utf-16"),
        '{"extra": {"password": "hunter2"}}'.encode("utf-32"),
        b'{"extra": {"a": "\xff", "password": "hunter2"}}',
    ],
)
def test_no_way_to_spell_it_hides_a_secret(body):
    value, _ = jsontext.parse(body)
    assert b"hunter2" not in jsontext.encode(scrub(jsontext.clean(value), body)[0])


def _scrubbed(event):
    return scrub(event, jsontext.encode(event))[0]
