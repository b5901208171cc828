import time

import pytest

from ingest import jsontext
from ingest.scrub import scrub, scrub_fields
from tests.support.secrets_to_scrub import F

HOLDS = ("E-12",)
HOSTILE = {
    "token": "token", "tokens apart": "token ", "bearer": "bearer ", "bearer and space": "bearer" + " " * 50,
    "PEM begins": "-----BEGIN A PRIVATE KEY-----", "PEM never begins": "-----BEGIN AAAAAAAA ", "slashes": "//",
    "URL user": "//a:", "URL without host": "//a:b:c:d", "at": "@a.b", "mail": "a@a.aa.", "mail user": "a.b+",
    "paths": "home/", "profiles": "a/profiles/", "digits": "4", "card": "4111-", "card cut": "411111111111111 ",
    "iban": "DE89", "country": "DEDEDE", "ssn": "078-05-", "words": "api_private_two_", "pairs": "a=%41&", "json": "[",
    "cookies": "sid;", "quotes": '"otp', "backslashes": "\\", "nul": "\x00",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_time_grows_with_the_length_of_hostile_text_and_not_faster(name):
    small, large = (_hostile(HOSTILE[name], size) for size in (1 << 14, 1 << 17))
    for _ in range(3):
        ratio = _seconds(large) / _seconds(small)
        if ratio < 8 * 3:
            return
    pytest.fail(f"8 times the text takes {ratio:.0f} times as long")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_does_not_make_the_scan_blind(name):
    event = {"extra": {"a": HOSTILE[name] * 20_000, "b": "4111 1111 1111 1111", "password": "x"}}
    scrubbed, _ = scrub(event, jsontext.encode(event))
    assert (scrubbed["extra"]["b"], scrubbed["extra"]["password"]) == (F, F)


def _hostile(text, size):
    text = (text * (size // len(text) + 1))[:size]
    places = {"query_string": text, "data": text, "cookies": text, "url": "https://h/?" + text}
    event = {"message": text, "extra": {"a": text, text[:100]: text}, "request": places, "tags": {"a": text}}
    return event, jsontext.encode(event)


def _seconds(case):
    event, body = case
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        scrub(event, body)
        scrub_fields(event)
        times.append(time.perf_counter() - begin)
    return min(times)
