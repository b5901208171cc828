"""The nursery forks what it is asked for: with its own environment, id and sockets; and is there again when it died."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from ingest.nursery import Forked, Nursery
from ingest.supervise import Child
from tests.support.server import environment, free_port, role
from tests.support.wait import until

SECONDS = 30
AT_ONCE = 40


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", free_port())) as made:
        yield made


@pytest.fixture
def nursery(tmp_path: Path, listening: socket.socket) -> Iterator[Nursery]:
    made = Nursery(environment(PROMETHEUS_MULTIPROC_DIR=str(tmp_path)), (listening.fileno(),))
    made.start()
    yield made
    made.end()


@pytest.fixture
def ask(nursery: Nursery, tmp_path: Path) -> Iterator[Callable[..., Forked]]:
    """Give what asks for a process that stays: a scheduler, whose database is away."""
    asked: list[Forked] = []

    def fork(*handles: int) -> Forked:
        folder = tmp_path / f"{len(asked)}"
        folder.mkdir()
        given = environment(ERRHOUSE_DATA_DIR=str(folder), ERRHOUSE_DATABASE_URL="postgresql://127.0.0.1:1/none")
        asked.append(nursery.fork("schedule", ["_schedule"], given, handles, folder / "schedule.pid"))
        return asked[-1]

    yield fork
    for process in asked:
        process.signal(signal.SIGTERM)
        assert process.wait(SECONDS)
        process.let_go()


def born(process: Forked) -> psutil.Process:
    until(lambda: process.pid is not None, SECONDS, "the process is there")
    assert process.pid is not None
    return psutil.Process(process.pid)


def test_what_is_forked_has_its_own_name_and_id_and_only_the_sockets_it_keeps(
    ask: Callable[..., Forked], tmp_path: Path, listening: socket.socket
) -> None:
    theirs = []
    for number, process in enumerate((ask(listening.fileno()), ask())):
        found = born(process)
        theirs.append(len(found.net_connections("tcp")))
        assert role(found) == "schedule"
        assert os.getsid(found.pid) == found.pid
        assert int((tmp_path / f"{number}" / "schedule.pid").read_text()) == found.pid
    assert theirs[0] == theirs[1] + 1


def test_many_of_one_name_that_are_born_at_once_do_not_take_each_others_note(nursery: Nursery, tmp_path: Path) -> None:
    given, note = environment(ERRHOUSE_DATA_DIR=str(tmp_path)), tmp_path / "version.pid"
    asked = [nursery.fork("version", ["--version"], given, (), note) for _ in range(AT_ONCE)]
    for process in asked:
        assert process.wait(SECONDS)
    assert len({process.pid for process in asked} - {None}) == AT_ONCE  # who fails before tells no id
    assert int(note.read_text()) in {process.pid for process in asked}
    for process in asked:
        process.let_go()


def test_settings_are_those_it_was_asked_with(
    capfd: pytest.CaptureFixture[str], nursery: Nursery, tmp_path: Path
) -> None:
    nursery.start()  # a new one, which writes to where this test reads
    for name in ("one", "two"):
        given = environment(ERRHOUSE_DATABASE_URL=f"postgresql://127.0.0.1:1/{name}", ERRHOUSE_DATA_DIR=str(tmp_path))
        process = nursery.fork("url", ["db", "url"], given, (), tmp_path / "url.pid")
        assert process.wait(SECONDS)
        process.let_go()
    said = capfd.readouterr().out
    assert "127.0.0.1:1/one" in said
    assert "127.0.0.1:1/two" in said


def test_one_that_is_killed_is_over_and_is_begun_again(ask: Callable[..., Forked]) -> None:
    begun: list[Forked] = []

    def begin() -> Forked:
        begun.append(ask())
        return begun[-1]

    child = Child("schedule", begin)
    child.start()
    born(begun[0]).kill()
    until(begun[0].is_over, SECONDS, "it is over")
    assert not child.is_alive
    child.mind()
    assert child.is_alive
    assert born(begun[1]).is_running()
    child.stop()
    child.wait(SECONDS)
    assert not child.is_alive


def test_a_nursery_that_died_leaves_whom_it_forked_at_work_and_is_there_again_for_the_next(
    ask: Callable[..., Forked],
) -> None:
    first = ask()
    above = born(first).parent()
    assert above is not None
    assert role(above) == "nursery"
    above.kill()
    until(lambda: not above.is_running() or above.status() == psutil.STATUS_ZOMBIE, SECONDS, "the nursery is gone")
    second = ask()
    assert born(second).is_running()
    assert not first.is_over()


def test_what_is_forked_ends_with_the_one_that_asked_for_it(ask: Callable[..., Forked]) -> None:
    process = ask()
    found = born(process)
    process.let_go()
    found.wait(SECONDS)
