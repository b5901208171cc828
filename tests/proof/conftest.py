"""What scenarios share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import IMMEDIATE, Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Give a PostgreSQL of one's own, which may be stopped and killed."""
    made = Cluster(tmp_path / "postgres")
    yield made
    made.stop(IMMEDIATE)
