"""Ways out for reports: the list of them, their addresses, and the folder."""

from pathlib import Path
from typing import Any

import pytest

import reports.channels
from reports.channels import CHANNELS, channel_of, file
from reports.delivery.message import AboutReport, Artifact, Message
from reports.delivery.targets import Target
from reports.errors import BadTarget, DeliveryError

NOTHING: Any = None
HTML = Artifact("html", "html", "text/html", b"<p>1</p>")


def message(name: str = "weekly", period: str = "2026-W47", *artifacts: Artifact, report: str = "weekly") -> Message:
    about = AboutReport(name, report, period)
    return Message("key", "report", "Weekly", report=about, artifacts=artifacts or (HTML,))


def folder_of(address: object) -> Target:
    return Target("here", "file", {"url": str(address)})


def test_every_channel_of_the_folder_is_in_the_list() -> None:
    folder = Path(reports.channels.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == {each.NAME for each in CHANNELS}


def test_a_channel_that_is_not_there_is_told_with_those_that_are() -> None:
    assert channel_of("file") is file
    with pytest.raises(BadTarget, match=r"There is no channel 'pigeon'; there are .*file"):
        channel_of("pigeon")


def test_files_are_named_by_report_and_period(tmp_path: Path) -> None:
    csv = Artifact("csv", "zip", "application/zip", b"PK")
    file.send(folder_of(tmp_path), message("weekly", "2026-W47", HTML, csv), NOTHING)
    file.send(folder_of(tmp_path), message("web-only", "2026-11-17 08:00 to 2026-11-24 08:00"), NOTHING)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "weekly-2026-W47.html",
        "weekly-2026-W47.zip",
        "weekly-web-only-2026-11-17-0800-to-2026-11-24-0800.html",
    ]


def test_a_file_of_the_same_period_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "weekly-2026-W47.html"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"another's")
    path.symlink_to(elsewhere)
    file.send(folder_of(tmp_path), message(), NOTHING)
    assert (path.read_bytes(), path.is_symlink()) == (HTML.body, False)
    assert elsewhere.read_bytes() == b"another's"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("address", ["reports", "./reports", "/srv/../etc", "/srv/reports/..", "/srv/\0"])
def test_a_folder_is_told_by_an_absolute_path_without_a_way_up(address: str) -> None:
    with pytest.raises(DeliveryError, match="is not an absolute path without") as wrong:
        file.check(folder_of(address))
    assert wrong.value.permanent


@pytest.mark.parametrize(
    "odd",
    [
        message("../../etc/cron.d/x"),
        message("a/b"),
        message(report="..", name=".."),
        message("x", "..", HTML),
        message("x", "2026", Artifact("html", "../html", "text/html", b"")),
        message(""),
        message(".hidden"),
    ],
)
def test_no_name_leads_out_of_the_folder(odd: Message, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(DeliveryError, match="cannot be part of the name of a file") as wrong:
        file.send(folder_of(folder), odd, NOTHING)
    assert wrong.value.permanent
    assert list(tmp_path.rglob("*")) == [folder]


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="There is no folder") as wrong:
        file.send(folder_of(tmp_path / "gone"), message(), NOTHING)
    assert wrong.value.permanent
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "weekly-2026-W47.html").mkdir()
    with pytest.raises(DeliveryError, match="cannot be written"):
        file.send(folder_of(tmp_path), message(), NOTHING)
    assert len(list(tmp_path.iterdir())) == 1
