"""What large bodies may hold together."""

import pytest

from ingest.errors import TooBusy
from ingest.in_flight import FREE_BYTES, Claim, InFlight
from models.settings import MIB


def test_a_small_body_is_read_whatever_others_hold() -> None:
    all_of_it = InFlight(4 * MIB)
    Claim(all_of_it).grow(4 * MIB)
    small = Claim(all_of_it)
    small.grow(FREE_BYTES)
    assert all_of_it.held == 4 * MIB


def test_a_large_body_finds_room_once_another_has_gone() -> None:
    all_of_it = InFlight(4 * MIB)
    first, second = Claim(all_of_it), Claim(all_of_it)
    first.grow(3 * MIB)
    with pytest.raises(TooBusy):
        second.grow(2 * MIB)
    first.release()
    second.grow(2 * MIB)
    assert all_of_it.held == 2 * MIB
    second.release()
    assert all_of_it.held == 0


def test_one_body_alone_is_read_however_large_it_is() -> None:
    all_of_it = InFlight(4 * MIB)
    alone = Claim(all_of_it)
    for size in range(MIB, 9 * MIB, MIB):
        alone.grow(size)
    alone.grow(2 * MIB)
    assert all_of_it.held == 8 * MIB
