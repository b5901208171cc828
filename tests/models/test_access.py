import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models import access, projects
from models.access import FILE_NAME, SECRET_FILE, Access, AccessFile, hook_hash, publish, webhook_secrets
from models.engine import engine_for
from models.errors import ModelsError

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_what_the_database_says_comes_back_through_the_file(database_url: str, tmp_path: Path) -> None:
    engine = engine_for(database_url)
    with engine.begin() as connection:
        project = projects.added(connection, "shop", 42, True, NOW)
        hook_key = projects.hook_added(connection, "plugin", NOW)
        publish(tmp_path, access.read(connection))
    engine.dispose()
    known = AccessFile(tmp_path)
    assert known.project_of(project.public_key or "") == 42
    assert known.project_of("0" * 32) is None
    assert known.knows_hook(hook_key)
    assert not known.knows_hook(hook_key + "x")
    assert hook_key not in (tmp_path / FILE_NAME).read_text()


def test_a_key_that_is_added_is_known_at_once(tmp_path: Path) -> None:
    publish(tmp_path, Access())
    known = AccessFile(tmp_path)
    assert known.project_of("a") is None
    publish(tmp_path, Access({"a": 1}, {hook_hash("h"): "hook"}))
    assert known.project_of("a") == 1
    assert known.knows_hook("h")


def test_a_file_that_is_missing_or_damaged_takes_no_right_away(tmp_path: Path) -> None:
    known = AccessFile(tmp_path)
    assert known.project_of("a") is None
    publish(tmp_path, Access({"a": 1}))
    assert known.project_of("a") == 1
    (tmp_path / FILE_NAME).write_bytes(b"{")
    assert known.project_of("b") is None
    assert known.project_of("a") == 1
    (tmp_path / FILE_NAME).unlink()
    assert known.project_of("b") is None
    assert known.project_of("a") == 1


def test_the_file_is_for_its_owner_alone_and_not_written_when_nothing_changed(tmp_path: Path) -> None:
    os.umask(os.umask(0o022))
    publish(tmp_path, Access({"a": 1, "b": 2}))
    before = (tmp_path / FILE_NAME).stat()
    assert stat.S_IMODE(before.st_mode) == 0o600
    publish(tmp_path, Access({"b": 2, "a": 1}))
    after = (tmp_path / FILE_NAME).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_an_unknown_key_costs_no_reading_while_the_file_is_the_same(tmp_path: Path) -> None:
    publish(tmp_path, Access({"a": 1}))
    known = AccessFile(tmp_path)
    assert known.refresh() is False
    publish(tmp_path, Access({"a": 2}))
    assert known.refresh() is True


def test_a_hook_key_of_any_text_has_a_hash() -> None:
    assert hook_hash("\udcff") != hook_hash("")


def test_secrets_that_were_given_are_used_and_none_is_made(tmp_path: Path) -> None:
    assert webhook_secrets(tmp_path, ("one", "two")) == ("one", "two")
    assert list(tmp_path.iterdir()) == []


def test_a_secret_is_made_once_for_its_owner_alone_and_stays(tmp_path: Path) -> None:
    (made,) = webhook_secrets(tmp_path, ())
    assert len(made) == 64
    assert stat.S_IMODE((tmp_path / SECRET_FILE).stat().st_mode) == 0o600
    assert webhook_secrets(tmp_path, ()) == (made,)
    assert webhook_secrets(tmp_path / ".." / tmp_path.name, ()) == (made,)


@pytest.mark.parametrize("content", ["", "\n", "  \n"])
def test_an_empty_secret_is_refused_since_anyone_could_sign(tmp_path: Path, content: str) -> None:
    (tmp_path / SECRET_FILE).write_text(content)
    with pytest.raises(ModelsError, match="is empty; remove the file"):
        webhook_secrets(tmp_path, ())
