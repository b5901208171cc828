"""Scenarios D-04, D-05, D-17: what a network does between the service and its database."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.proof.lines import report
from tests.proof.packets import PACKETS, dropping, iptables
from tests.proof.proxy import Proxy, proxied
from tests.proof.rig import LATE_PART, Run, proving
from tests.support.wait import until

pytestmark = pytest.mark.timeout(1800)

RATE = 500
FAULT_SECONDS = 60
NOTICED_SECONDS = 10
"""Within which a loader has noticed that nothing comes through."""
SWALLOWED = 500
SLOW_RATE = 20
LOST_PART = 0.3


@contextmanager
def behind_proxy(name: str, folder: Path, url: str, *, late_part: float = LATE_PART) -> Iterator[tuple[Run, Proxy]]:
    """Run a scenario whose service reaches the database through a proxy; what is common is held at the end."""
    with proxied(url) as proxy:
        with proving(name, folder, url, service_url=proxy.url(url), drained_seconds=180) as run:
            yield run, proxy
            proxy.fault.is_black_hole = False
        assert (run.verdict.refused, run.verdict.cut, run.verdict.set_aside) == (0, 0, 0), run.verdict
        assert run.verdict.late <= late_part * run.verdict.sent, run.verdict


def noticed(run: Run, how: str) -> None:
    """Return when operators are told that the database does not answer, which must be soon."""
    begun = time.monotonic()
    until(lambda: run.server.readyz()["database"] != "ok", NOTICED_SECONDS, "the loader notices")
    report(f"D-04 a network that {how} is noticed after {time.monotonic() - begun:.1f} s")


@PACKETS
@pytest.mark.scenario("D-04", tier=2)
def test_a_network_that_drops_every_packet_is_noticed_and_costs_nothing(tmp_path: Path, database_url: str) -> None:
    with behind_proxy("D-04", tmp_path, database_url) as (run, proxy):
        sending = run.send(rate=RATE, profile="small")
        sending.wait_acknowledged(RATE * 2)
        with dropping(proxy.port):
            noticed(run, "drops every packet")
            sending.wait_acknowledged(RATE * FAULT_SECONDS, FAULT_SECONDS * 5)
            assert run.server.readyz()["spool_events"] > RATE * FAULT_SECONDS // 2
        sending.wait_acknowledged(RATE * 2)


@pytest.mark.scenario("D-04", tier=2)
def test_a_peer_that_takes_everything_and_answers_nothing_costs_nothing(tmp_path: Path, database_url: str) -> None:
    with behind_proxy("D-04", tmp_path, database_url) as (run, proxy):
        sending = run.send(rate=RATE, profile="small")
        sending.wait_acknowledged(RATE * 2)
        proxy.fault.is_black_hole = True
        noticed(run, "takes everything")
        sending.wait_acknowledged(RATE * FAULT_SECONDS, FAULT_SECONDS * 5)
        proxy.fault.is_black_hole = False
        sending.wait_acknowledged(RATE * 2)


@pytest.mark.scenario("D-05", tier=2)
@pytest.mark.parametrize("fault", ["late", "narrow", pytest.param("lossy", marks=PACKETS)])
def test_a_slow_network_delays_rows_and_nothing_else(tmp_path: Path, database_url: str, fault: str) -> None:
    with behind_proxy("D-05", tmp_path, database_url) as (run, proxy), ExitStack() as faults:
        sending = run.send(rate=SLOW_RATE, profile="small")
        sending.wait_acknowledged(SLOW_RATE * 2)
        if fault == "late":
            proxy.fault.delay_seconds = 0.1  # in each direction
        elif fault == "narrow":
            proxy.fault.bytes_per_second = 50_000
        else:
            some = ("-m", "statistic", "--mode", "random", "--probability", str(LOST_PART))
            faults.enter_context(dropping(proxy.port, *some))
        before = run.server.readyz()["loaded_total"]
        sending.wait_acknowledged(max(1000, SLOW_RATE * FAULT_SECONDS), FAULT_SECONDS * 10)
        if fault != "lossy":
            assert run.server.readyz()["loaded_total"] > before, "it is slow, but it goes on"
        else:
            dropped = [
                line.split()[0]
                for line in iptables("-L", "INPUT", "-v", "-n", "-x").splitlines()
                if str(proxy.port) in line
            ]
            assert any(int(packets) for packets in dropped)
        faults.close()
        proxy.fault.delay_seconds = proxy.fault.bytes_per_second = 0.0


@pytest.mark.scenario("D-17", tier=2)
def test_a_commit_whose_answer_is_lost_five_hundred_times_is_never_loaded_twice(
    tmp_path: Path, database_url: str
) -> None:
    with behind_proxy("D-17", tmp_path, database_url, late_part=0.0) as (run, proxy):
        run.send(rate=100, profile="small")
        for number in range(1, SWALLOWED + 1):
            proxy.fault.swallows_commit = True
            until(lambda number=number: proxy.swallowed_count >= number, 60, f"{number} answers are swallowed")  # type: ignore[misc]
            proxy.fault.swallows_commit = False
            done = run.server.readyz()["loaded_total"]
            until(lambda done=done: run.server.readyz()["loaded_total"] > done, 60, "it goes on")  # type: ignore[misc]
        assert proxy.swallowed_count >= SWALLOWED
        met = run.server.log().count("the database is away")
    print(f"{proxy.swallowed_count} answers to COMMIT swallowed, {met} of them the loader's")
    assert met >= SWALLOWED // 2
