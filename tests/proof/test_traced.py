"""Scenarios A: what the kernel saw of a service that acknowledges, and what it does when the disk stalls or fails."""

import re
from pathlib import Path

import pytest

from tests.proof.lines import report
from tests.proof.made import event_id, number_of
from tests.proof.rig import proving
from tests.proof.verdict import stored
from tests.support.metrics import counted
from tests.support.tracing import MISSING, calls, strace_works, tracer
from tests.support.wait import until

pytestmark = pytest.mark.skipif(not strace_works(), reason=MISSING)

REQUESTS = 2000
ID = re.compile(r'event_id\\?": ?\\?"([0-9a-f]{32})')
HEAD = re.compile(r"HTTP/1\.1 200 ")
BODY = re.compile(r'"\{\\"id\\":\\"([0-9a-f]{32})')
WRITES = ("write(", "writev(", "sendto(", "sendmsg(")
STALL = "inject=fdatasync:delay_enter=5000000:when=50+200"
PATIENCE_SECONDS = 60  # tracing is slow
TIMED_OUT = {"status": "503", "reason": "spool_full"}


def replies(log: Path) -> dict[str, bool]:
    """Give the event of each 200 that left, and whether it was durable when the answer's first byte did."""
    found: dict[str, bool] = {}
    written: dict[str, set[str]] = {}
    durable: dict[str, int] = {}
    begun: dict[str, int] = {}
    for number, (name, file, arguments, result) in enumerate(calls(log, *WRITES)):
        if name == "fdatasync" and result == "0":
            durable |= dict.fromkeys(written.pop(file, ()), number)
        elif f"{name}(" in WRITES and file.endswith(".seg"):
            written.setdefault(file, set()).update(ID.findall(arguments))
        elif f"{name}(" in WRITES and file.startswith(("socket:", "TCP:")):
            if HEAD.search(arguments):
                begun[file] = number
            for event in BODY.findall(arguments):
                found[event] = durable.get(event, number) < begun[file]
    return found


@pytest.mark.scenario("A-04")
def test_every_answer_leaves_after_the_sync_that_made_its_event_durable(tmp_path: Path, database_url: str) -> None:
    log = tmp_path / "trace"
    prefix = tracer(log, "-s", "200000", "-e", "trace=write,pwrite64,writev,sendto,sendmsg,fdatasync")
    with proving("A-04", tmp_path, database_url, prefix=prefix, ERRHOUSE_ACK_DEADLINE_SECONDS="60") as run:
        run.send(rate=200, count=REQUESTS, profile="small", timeout_seconds=PATIENCE_SECONDS).wait_sent(150)
    told = replies(log)
    acknowledged = {event_id(run.seed, each.number).hex for each in run.answers() if each.is_acknowledged}
    early = sum(not is_durable for is_durable in told.values())
    report(f"A-04 {'FAIL' if early else 'pass'} replies seen {len(told)} before their sync {early}")
    assert acknowledged <= set(told), "the trace has not seen every answer"
    assert not early


@pytest.mark.timeout(600)
@pytest.mark.scenario("A-05", tier=2)
def test_senders_hear_503_in_time_from_a_disk_that_stalls_and_their_events_are_kept(
    tmp_path: Path, database_url: str
) -> None:
    log = tmp_path / "trace"
    prefix = tracer(log, "-e", "trace=fdatasync", "-e", STALL)
    with proving("A-05", tmp_path, database_url, prefix=prefix) as run:
        run.send(rate=60, count=60 * 40, profile="small").wait_sent(200)
        told = counted(run.server, "errhouse_requests_total", **TIMED_OUT)
    stalls = log.read_text().count("(DELAYED)")
    numbers = {number_of(run.seed, each) for each in stored(database_url)}
    refused = run.verdict.refused
    kept = sum(each.status == 503 and each.number in numbers for each in run.answers())
    report(f"A-05 stalls of 5 s {stalls}, answered 503 {refused}, counted {told:.0f}, stored {kept}")
    assert stalls
    assert refused
    assert told >= refused  # who gave up first is counted, too
    assert run.verdict.cut == 0
    assert kept == refused, "what was answered 503 in a stall is kept all the same"


@pytest.mark.scenario("A-06")
def test_a_sync_that_failed_is_not_tried_again_on_its_segment(tmp_path: Path, database_url: str) -> None:
    log = tmp_path / "trace"
    prefix = tracer(log, "-e", "trace=fdatasync,write", "-e", "inject=fdatasync:error=EIO:when=20+20")
    with proving("A-06", tmp_path, database_url, prefix=prefix, ERRHOUSE_ACK_DEADLINE_SECONDS="60") as run:
        sending = run.send(rate=150, count=1500, profile="small", timeout_seconds=PATIENCE_SECONDS)
        until(lambda: counted(run.server, "errhouse_spool_failures_total"), 100, "the failure is told")
        sending.wait_sent(200)
        told = counted(run.server, "errhouse_spool_failures_total")
    given_up: list[str] = []
    for name, file, _, result in calls(log):
        assert file not in given_up, f"{name} of a segment after its sync had failed"
        if name == "fdatasync" and result == "-1":
            given_up.append(file)
    report(f"A-06 syncs failed {len(given_up)}, counted {told:.0f}, refused {run.verdict.refused}")
    assert len(given_up) >= 2
    assert told == len(given_up)
