"""The signed webhook: its signature, templates that are only fields (O-06), answers that say 200 and mean no."""

import json
from base64 import b64decode
from typing import Any

import pytest

from reports import channels
from reports.channels import webhook
from reports.delivery.message import Fact, Message
from reports.delivery.targets import Target
from reports.delivery.template import FIELDS, MOST_OUTPUT_BYTES, filled, template, values
from reports.errors import BadTarget, DeliveryError
from tests.support.contracts import MESSAGE
from tests.support.doors import doors
from tests.support.vendor import answering, vendor

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://hooks.example.com/in"
ESCAPES = [
    "{{ 7*7 }}", "{{ ''.__class__ }}", "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ config }}",
    "{{ config.items() }}",
    "{{ self.__init__.__globals__ }}", "{{ request.application }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}", "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__ }}",
    "{{ message.__class__ }}", "{{ message.title.__class__ }}", "{{ message|attr('__class__') }}",
    "{{ message.title|upper }}",
    "{{ message['title'] }}", "{{ message.title.format }}", "{{ '%s'|format(message) }}", "{{ [].append }}",
    "{{ x for x in y }}",
    "{% for x in range(10**9) %}x{% endfor %}", "{% if true %}x{% endif %}", "{% set x = 1 %}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}", "{% extends 'x' %}", "{% macro x() %}{% endmacro %}", "{% raw %}{% endraw %}",
    "{# comment #}",
    "{{ secrets }}", "{{ secrets.token }}", "{{ env.PATH }}", "{{ os.environ }}", "{{ target.url }}",
    "{{ settings.DATABASE_URL }}",
    "{{ message.event.__dict__ }}", "{{ event.tags.a.b }}", "{{ event.tags }}}}{{", "{{ event.__class__ }}",
    "{{ event.nothing }}",
    "{{ message }}", "{{ issue }}", "{{ issue.secret }}", "{{ message.artifacts }}", "{{ report.figures }}",
    "{{}}", "{{ }}", "{{",
    "{{ message.title", "{{ message..title }}", "{{ .message.title }}", "{{ message.title. }}", "{{ message title }}",
    "{{ Message.title }}", "{{\nmessage.title }}", "{{ message.title\n}}", "{{ m\u0435ssage.title }}",
    "{{ message.title }}{{ exec }}",
    "{{ dict(a=1) }}", "{{ message.title or 1 }}", "{{ 'a' ~ 'b' }}", "{{ range(10) }}",
    "{{- message.title -}}", "{{ loop.index }}",
]  # fmt: skip


def target(**options: str) -> Target:
    return Target("there", "webhook", {"url": URL, "secret": SECRET, **options})


def test_the_signature_is_that_of_the_standard() -> None:
    made = webhook.signed(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', [b64decode(SECRET.removeprefix("whsec_"))]
    )
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("source", ESCAPES)
@pytest.mark.parametrize("is_json", [True, False])
def test_whatever_is_no_field_is_refused_before_it_is_ever_used(source: str, is_json: bool) -> None:
    told = json.dumps({"text": [source]}) if is_json else source
    with pytest.raises(BadTarget, match="The template"):
        template(told, is_json=is_json)
    with pytest.raises(DeliveryError) as wrong:
        webhook.check(target(template=told, content_type="application/json" if is_json else "text/plain"))
    assert wrong.value.permanent


@pytest.mark.parametrize(
    "source",
    [
        "not json",
        '{"a": {{ message.title }}}',
        '{"{{ message.title }}": 1}',
        "[" * 50 + "]" * 50,
        "[" * 8000 + "]" * 8000,
        '"' + "x" * 20000 + '"',
    ],
)
def test_a_template_that_cannot_be_json_is_refused(source: str) -> None:
    with pytest.raises(BadTarget):
        template(source, is_json=True)


def test_what_comes_in_is_data_and_never_a_template() -> None:
    for hostile in [*ESCAPES, '", "x": "', "\\", "\ud800", "\0", "</script>"]:
        message = Message("k", "alert", hostile, text=hostile, facts=(Fact("a", hostile),))
        source = '{"a": "{{ message.title }}", "b": ["{{ message.text }}"], "c": {"d": "{{ message.facts }}"}}'
        read = json.loads(filled(template(source, is_json=True), values(message, "alert", "", {})))
        assert list(read) == ["a", "b", "c"]
        assert "49" not in read["a"]


def test_every_field_that_is_promised_is_there_and_none_is_a_secret() -> None:
    source = json.dumps({name: "{{ " + name + " }}" for name in FIELDS})
    body = filled(template(source, is_json=True), values(MESSAGE, "issue.new", "now", {"issue": {"title": "T"}}))
    read = json.loads(body)
    assert (read["issue.title"], read["message.rule"], read["type"]) == ("T", "ops", "issue.new")
    assert not any(word in name for name in FIELDS for word in ("secret", "token", "password", "url_of", "options"))


def test_what_a_template_makes_is_never_longer_than_32_kib() -> None:
    long = Message("k", "alert", "\u20ac" * 100_000, text='"' * 100_000)
    made = template(json.dumps(["{{ message.title }}{{ message.text }}"] * 20), is_json=True)
    assert len(filled(made, values(long, "alert", "", {}))) <= MOST_OUTPUT_BYTES
    with pytest.raises(BadTarget, match="32 KiB"):
        filled(template("{{ message.title }}" * 800, is_json=False), values(long, "alert", "", {}))


@pytest.mark.parametrize(
    "options",
    [
        {"secret": ""}, {"secret": "abc"}, {"secret": "whsec_"}, {"secret": "whsec_c2hvcnQ="}, {"secret": "whsec_***"},
        {"secret": f"{SECRET} abc"}, {"secret": " ".join([SECRET] * 6)}, {"url": "http://hooks.example.com/"},
        {"url": "https://127.0.0.1/"}, {"headers": "no colon"}, {"headers": "Host: x"}, {"headers": "X-A: a\rX-B: b"},
        {"headers": "Content-Type: a/b"}, {"headers": "X-A: 1\nx-a: 2"}, {"headers": "webhook-id: 1"},
        {"headers": ": x"},
        {"ok_when": "errcode"}, {"ok_when": "a b=1"}, {"content_type": "text/html"}, {"strange": "1"},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_when_it_is_added_and_repeats_no_secret(options: dict[str, str]) -> None:
    with pytest.raises((DeliveryError, BadTarget)) as wrong:
        channels.check(target(**options))
    assert "whsec_M" not in str(wrong.value)
    assert "hooks.example.com" not in str(wrong.value)


@pytest.mark.parametrize(
    ("answer", "is_taken"),
    [
        (b'{"errcode": 0, "errmsg": "ok"}', True), (b'{"errcode": "0"}', True), (b'{"errcode": 45009}', False),
        (b'{"errmsg": "ok"}', False), (b"ok", False), (b"", False), (b"[]", False), (b"[" * 60_000, False),
        (b'{"errcode": null}', False),
    ],
)  # fmt: skip
def test_a_bot_that_answers_200_to_what_it_refuses_is_believed_by_its_words(answer: bytes, is_taken: bool) -> None:
    options = {"url": "http://127.0.0.1:8", "secret": SECRET, "ok_when": "errcode=0"}
    with vendor(answering(200, answer)) as server:
        bot = Target("there", "webhook", options, allow_private=True)
        if is_taken:
            assert webhook.send(bot, MESSAGE, doors(server.port)).status == 200
            return
        with pytest.raises(DeliveryError, match="but not errcode=0") as wrong:
            webhook.send(bot, MESSAGE, doors(server.port))
        assert not wrong.value.permanent


def test_a_field_of_an_answer_may_lie_deeper() -> None:
    options = {"url": "http://127.0.0.1:8", "secret": SECRET, "ok_when": "status.is_ok=true"}
    with vendor(answering(200, b'{"status": {"is_ok": true}}')) as server:
        assert webhook.send(Target("x", "webhook", options, allow_private=True), MESSAGE, doors(server.port))


def test_a_message_that_is_sent_again_is_known_by_its_id() -> None:
    seen: list[Any] = []
    with vendor() as server:
        for key in ("rule:1", "rule:1", "rule with space", "r\u00e9gle", "x" * 300):
            named = Message(key, "alert", "A title")
            bot = Target("x", "webhook", {"url": "http://127.0.0.1:8", "secret": SECRET}, allow_private=True)
            webhook.send(bot, named, doors(server.port))
        seen = [request.headers["webhook-id"] for request in server.requests]
    assert seen[0] == seen[1] == "rule:1"
    assert all(len(each) == 64 and each.isalnum() for each in seen[2:])
    assert len(set(seen)) == 4
