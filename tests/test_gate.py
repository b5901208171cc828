"""What the gate relies on: a PostgreSQL that was asked for is had, or the tests stop."""

from pathlib import Path

import pytest

from tests.support import postgres


def test_an_image_that_was_asked_for_is_not_replaced_by_another_postgres(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(postgres.URL_VARIABLE, raising=False)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setenv(postgres.IMAGE_VARIABLE, "an-image:15")
    with pytest.raises(RuntimeError, match="no Docker engine listens"), postgres.server(tmp_path):
        pass
