"""Numbers in sentences."""

import pytest

from models.worded import counted


@pytest.mark.parametrize(
    ("count", "written"), [(0, "0 events"), (1, "1 event"), (2, "2 events"), (2001, "2,001 events")]
)
def test_a_number_and_its_word_agree(count: int, written: str) -> None:
    assert counted(count, "event") == written
