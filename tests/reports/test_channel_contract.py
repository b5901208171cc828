"""
Every channel against a server that answers as its vendor does, and the exact requests of every case.

A case is a folder `channels/<channel>/<case>/`: `target.json` with `options` (and `allow_private`), `message.json`, and
`request.json` with the requests that must come; `answers.json`, with status, headers and body of each answer, where 200
is not enough. With ERRHOUSE_TEST_WRITE=1 a `request.json` that is not there is written; read it before it is kept.
"""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reports import channels
from reports.channels import CHANNELS, channel_of
from reports.delivery.masking import masked_error
from reports.delivery.message import Message
from reports.delivery.outgoing import Sent
from reports.delivery.targets import Target
from reports.errors import DeliveryError
from tests.support.contracts import CONTRACTS, LOCAL, OUTCOMES, Contract, asked, serving, with_port
from tests.support.vendor import Answerer, answering

FOLDER = Path(__file__).parent / "channels"
CASES = sorted(path for path in FOLDER.glob("*/*") if path.is_dir())
NETWORKED = [each.NAME for each in CHANNELS if each.NAME not in LOCAL]


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.delivery.http_client.TOTAL_SECONDS", 1.5)


def target_of(channel: str, contract: Contract, port: int) -> Target:
    return Target("there", channel, with_port(contract.options, port), contract.allow_private)


def test_every_channel_has_a_contract_and_cases() -> None:
    assert set(NETWORKED) == set(CONTRACTS)
    assert {path.parent.name for path in CASES} == set(NETWORKED)


@pytest.mark.parametrize("situation", OUTCOMES)
@pytest.mark.parametrize("channel", NETWORKED)
def test_what_a_vendor_answers_becomes_delivered_permanent_or_temporary(
    channel: str, situation: str, tmp_path: Path
) -> None:
    contract = CONTRACTS[channel]
    with serving(contract.options, contract.answer(situation), tmp_path, contract.serve) as (server, out):
        target = target_of(channel, contract, server.port)
        way = channels.check(target)
        try:
            came: Sent | DeliveryError = way.send(target, contract.message, out)
        except DeliveryError as error:
            came = error
    expected = contract.outcome(situation)
    if isinstance(came, Sent):
        assert expected.word == "delivered"
        return
    assert expected == ("permanent" if came.permanent else "temporary", came.retry_after), came
    assert str(came).endswith((".", "?"))
    assert len(came.detail or "") <= 2048


@pytest.mark.parametrize("channel", NETWORKED)
def test_no_secret_of_a_target_is_told_when_its_vendor_repeats_them(channel: str, tmp_path: Path) -> None:
    contract = CONTRACTS[channel]
    if contract.serve is not None:
        pytest.skip("its server is told apart in its own tests")

    def echo(*args: Any) -> None:
        request = args[2]
        answering(400, f"{request.path} {request.headers}".encode() + request.body)(*args)

    with serving(contract.options, echo, tmp_path) as (server, out):
        target = target_of(channel, contract, server.port)
        with pytest.raises(DeliveryError) as wrong:
            channel_of(channel).send(target, contract.message, out)
    told = masked_error(wrong.value, target)
    assert "canary" not in f"{told} {told!r} {told.detail} {wrong.value} {target!r}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_a_message_becomes_exactly_these_requests(case: Path, tmp_path: Path) -> None:
    channel = case.parent.name
    told = json.loads((case / "target.json").read_text())
    message = msgspec.json.decode((case / "message.json").read_bytes(), type=Message)
    serve = CONTRACTS[channel].serve
    with serving(told["options"], ("", "") if serve else answers(case), tmp_path, serve) as (server, out):
        options = with_port(told["options"], server.port)
        target = Target("there", channel, options, told.get("allow_private", False))
        channels.check(target).send(target, message, out)
        found = asked(server)
    path = case / "request.json"
    if not path.exists() and os.environ.get("ERRHOUSE_TEST_WRITE") == "1":
        path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    assert found == json.loads(path.read_text())


def answers(case: Path) -> Answerer:
    """Answer as a case tells, one after the other; 200 where it tells nothing."""
    path = case / "answers.json"
    if not path.exists():
        return answering(200, b"ok")
    told = iter(json.loads(path.read_text()))

    def answer(*args: Any) -> None:
        one = next(told)
        body = one.get("body", "")
        text = body if isinstance(body, str) else json.dumps(body)
        answering(one.get("status", 200), text.encode(), one.get("headers"))(*args)

    return answer
