"""How long a refusal takes tells nothing of how near a signature was, nor an answer which secret signed."""

import hmac
import random
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256

from ingest.auth import verify_signature
from ingest.errors import NotAllowed

SECRETS = [f"secret-{number}".encode() * 4 for number in range(4)]
BODY = b'{"action": "created"}' * 10
TRIES = 20_000
ROUNDS = 5
MOST_MADS = 3  # median absolute deviations between medians
Check = Callable[[bytes, str, Sequence[bytes]], None]


def signature(secret: bytes) -> str:
    return hmac.new(secret, BODY, sha256).hexdigest()


RIGHT = [signature(secret) for secret in SECRETS]
WRONG = [
    ("0" if RIGHT[-1][0] != "0" else "1") + RIGHT[-1][1:],  # in its first digit
    RIGHT[-1][:-1] + ("0" if RIGHT[-1][-1] != "0" else "1"),  # in its last
    signature(b"another secret"),
]


def nanoseconds(check: Check, sent: Sequence[str]) -> tuple[list[float], float]:
    """Return the median nanoseconds of each signature, tried in turns of a random order, and the largest deviation."""
    rng, times = random.Random(5), [[0.0] * TRIES for _ in sent]
    for number in range(TRIES):
        for which in rng.sample(range(len(sent)), len(sent)):
            start = time.thread_time_ns()  # of a processor: what others take of it is not in it
            with suppress(NotAllowed):
                check(BODY, sent[which], SECRETS)
            times[which][number] = time.thread_time_ns() - start
    medians = [statistics.median(each) for each in times]
    deviations = [
        statistics.median(abs(one - median) for one in each) for each, median in zip(times, medians, strict=True)
    ]
    return medians, max(deviations)


def spread(check: Check, sent: Sequence[str]) -> float:
    """Return how far the medians are apart, in deviations."""
    medians, deviation = nanoseconds(check, sent)
    return (max(medians) - min(medians)) / deviation


def hasty(raw: bytes, told: str, secrets: Sequence[bytes]) -> None:
    """Stop at the first secret that fits: what must not be."""
    for secret in secrets:
        if hmac.compare_digest(hmac.new(secret, raw, sha256).hexdigest(), told):
            return


def test_a_refusal_takes_as_long_however_near_the_signature_was() -> None:
    assert spread(verify_signature, WRONG) < MOST_MADS


def test_an_answer_takes_as_long_whichever_secret_signed_and_haste_would_be_seen() -> None:
    # a round in which a busy machine hides the haste would hide a fault of ours too, so it says nothing
    assert any(spread(hasty, RIGHT) > MOST_MADS for _ in range(ROUNDS))
    assert spread(verify_signature, RIGHT) < MOST_MADS
