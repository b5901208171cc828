from pathlib import Path

import pytest

from ingest.errors import Reason
from ingest.records import Door, Source, TimeQuality

GLOSSARY = (Path(__file__).resolve().parents[1] / "docs" / "glossary.md").read_text()
CODES = [*(reason.value for reason in Reason), *(source.name for source in Source), *(q.name for q in TimeQuality)]


@pytest.mark.parametrize("code", CODES)
def test_every_code_an_analyst_meets_has_its_line_in_the_glossary(code: str) -> None:
    assert f"| `{code}` |" in GLOSSARY


def test_every_reason_in_the_glossary_exists() -> None:
    table = GLOSSARY.split("## Reasons")[1]
    told = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert told == [reason.value for reason in Reason]


@pytest.mark.parametrize("door", list(Door))
def test_every_door_is_in_the_glossary(door: Door) -> None:
    assert f"`{door.value}`" in GLOSSARY
