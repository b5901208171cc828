import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest

from ingest.auth import dsn_key, require_same_project, sent_signature, verify_signature
from ingest.errors import NotAllowed, Reason

CORPUS = Path(__file__).parents[1] / "corpus"
VECTORS = sorted(CORPUS.glob("webhook_platform/*/*.headers.json")) + sorted(CORPUS.glob("service_hook/*.headers.json"))
CAPTURES = sorted(CORPUS.glob("http_capture/*/*.request.json"))

KEY = "a" * 32
OTHER = "b" * 32
SECRET = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
OLD_SECRET = b"fedcba9876543210"
BODY = b'{"action":"created","data":{"error":{"title":"caf\\u00e9"}}}'


def signed(body=BODY, secret=SECRET, algorithm="sha256"):
    return hmac.new(secret, body, algorithm).hexdigest()


GOOD = signed()

ACCEPTED = {
    "right": (BODY, GOOD, [SECRET]),
    "second secret": (BODY, GOOD, [OLD_SECRET, SECRET]),
    "first of two secrets": (BODY, GOOD, [SECRET, OLD_SECRET]),
    "old secret while it is valid": (BODY, signed(secret=OLD_SECRET), [SECRET, OLD_SECRET]),
    "one secret twice": (BODY, GOOD, [SECRET, SECRET]),
    "empty secret beside the right one": (BODY, GOOD, [b"", SECRET]),
    "empty body": (b"", signed(b""), [SECRET]),
    "body that is no text": (b"\xff\x00\xfe", signed(b"\xff\x00\xfe"), [SECRET]),
    "large body": (b"x" * 1_000_000, signed(b"x" * 1_000_000), [SECRET]),
    "secret longer than a block": (BODY, signed(secret=b"s" * 200), [b"s" * 200]),
    "secret that is no ASCII": (BODY, signed(secret="ключ".encode()), ["ключ".encode()]),
    "one byte secret": (BODY, signed(secret=b"s"), [b"s"]),
    "many secrets": (BODY, GOOD, [*(b"%d" % n for n in range(20)), SECRET]),
}

REFUSED = {
    "missing": None,
    "empty": "",
    "blank": " ",
    "one digit": GOOD[:1],
    "one short": GOOD[:-1],
    "one long": GOOD + "0",
    "first half": GOOD[:32],
    "twice": GOOD + GOOD,
    "two headers joined": f"{GOOD}, {GOOD}",
    "two headers joined, one wrong": f"{'0' * 64}, {GOOD}",
    "upper case": GOOD.upper(),
    "one upper-case digit": next(
        GOOD[:at] + GOOD[at].upper() + GOOD[at + 1 :] for at in range(64) if GOOD[at].isalpha()
    ),
    "prefix": "sha256=" + GOOD,
    "prefix in the place of digits": "sha256=" + GOOD[7:],
    "0x": "0x" + GOOD[2:],
    "leading space": " " + GOOD,
    "trailing space": GOOD + " ",
    "trailing newline": GOOD + "\n",
    "trailing NUL": GOOD + "\0",
    "leading tab": "\t" + GOOD,
    "quoted": f'"{GOOD}"',
    "first digit wrong": ("0" if GOOD[0] != "0" else "1") + GOOD[1:],
    "last digit wrong": GOOD[:-1] + ("0" if GOOD[-1] != "0" else "1"),
    "middle digit wrong": GOOD[:31] + ("0" if GOOD[31] != "0" else "1") + GOOD[32:],
    "reversed": GOOD[::-1],
    "zeros": "0" * 64,
    "effs": "f" * 64,
    "no hex": "g" * 64,
    "no ASCII": "é" * 64,
    "full-width digits": "\uff11" * 64,
    "arabic digits": "\u0661" * 64,
    "lone surrogate": "\ud800" * 64,
    "NULs": "\0" * 64,
    "base64": base64.b64encode(bytes.fromhex(GOOD)).decode(),
    "sha1": signed(algorithm="sha1"),
    "sha512": signed(algorithm="sha512"),
    "md5": signed(algorithm="md5"),
    "plain hash of the body": hashlib.sha256(BODY).hexdigest(),
    "plain hash of secret and body": hashlib.sha256(SECRET + BODY).hexdigest(),
    "of another body": signed(BODY + b" "),
    "of an empty body": signed(b""),
    "of the body with a newline": signed(BODY + b"\n"),
    "of the body parsed and written again": signed(json.dumps(json.loads(BODY)).encode()),
    "of the body with its escapes undone": signed(BODY.decode("unicode_escape").encode()),
    "by another secret": signed(secret=OLD_SECRET),
    "by an empty secret": signed(secret=b""),
    "by the secret in upper case": signed(secret=SECRET.upper()),
    "by the secret with a newline": signed(secret=SECRET + b"\n"),
    "by the secret as bytes of its hex": signed(secret=bytes.fromhex(SECRET.decode())),
    "by half the secret": signed(secret=SECRET[:32]),
    "the secret itself": SECRET.decode(),
    "percent": "%" * 64,
    "very long": "a" * 100_000,
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_a_right_signature_passes(case):
    verify_signature(*ACCEPTED[case])


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize(
    "secrets", [[SECRET], [SECRET, b"another"], [b"", SECRET]], ids=["one", "two", "one and an empty"]
)
def test_any_other_signature_is_refused(case, secrets):
    with pytest.raises(NotAllowed) as caught:
        verify_signature(BODY, REFUSED[case], secrets)
    assert caught.value.reason is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("secrets", [[], [b""], [OLD_SECRET], [b"", b""]])
def test_without_the_secret_nothing_passes(secrets):
    for signature in (GOOD, signed(secret=b""), None):
        with pytest.raises(NotAllowed):
            verify_signature(BODY, signature, secrets)


def test_every_secret_is_tried_whatever_the_first_gave(monkeypatch):
    tried = []
    original = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda ours, told: tried.append(ours) or original(ours, told))
    for signature in (GOOD, "no signature", None):
        tried.clear()
        try:
            verify_signature(BODY, signature, [SECRET, OLD_SECRET, b"third"])
        except NotAllowed:
            assert signature != GOOD
        assert len(tried) == 3
        assert all(isinstance(ours, bytes) for ours in tried)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda path: f"{path.parent.name}-{path.name.split('.')[0]}")
def test_the_corpus_was_signed_as_sentry_signs(vector):
    headers = {name.lower(): value for name, value in json.loads(vector.read_text()).items()}
    body = vector.with_name(vector.name.replace(".headers", "")).read_bytes()
    (secret,) = [value.encode() for name, value in headers.items() if name.startswith("_")]
    verify_signature(body, sent_signature(headers), [secret])
    with pytest.raises(NotAllowed):
        verify_signature(body + b" ", sent_signature(headers), [secret])


def test_the_corpus_holds_vectors_of_both_kinds():
    assert len(VECTORS) >= 27


@pytest.mark.parametrize(
    ("headers", "signature"),
    [
        ({}, None),
        ({"sentry-hook-signature": "p"}, "p"),
        ({"sentry-hook-resource": "error", "sentry-hook-signature": "p"}, "p"),
        ({"sentry-hook-resource": "error", "sentry-hook-signature": "p", "sentry-app-signature": "u"}, "p"),
        ({"sentry-hook-resource": "error", "sentry-app-signature": "u"}, None),
        ({"sentry-hook-resource": "error", "x-servicehook-signature": "s"}, None),
        ({"x-servicehook-guid": "0" * 32, "x-servicehook-signature": "s"}, "s"),
        ({"x-servicehook-guid": "0" * 32, "x-servicehook-signature": "s", "sentry-hook-signature": "p"}, "s"),
        ({"x-servicehook-guid": "0" * 32, "sentry-hook-signature": "p"}, None),
        ({"sentry-app-signature": "u"}, "u"),
    ],
)
def test_the_signature_is_the_one_of_the_shape(headers, signature):
    assert sent_signature(headers) == signature


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("headers", "query", "dsn", "expected"),
    [
        ({"x-sentry-auth": f"Sentry sentry_key={KEY}, sentry_version=7, sentry_client=py/1"}, b"", None, (KEY, "py/1")),
        ({"x-sentry-auth": f"sentry sentry_version=7,sentry_key={KEY}"}, b"", None, (KEY, None)),
        ({"x-sentry-auth": f"SENTRY   sentry_client = , sentry_key={KEY} "}, b"", None, (KEY, None)),
        ({"x-sentry-auth": f'Sentry sentry_key="{KEY}", sentry_client="py/1"'}, b"", None, (KEY, "py/1")),
        ({"x-sentry-auth": f"Sentry Sentry_Key={KEY.upper()}"}, b"", None, (KEY, None)),
        ({"x-sentry-auth": f"sentry_key={KEY},sentry_version=7"}, b"", None, (KEY, None)),
        ({"x-sentry-auth": "Sentry sentry_key=" + "%61" * 32}, b"", None, (KEY, None)),
        ({"x-sentry-auth": f"Sentry sentry_key={KEY}.no-cache"}, b"", None, (KEY, None)),
        ({"x-sentry-auth": f"Sentry sentry_key={KEY}, sentry_secret={OTHER}"}, b"", None, (KEY, None)),
        ({"authorization": f"Sentry sentry_key={KEY}, sentry_client=go/1"}, b"", None, (KEY, "go/1")),
        ({"authorization": f"sentry  sentry_key={KEY}"}, b"", None, (KEY, None)),
        ({"authorization": basic(f"{KEY}:")}, b"", None, (KEY, None)),
        ({"authorization": basic(f"{KEY}:{OTHER}").replace("Basic", "basic")}, b"", None, (KEY, None)),
        ({"authorization": basic(KEY)}, b"", None, (KEY, None)),
        ({}, f"sentry_key={KEY}&sentry_version=7&sentry_client=js%2F10".encode(), None, (KEY, "js/10")),
        ({}, f"sentry_version=7&sentry_key={KEY}", None, (KEY, None)),
        ({}, "sentry%5Fkey=" + "%61" * 32, None, (KEY, None)),
        ({}, f"sentry_key={KEY}&sentry_key={OTHER}", None, (KEY, None)),
        ({}, b"", f"https://{KEY}@o1.ingest.example.com/42", (KEY, None)),
        ({}, b"", f"https://{KEY}:{OTHER}@example.com/prefix/42", (KEY, None)),
        # more than one: the first place wins
        ({"x-sentry-auth": f"Sentry sentry_key={KEY}"}, f"sentry_key={OTHER}", f"https://{OTHER}@a/1", (KEY, None)),
        ({"authorization": f"Sentry sentry_key={KEY}"}, f"sentry_key={OTHER}", None, (KEY, None)),
        ({}, f"sentry_key={KEY}", f"https://{OTHER}@a/1", (KEY, None)),
        # a place without a key is passed by
        ({"x-sentry-auth": "Sentry sentry_version=7"}, f"sentry_key={KEY}", None, (KEY, None)),
        ({"x-sentry-auth": ""}, f"sentry_key={KEY}", None, (KEY, None)),
        ({"authorization": "Bearer abc"}, f"sentry_key={KEY}", None, (KEY, None)),
        ({"authorization": "Basic !!!"}, f"sentry_key={KEY}", None, (KEY, None)),
        ({"authorization": "Basic "}, f"sentry_key={KEY}", None, (KEY, None)),
    ],
)
def test_a_key_is_found_in_each_of_its_places(headers, query, dsn, expected):
    assert dsn_key(headers, query, dsn) == expected


@pytest.mark.parametrize(
    ("headers", "query", "dsn"),
    [
        ({}, b"", None),
        ({}, b"sentry_version=7", None),
        ({}, b"sentry_key=", None),
        ({}, b"&".join([b"a=%d" % n for n in range(5000)]) + b"&sentry_key=" + KEY.encode(), None),
        ({"x-sentry-auth": "Sentry"}, b"", None),
        ({"x-sentry-auth": "sentry_key"}, b"", None),
        ({"authorization": "Bearer " + KEY}, b"", None),
        ({"authorization": basic(":secret")}, b"", None),
        ({}, b"", "not a dsn"),
        ({}, b"", "https://example.com/42"),
        ({}, b"", "https://[broken/42"),
    ],
)
def test_without_a_key_it_is_missing(headers, query, dsn):
    with pytest.raises(NotAllowed) as caught:
        dsn_key(headers, query, dsn)
    assert caught.value.reason is Reason.MISSING_KEY


@pytest.mark.parametrize(
    "key", ["abc", KEY + "a", "g" * 32, "../" + "a" * 29, "\u0661" * 32, "a" * 31 + "\n", "' OR 1=1 --"]
)
def test_what_cannot_be_a_key_is_unknown(key):
    with pytest.raises(NotAllowed) as caught:
        dsn_key({"authorization": basic(key + ":")}, b"")
    assert caught.value.reason in (Reason.UNKNOWN_KEY, Reason.MISSING_KEY)
    with pytest.raises(NotAllowed):
        dsn_key({"x-sentry-auth": f"Sentry sentry_key={key}"}, b"")


def test_a_client_name_is_cut():
    assert dsn_key({"x-sentry-auth": f"Sentry sentry_key={KEY}, sentry_client={'c' * 5000}"}, b"")[1] == "c" * 200


@pytest.mark.parametrize("request_file", CAPTURES, ids=lambda path: f"{path.parent.name}-{path.name[:3]}")
def test_every_real_sdk_shows_its_key(request_file):
    request = json.loads(request_file.read_text())
    headers = {name.lower(): value for name, value in request["headers"]}
    key, client = dsn_key(headers, request["path"].partition("?")[2])
    assert key == KEY
    assert client.split("/")[0] in ("sentry.python", "sentry.javascript.node", "raven-node")


@pytest.mark.parametrize(
    ("dsn", "passes"),
    [
        (None, True),
        (f"https://{KEY}@sentry.example.com/42", True),
        (f"https://{KEY}@sentry.example.com/42/", True),
        (f"https://{KEY}@sentry.example.com/prefix/42", True),
        (f"https://{KEY}@another.example.com/42", True),
        ("no dsn at all", True),
        (f"https://{KEY}@sentry.example.com/43", False),
        (f"https://{KEY}@sentry.example.com/42/43", False),
    ],
)
def test_an_envelope_may_not_name_another_project(dsn, passes):
    if passes:
        require_same_project(dsn, 42)
    else:
        with pytest.raises(NotAllowed) as caught:
            require_same_project(dsn, 42)
        assert caught.value.reason is Reason.WRONG_PROJECT
