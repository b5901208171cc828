"""Scripts that misbehave (TESTPLAN O-13): each is gone within its limits, with everything it started."""

import os
import signal
import tempfile
import time
from pathlib import Path
from uuid import UUID

import psutil
import pytest

from reports.automation import script_apart
from reports.automation.script_guard import MOST_OUTPUT_BYTES
from reports.errors import DeliveryError
from tests.support import scripts
from tests.support.wait import until

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="scripts are run on Linux only")
is_root = os.geteuid() == 0
SECONDS = 3
OVER_SECONDS = 5
SH = "#!/bin/sh\n"
TOO_LONG = "It took longer than the 3 seconds"

MISBEHAVING = {
    "fork_bomb": (SH + "f() { f | f & }\nf\nsleep 100\n", None, TOO_LONG),
    "fork_bomb_that_ignores_term": (SH + "trap '' TERM\nf() { f | f & }\nf\nsleep 100\n", None, TOO_LONG),
    "yes": (SH + "exec yes\n", None, TOO_LONG),
    "ignores_term": (SH + "trap '' TERM INT HUP\nwhile :; do sleep 1; done\n", None, TOO_LONG),
    "daemon": (SH + "(setsid sh -c \"trap '' TERM; sleep 1000\" &)\nsleep 0.2\n", 0, "It left processes behind"),
    "daemon_without_handles": (
        SH + "(setsid sh -c 'exec sleep 1000' </dev/null >/dev/null 2>&1 &)\nsleep 0.2\nexit 4\n",
        4,
        "It left processes behind",
    ),
    "daemon_without_environment": (SH + "(env -i setsid sleep 1000 &)\nsleep 0.2\n", 0, "It left processes behind"),
    "two_gigabytes": (SH + "head -c 2000000000 /dev/zero | tail -n 1\necho $?\n", None, None),
    "fills_disk": (SH + "i=0; while :; do i=$((i+1)); head -c 9000000 /dev/zero >f$i; done\n", None, "and was ended."),
    "many_files": (SH + "i=0; while :; do i=$((i+1)); : >f$i; done\n", None, None),
    "deep_folders": (SH + "while mkdir d && cd d; do :; done\nsleep 100\n", None, None),
    "large_file": (SH + "exec head -c 100000000 /dev/zero >f\n", None, "larger than the 16 MiB"),
    "exit_139": (SH + "exit 139\n", 139, None),
    "segmentation_fault": (SH + "kill -SEGV $$\n", None, "It was ended by SIGSEGV."),
    "closes_stdin": (SH + "exec <&-\nexit 3\n", 3, None),
    "reads_for_ever": (SH + "cat >/dev/null; exec sleep 100\n", None, TOO_LONG),
    "closes_output": (SH + "exec >&- 2>&-\nsleep 100\n", None, TOO_LONG),
    "stops_itself": (SH + "kill -STOP $$\n", None, TOO_LONG),
    "spins": (SH + "while :; do :; done\n", None, None),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("guard") / "scripts"
    for name, (body, _, _) in MISBEHAVING.items():
        scripts.put(made, name, body)
    scripts.put(made, "good", SH + "exit 0\n")
    return made


@pytest.fixture(scope="module")
def usual_seconds(folder: Path) -> float:
    """How long a script that does nothing takes on this machine now."""
    begun = time.monotonic()
    scripts.run(folder, "good", scripts.job())
    return time.monotonic() - begun


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def left_folders() -> set[str]:
    return {str(path) for path in Path(tempfile.gettempdir()).glob("errhouse-script-*")}


@pytest.mark.parametrize("name", MISBEHAVING)
def test_a_script_that_misbehaves_is_gone_within_its_limits(name: str, folder: Path, usual_seconds: float) -> None:
    _, code, error = MISBEHAVING[name]
    job = scripts.job(seconds=SECONDS, cpu_seconds=2)
    before = set(psutil.pids())
    begun = time.monotonic()
    ended = scripts.run(folder, name, job)
    took = time.monotonic() - begun
    assert script_apart.by_id(job.run_id) == []
    orphans = [pid for pid in set(psutil.pids()) - before if _is_of_script(pid)]
    assert orphans == []
    assert took <= SECONDS + OVER_SECONDS + 3 * usual_seconds, ended
    assert len(ended.output) <= MOST_OUTPUT_BYTES
    if error:
        assert (ended.exit_code, error in (ended.error or "")) == (code, True), ended
    elif code is not None:
        assert (ended.exit_code, ended.error) == (code, None)
    else:
        assert ended.exit_code != 0 or "memory" in ended.output or ended.output.strip() not in {"", "0"}, ended


def _is_of_script(pid: int) -> bool:
    """Whether it looks as what the scripts above leave: `sleep` of a thousand seconds."""
    try:
        return psutil.Process(pid).cmdline()[:2] == ["sleep", "1000"]
    except psutil.Error:
        return False


@pytest.mark.skipif(not is_root, reason="only root can be somebody else")
@pytest.mark.parametrize(
    "name", ["fork_bomb_that_ignores_term", "ignores_term", "daemon", "yes", "stops_itself", "exit_139"]
)
def test_the_same_holds_when_errhouse_is_not_root(name: str, folder: Path) -> None:
    job = scripts.job(seconds=1, cpu_seconds=2)
    before = set(psutil.pids())
    told = scripts.guarded_as(scripts.USER, folder, name, job)
    assert (told["survivors"], told["refused"]) == (0, None)
    assert script_apart.by_id(job.run_id) == []
    assert [pid for pid in set(psutil.pids()) - before if _is_of_script(pid)] == []
    assert told["cut"] == (None if name in {"daemon", "exit_139"} else "time")


def test_what_a_script_is_given_is_little_and_always_the_same(folder: Path) -> None:
    words = "/proc/$$/cmdline"
    scripts.put(
        folder, "tells.sh", SH + f"tr '\\0' '\\n' <{words}; tr '\\0' '\\n' </proc/$$/environ; id -un; ls -A; umask\n"
    )
    job = scripts.job("--fixed", "two words; $(id)")
    ended = scripts.run(folder, "tells.sh", job)
    lines = ended.output.splitlines()
    assert lines[:4] == ["/bin/sh", "/dev/fd/3", "--fixed", "two words; $(id)"]
    assert dict(line.split("=", 1) for line in lines[4:7]) == scripts.environment(job.run_id)
    assert lines[7] == (scripts.USER if is_root else os.environ.get("USER", lines[7]))
    assert lines[8:] == ["0077"]  # nothing in its folder


def test_no_handle_of_ours_is_inherited(folder: Path) -> None:
    scripts.put(folder, "handles", SH + "exec ls /proc/self/fd\n")
    with tempfile.TemporaryFile() as ours:
        os.set_inheritable(ours.fileno(), True)
        ended = scripts.run(folder, "handles", scripts.job())
    assert ended.output.split() == ["0", "1", "2", "3", "4"]  # 3 is the script, 4 the listing


def test_a_script_sees_its_event_and_cannot_change_itself(folder: Path) -> None:
    scripts.put(folder, "itself", SH + "cat\n(echo x >>/dev/fd/3) 2>/dev/null || echo sealed\n")
    ended = scripts.run(folder, "itself", scripts.job(), b'{"title": "\\u001b"}\n')
    assert ended.output == '{"title": "\\u001b"}\nsealed\n'


def test_rights_cannot_be_gained(folder: Path) -> None:
    scripts.put(folder, "rights", SH + "grep NoNewPrivs /proc/self/status\n")
    assert scripts.run(folder, "rights", scripts.job()).output.split() == ["NoNewPrivs:", "1"]


def test_output_is_cut_and_cannot_speak_to_a_terminal(folder: Path) -> None:
    scripts.put(
        folder, "loud", SH + r"printf '\033[31mred\007\000\377\342\200\256x\n'; head -c 300000 /dev/zero" + "\n"
    )
    output = scripts.run(folder, "loud", scripts.job()).output
    assert output.startswith("\\u001b[31mred\\u0007\\u0000\\xff\\u202ex\n")
    assert len(output) == MOST_OUTPUT_BYTES
    assert all(char.isprintable() or char == "\n" for char in output)


@pytest.mark.skipif(not is_root, reason="a network of one's own needs rights that not every user has")
def test_a_script_can_be_kept_from_the_network(folder: Path) -> None:
    scripts.put(folder, "network", SH + "tail -n +3 /proc/net/dev | cut -d: -f1\n")
    alone = scripts.run(folder, "network", scripts.job(has_network=False)).output.split()
    assert alone in ([], ["lo"])
    assert scripts.run(folder, "network", scripts.job()).exit_code == 0


@pytest.mark.parametrize("body", ["echo no first line\n", "#!/no/such/program\n", "#!\n"])
def test_what_is_no_program_is_refused_in_one_sentence(body: str, folder: Path) -> None:
    scripts.put(folder, "no_program", body)
    with pytest.raises(DeliveryError, match=r"could not be started: .*first line names a program") as wrong:
        scripts.run(folder, "no_program", scripts.job())
    assert wrong.value.permanent


def test_a_script_ends_when_nobody_waits_for_it_any_more(folder: Path) -> None:
    scripts.put(folder, "long", SH + "sleep 1000 & sleep 1001\n")
    job = scripts.job(seconds=200)
    waits = os.fork()
    if waits == 0:
        scripts.run(folder, "long", job)
        os._exit(0)
    until(lambda: len(script_apart.by_id(job.run_id)) >= 2, 30, "it runs")
    os.kill(waits, signal.SIGKILL)
    os.waitpid(waits, 0)
    until(lambda: script_apart.by_id(job.run_id) == [], 15, "it was ended")


def test_a_guard_that_is_killed_leaves_nothing_either(folder: Path) -> None:
    scripts.put(folder, "left", SH + "(setsid sleep 1000 &)\nsleep 1001\n")
    job = scripts.job(seconds=200)
    waits = os.fork()
    if waits == 0:
        ended = scripts.run(folder, "left", job)
        os._exit(0 if "guard was ended" in (ended.error or "") else 1)
    until(lambda: len(script_apart.by_id(job.run_id)) >= 3, 30, "it runs")
    _guard_of(waits, job.run_id).kill()
    assert os.waitstatus_to_exitcode(os.waitpid(waits, 0)[1]) == 0
    until(lambda: script_apart.by_id(job.run_id) == [], 15, "it was ended")


def _guard_of(pid: int, run_id: UUID) -> psutil.Process:
    found = [each for each in psutil.Process(pid).children() if each.children()]
    assert len(found) == 1, run_id
    return found[0]


def test_no_folder_is_left(folder: Path) -> None:
    before = left_folders()
    scripts.put(folder, "litter", SH + "mkdir -p a/b; echo 1 >a/b/c; ln -s / root; chmod 0 a; pwd\n")
    ended = scripts.run(folder, "litter", scripts.job())
    assert Path(ended.output.strip()).name.startswith("errhouse-script-")
    assert not Path(ended.output.strip()).exists()
    assert left_folders() <= before
