"""How much may be sent to one project."""

import json
from pathlib import Path

import pytest

from ingest.errors import RateLimited
from ingest.quota import BURST_SECONDS, Quota
from tests.support.builders import auth, envelope, event, signed
from tests.support.receiver import HOOK_KEY, SECRET, receiving


class Sent:
    """Counts what is taken of what is sent, by a clock that it moves itself."""

    def __init__(self, rate: float) -> None:
        self.at = 1000.0
        self._quota = Quota(rate, lambda: self.at)

    def taken(self, project_id: int, rate: float, seconds: float) -> int:
        count = 0
        for _ in range(round(rate * seconds)):
            self.at += 1 / rate
            try:
                self._quota.take(project_id)
            except RateLimited:
                continue
            count += 1
        return count


@pytest.mark.parametrize("rate", [0.05, 1.0, 50.0])
def test_of_a_flood_the_burst_and_then_the_rate_is_taken(rate: float) -> None:
    sent = Sent(rate)
    assert abs(sent.taken(7, 20 * rate, BURST_SECONDS) - 2 * BURST_SECONDS * rate) <= 1 + rate / 20
    assert abs(sent.taken(7, 20 * rate, 100 / rate) - 100) <= 1


def test_what_stays_below_the_rate_is_never_refused_and_bursts_again_after_a_pause() -> None:
    sent = Sent(20.0)
    assert sent.taken(7, 19.0, 60) == 19 * 60
    sent.at += BURST_SECONDS
    assert sent.taken(7, 2000.0, 0.1) == 200


def test_a_flood_of_one_project_takes_nothing_from_others() -> None:
    sent = Sent(20.0)
    sent.taken(7, 2000.0, 1)
    assert sent.taken(8, 19.0, 20) == 19 * 20


def test_nothing_is_refused_without_a_limit() -> None:
    assert Sent(0.0).taken(7, 10_000.0, 1) == 10_000


def test_an_sdk_over_its_share_is_told_to_pause_as_sentry_would_and_no_webhook_ever_is(tmp_path: Path) -> None:
    one, alert = event(), json.dumps({"data": {"event": {**event(), "project": 42}}}).encode()
    with receiving(tmp_path / "data", PROJECT_MAX_REQUESTS_PER_SECOND=0.001) as running:
        for expected in (200, 429):
            answer = running.client.post("/api/42/envelope/", content=envelope(one), headers=auth())
            assert answer.status_code == expected
        assert (answer.json()["reason"], answer.headers["x-sentry-error"]) == ("rate_limited", "rate_limited")
        assert "42" in answer.json()["detail"]
        assert (answer.headers["retry-after"], answer.headers["x-sentry-rate-limits"]) == (
            "10",
            "10::project:rate_limited",
        )
        assert "x-sentry-rate-limits" in answer.headers["access-control-expose-headers"]
        assert running.client.post("/api/7/store/", content=json.dumps(one), headers=auth("0" * 32)).status_code == 200
        for path, headers in (("/hooks/sentry", signed(alert, SECRET)), (f"/hooks/sentry/{HOOK_KEY}", {})):
            for _ in range(3):
                assert running.client.post(path, content=alert, headers=headers).status_code == 200
        assert len(running.kept()) == 8
