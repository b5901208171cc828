"""Which scripts may be run (THREATS T-51): a table of those that may not, and why."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.automation import script_folder
from reports.automation.script_folder import listed, opened
from reports.automation.script_options import OPTIONS, asked
from reports.automation.scripts import pinned
from reports.errors import DeliveryError
from tests.support import scripts

BODY = "#!/bin/sh\necho good\n"
is_root = os.geteuid() == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    scripts.put(tmp_path / "scripts", "good.sh", BODY)
    return tmp_path / "scripts"


def linked(folder: Path) -> None:
    (folder / "odd").symlink_to("/bin/true")


def linked_within(folder: Path) -> None:
    (folder / "odd").symlink_to("good.sh")


def writable_by_group(folder: Path) -> None:
    scripts.put(folder, "odd", BODY, 0o775)


def writable_by_all(folder: Path) -> None:
    scripts.put(folder, "odd", BODY, 0o757)


def not_executable(folder: Path) -> None:
    scripts.put(folder, "odd", BODY, 0o644)


def empty(folder: Path) -> None:
    scripts.put(folder, "odd", "")


def sub_folder(folder: Path) -> None:
    (folder / "odd").mkdir()


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "odd")


def of_another(folder: Path) -> None:
    if not is_root:
        pytest.skip("only root can give a file away")
    scripts.put(folder, "odd", BODY)
    os.chown(folder / "odd", 65534, 65534)


def folder_of_another(folder: Path) -> None:
    if not is_root:
        pytest.skip("only root can give a folder away")
    scripts.put(folder, "odd", BODY)
    os.chown(folder, 65534, 65534)


def folder_writable(folder: Path) -> None:
    scripts.put(folder, "odd", BODY)
    folder.chmod(0o777)


def folder_above_writable(folder: Path) -> None:
    scripts.put(folder, "odd", BODY)
    folder.parent.chmod(0o777)


def folder_linked(folder: Path) -> None:
    scripts.put(folder, "odd", BODY)
    moved = folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to(moved)


def nothing(_: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (linked, "cannot be opened"),
        (linked_within, "cannot be opened"),
        (writable_by_group, r"Others may write to .*/odd; make it safe: chmod go-w"),
        (writable_by_all, r"Others may write to .*/odd; make it safe: chmod go-w"),
        (not_executable, "cannot be executed; chmod u\\+x"),
        (empty, "is empty or larger"),
        (sub_folder, "is no regular file"),
        (pipe, "is no regular file"),
        (of_another, "belongs to nobody; it must be root's"),
        (folder_of_another, "belongs to nobody; it must be root's"),
        (folder_writable, "Others may write to .*/scripts; make it safe"),
        (folder_above_writable, "so that the scripts in .* are not safe"),
        (folder_linked, "cannot be used"),
        (nothing, "There is no script .*/odd; `errhouse script list` shows"),
    ],
)
def test_a_script_that_others_could_have_made_is_refused(make: Callable[[Path], None], why: str, folder: Path) -> None:
    make(folder)
    with pytest.raises(DeliveryError, match=why) as wrong, opened(folder, "odd"):
        raise AssertionError("it was opened")
    assert wrong.value.permanent


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../scripts/good.sh", "/bin/true", "a/b", "good.sh\n", "Good.sh", "good.sh.", "good..sh"),
        *(".good", "gööd", "good sh", "a" * 65, "good.sh\0", "good.123456789", "$(id)", "x;y", "*"),
    ],
)
def test_a_name_that_is_none_is_refused(name: str, folder: Path) -> None:
    with pytest.raises(DeliveryError, match="is no name of a script"), opened(folder, name):
        raise AssertionError("it was opened")
    with pytest.raises(DeliveryError, match="is no name of a script"):
        asked(scripts.target(name, "0" * 64))


@pytest.mark.parametrize("name", ["a", "restart-shop", "restart_shop.sh", "7", "a" * 64 + ".py"])
def test_a_name_that_is_one_is_opened(name: str, folder: Path) -> None:
    sha256 = scripts.put(folder, name, BODY)
    with opened(folder, name) as script:
        assert script.sha256.hex() == sha256


def test_what_was_opened_is_what_is_run_whatever_becomes_of_the_file(folder: Path) -> None:
    with opened(folder, "good.sh") as script:
        (folder / "good.sh").write_text("#!/bin/sh\necho evil\n")
        assert os.pread(script.handle, 100, 0) == BODY.encode()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(script.handle, b"evil")


def test_the_folder_is_listed_with_why_a_file_cannot_be_run(folder: Path) -> None:
    linked(folder)
    scripts.put(folder, "Odd", BODY)
    assert [(each.name, each.why_not is None) for each in listed(folder)] == [
        ("Odd", False),
        ("good.sh", True),
        ("odd", False),
    ]


def test_elsewhere_than_on_linux_it_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script_folder, "IS_SUPPORTED", False)
    with pytest.raises(DeliveryError, match=r"^Scripts are run on Linux only"), opened(folder, "good.sh"):
        raise AssertionError("it was opened")


def test_a_target_that_is_added_is_pinned_to_the_file_that_is_there(tmp_path: Path) -> None:
    settings = scripts.settings(tmp_path / "data")
    sha256 = scripts.put(settings.scripts_dir, "good.sh", BODY)
    assert pinned(settings, {"url": "good.sh"}) == {"url": "good.sh", "sha256": sha256}
    with pytest.raises(DeliveryError, match="is another than was registered"):
        pinned(settings, {"url": "good.sh", "sha256": "0" * 64})


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"sha256": "abc"}, "sha256 must be the 64"),
        ({"timeout": "0"}, "timeout must be a whole number of seconds from 1 to 300"),
        ({"timeout": "1e3"}, "timeout must be"),
        ({"timeout": "٣"}, "timeout must be"),
        ({"cpu": "301"}, "cpu must be"),
        ({"cooldown": "-1"}, "cooldown must be"),
        ({"dry_run": "yes"}, "dry_run must be true or false"),
        ({"args": "'open"}, "a quotation mark is not closed"),
        ({"args": "a\0b"}, "without NUL"),
        ({"args": "a " * 33}, "at most 32 words"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, str], why: str) -> None:
    with pytest.raises(DeliveryError, match=why):
        asked(scripts.target("good.sh", **{"sha256": "0" * 64, **options}))


def test_every_option_is_read() -> None:
    told = {"args": "-f 'a b'", "timeout": "7", "cpu": "3", "cooldown": "60", "dry_run": "true"}
    told |= {"again_after_crash": "TRUE", "no_network": "true"}
    assert {"url", "sha256", *told} == {option.name for option in OPTIONS}
    found = asked(scripts.target("good.sh", "A" * 64, **told))
    assert found == ("good.sh", b"\xaa" * 32, ("-f", "a b"), 7, 3, 60, True, True, False)
