"""Every scenario of reliability is held by a test that says so, or its absence is explained."""

from tests.proof.holders import holders
from tests.proof.scenarios import ABSENT, SCENARIOS


def test_every_scenario_is_held_by_a_test_or_its_absence_is_explained() -> None:
    held = set(holders())
    assert set(SCENARIOS) - held - set(ABSENT) == set()
    assert held - set(SCENARIOS) == set()
    assert set(ABSENT) & held == set()
    assert all(reason.endswith(".") for reason in ABSENT.values())
