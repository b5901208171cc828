import base64
import zlib
from pathlib import Path

import pytest

from ingest.body import MAX_EVENT_BYTES
from ingest.errors import MalformedPayload, Reason, TooLarge
from ingest.forms import store

CORPUS = Path(__file__).parents[1] / "corpus"
ID = "9ec79c33ec9942ab8353589fcb2e04dc"
EVENT = b'{"event_id":"%s","message":"x"}' % ID.encode()


@pytest.mark.parametrize(
    "body",
    [
        EVENT,
        b" \n" + EVENT,
        b"\xef\xbb\xbf" + EVENT,
        EVENT.decode().encode("utf-16"),
        EVENT.replace(b'"x"', b"NaN"),
        EVENT.upper().replace(b"EVENT_ID", b"event_id"),
        base64.b64encode(EVENT),
        base64.b64encode(EVENT) + b"\n",
        base64.encodebytes(EVENT * 1),
        base64.b64encode(zlib.compress(EVENT)),
        base64.encodebytes(zlib.compress(EVENT)),
        zlib.compress(EVENT),
    ],
)
def test_an_event_is_found_however_it_is_wrapped(body):
    assert store.peek(body) == ID


@pytest.mark.parametrize("body", [b"{}", b'{"event_id":null}', b'{"event_id":""}', b'{"x":NaN}'])
def test_an_event_may_have_no_id(body):
    assert store.peek(body) is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.EMPTY_BODY),
        (b" ", Reason.EMPTY_BODY),
        (b"hello=world", Reason.NOT_JSON),
        (b"[1]", Reason.NOT_AN_OBJECT),
        (b"null", Reason.NOT_AN_OBJECT),
        (b"17", Reason.NOT_AN_OBJECT),
        (b'{"event_id":"abc"}', Reason.BAD_EVENT_ID),
        (b'{"event_id":17}', Reason.BAD_EVENT_ID),
        (b'{"event_id":"%s "}' % ID.encode(), Reason.BAD_EVENT_ID),
        (b'{"event_id":"9ec79c33-ec9942ab8353589fcb2e04dc"}', Reason.BAD_EVENT_ID),
        (b'{"message":"cut', Reason.NOT_JSON),
        (b"[" * 5000 + b"]" * 5000, Reason.TOO_DEEP),
        (base64.b64encode(zlib.compress(EVENT)[:-4]), Reason.BAD_ENCODING),
        (zlib.compress(EVENT)[:-9], Reason.BAD_ENCODING),
        (base64.b64encode(b"hello"), Reason.NOT_JSON),
    ],
)
def test_what_is_no_event_says_why(body, reason):
    with pytest.raises(MalformedPayload) as caught:
        store.peek(body)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    "body",
    [
        b'{"message":"' + b"x" * MAX_EVENT_BYTES + b'"}',
        zlib.compress(bytes(100 * MAX_EVENT_BYTES)),
        base64.b64encode(zlib.compress(b'{"message":"' + b"x" * MAX_EVENT_BYTES + b'"}')),
    ],
)
def test_an_event_larger_than_any_is_too_large(body):
    with pytest.raises(TooLarge):
        store.peek(body)


def test_every_sdk_event_of_the_corpus_has_its_id():
    for file in sorted(CORPUS.glob("event_sdk/*/live-*.json")):
        assert len(store.peek(file.read_bytes())) == 32
