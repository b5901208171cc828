"""What anybody may ask for is made so often at most, and never given to who asked after it was made."""

import asyncio
from itertools import pairwise
from time import monotonic

from ingest.paced import Paced

SECONDS = 0.05


def test_those_who_ask_together_are_given_one_and_nobody_what_was_made_before() -> None:
    asked: list[float] = []

    def make() -> float:
        asked.append(monotonic())
        return asked[-1]

    async def ask() -> None:
        paced = Paced(make, SECONDS)
        for _ in range(4):
            begun = monotonic()
            found = await asyncio.gather(*(paced.get() for _ in range(100)))
            assert len(set(found)) == 1
            assert found[0] >= begun

    asyncio.run(ask())
    assert len(asked) == 4
    assert min(after - before for before, after in pairwise(asked)) > SECONDS * 0.9


def test_what_fails_is_told_and_made_again_for_the_next() -> None:
    outcomes = iter([ValueError("away"), "here"])

    def make() -> str:
        outcome = next(outcomes)
        if isinstance(outcome, ValueError):
            raise outcome
        return outcome

    async def ask() -> list[object]:
        paced = Paced(make, 0)
        return [await asyncio.gather(paced.get(), return_exceptions=True), await paced.get()]

    failed, found = asyncio.run(ask())
    assert isinstance(failed, list)
    assert str(failed[0]) == "away"
    assert found == "here"
