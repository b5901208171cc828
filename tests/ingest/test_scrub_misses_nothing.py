import copy
import random
import string
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import jsontext
from ingest.errors import MalformedPayload
from ingest.scrub import rules as scrub_rules
from ingest.scrub import scrub, scrub_fields
from tests.support.secrets_to_scrub import KEPT_KEYS, MESSAGES, PEM, SECRET_KEYS, VALUES, spelled

CORPUS = Path(__file__).parent.parent / "corpus"
ODDITIES = (
    "//a:",
    "a@a.aa.",
    "home/",
    "a/profiles/",
    "4111-",
    "411111111111111 ",
    "DE89",
    "078-05-",
    "-----BEGIN",
    "\x00",
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_the_scan_asks_for_all_that_any_rule_would_change(data):
    event = data.draw(_events())
    body = spelled(event, data.draw(st.randoms(use_true_random=False)))
    assert jsontext.parse(body)[0] == event
    assert scrub(event, body)[0] == scrub_fields(event)


def test_the_scan_asks_for_all_that_any_rule_would_change_in_the_corpus():
    chance = random.Random(5)
    for event in _corpus():
        for mutated in (event, *(_planted(event, chance)[0] for _ in range(3))):
            for body in (jsontext.encode(mutated), spelled(mutated, chance)):
                assert scrub(mutated, body)[0] == scrub_fields(mutated)


def test_of_two_hundred_planted_secrets_none_is_kept():
    chance = random.Random(7)
    events = _corpus()
    for number in range(200):
        event, canary = _planted(events[number % len(events)], chance)
        kept = jsontext.encode(scrub(event, spelled(event, chance))[0]).decode()
        assert canary not in kept, f"secret {number}"


def test_ordinary_events_are_left_alone():
    chance = random.Random(11)
    changed = sum(scrub(event, jsontext.encode(event))[1] for event in (_ordinary(chance) for _ in range(1000)))
    assert changed <= 10


def _events():
    words = st.sampled_from([*SECRET_KEYS, *KEPT_KEYS, *VALUES, *MESSAGES, *scrub_rules.COOKIES, *ODDITIES])
    glue = st.sampled_from(
        ["", " ", "\n", "/", "=", "&", ";", ":", "-", "%20", "+", '"', "\\", "a", "\u00e9", "\u2003"]
    )
    texts = st.lists(words | glue | st.text(max_size=5), max_size=5).map("".join)
    keys = texts | st.sampled_from(["cookies", "Cookie", "headers", "data", "query_string", "url", "values", "vars"])
    numbers = st.integers(-(2**63), 2**64 - 1) | st.sampled_from([4111111111111111, 378282246310005])
    values = st.recursive(
        st.none() | st.booleans() | numbers | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
        max_leaves=12,
    )
    request = st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("url", "headers", "cookies", "query_string", "data", "env", "x"), values)
    )
    frames = st.lists(st.fixed_dictionaries({}, optional={"vars": values, "filename": texts}), max_size=2)
    traced = st.lists(st.fixed_dictionaries({"value": texts, "stacktrace": st.fixed_dictionaries({"frames": frames})}))
    fields = {
        "extra": values,
        "user": values,
        "tags": values,
        "message": values,
        "contexts": values,
        "request": request,
    }
    return st.fixed_dictionaries({}, optional={**fields, "exception": traced, "breadcrumbs": values, "release": texts})


def _corpus():
    events = []
    for path in sorted((CORPUS / "event_sdk").rglob("*.json")):
        try:
            value, _ = jsontext.parse(path.read_bytes())
        except MalformedPayload:
            continue
        if isinstance(value, dict):
            events.append(jsontext.clean(value))
    return events


def _planted(event, chance):
    """Plant one secret at a place and in a shape by chance; gives the event and what must not be kept of it."""
    canary = "".join(chance.choices(string.ascii_letters, k=16))
    digits = "".join(chance.choices(string.digits, k=9))
    card = f"4{digits}" + "111111"
    key = chance.choice(SECRET_KEYS)
    key, value, canary = chance.choice([
        (key, canary, canary),
        (key, {"a": [canary]}, canary),
        (key.upper(), canary, canary),
        (f"my_{chance.choice(SECRET_KEYS[:-4])}_x", canary, canary),
        ("a", f"{chance.choice(SECRET_KEYS[:-4])}={canary}", canary),
        ("a", f"https://bob:{canary}@example.com/", canary),
        ("a", f"Bearer {canary}", canary),
        ("a", f"/home/{canary}/x", canary),
        ("a", PEM.replace("LmpO", canary), canary),
        ("a", f"-----BEGIN PRIVATE KEY-----\n{canary}", canary),
        ("a", f"paid by {card}.", card),
        ("a", f"{card[:4]}-{card[4:8]} {card[8:12]}\n{card[12:]}", card[8:12] + "\\n" + card[12:]),
        ("a", f"FR76{digits}{digits}", digits),
        ("a", f"{digits[:3]}-{digits[3:5]}-{digits[5:]}", f"-{digits[3:5]}-"),
        ("cookies", f"a=b; {chance.choice(sorted(scrub_rules.COOKIES))}={canary}", canary),
        ("Cookie", f"{chance.choice(sorted(scrub_rules.COOKIES))}={canary}", canary),
    ])  # fmt: skip
    event = copy.deepcopy(event)
    place = chance.choice(("extra", "user", "data", "headers", "vars", "crumb", "query", "context", "pairs", "url"))
    request = event["request"] = dict(event["request"]) if isinstance(event.get("request"), dict) else {}
    if place in {"query", "url"} and isinstance(value, str) and "&" not in value and "#" not in value:
        request["query_string" if place == "query" else "url"] = f"?x=1&{key}={value}&y=2"
    elif place in {"data", "headers"}:
        request[place] = {"x": 1, key: value}
    elif place == "pairs":
        request["headers"] = [["X", "1"], [key, value]]
    elif place == "vars":
        event["exception"] = {"values": [{"type": "E", "stacktrace": {"frames": [{"vars": {"a": {key: value}}}]}}]}
    elif place == "crumb":
        event["breadcrumbs"] = {"values": [{"message": "m", "data": {key: value}}]}
    elif place == "context":
        event["contexts"] = {"mine": {"type": "mine", key: value}}
    else:
        event["user" if place == "user" else "extra"] = {"x": [1, {key: value}]}
    return event, canary


def _ordinary(chance):
    """Make an event of what looks a little like a secret; only 32 upper-case hex digits Sentry may take for an IBAN."""
    words = ("apple", "kitchen", "keyboard", "passage", "apiary", "tone", "season", "curious", "numbers", "42", "ok")

    def text():
        return " ".join(chance.choices(words, k=chance.randint(1, 12)))

    def number():
        return chance.choice((chance.randint(0, 10**6), chance.random() * 10**9, 1.7e9 + chance.random(), 10**18))

    def mark():
        hexes = f"{chance.getrandbits(128):032x}"
        dashed = f"{hexes[:8]}-{hexes[8:12]}-{hexes[12:16]}-{hexes[16:20]}-{hexes[20:]}"
        stamp = f"2026-{chance.randint(1, 12):02}-03T04:05:{chance.random() * 60:.6f}Z"
        return chance.choice((hexes, dashed, dashed.upper(), stamp, f"https://example.com/{hexes[:9]}?id=7"))

    return {
        "event_id": mark(),
        "message": text(),
        "extra": {f"{chance.choice(words)}{at}": chance.choice((text, number, mark))() for at in range(20)},
        "user": {"id": mark(), "email": "a.b@example.com"},
        "contexts": {"mine": {"ids": [mark() for _ in range(5)]}},
    }
