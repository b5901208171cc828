"""The page of the scenarios of reliability."""

from collections.abc import Iterator

from docs.made.tables import table
from tests.proof.holders import holders
from tests.proof.scenarios import ABSENT, SCENARIOS


def scenarios() -> Iterator[str]:
    """Give every scenario of reliability, and the tests that hold it."""
    held = holders()
    yield from (
        "# Scenarios of reliability",
        "",
        "What is done to the service on purpose, and which test does it. Tier 1 runs with every change (`make test`),",
        "2 and 3 by `make test-long`, which prints a line a scenario. The figures measured are in",
        "[reliability.md](reliability.md).",
        "",
    )
    rows = []
    for name, sentence in SCENARIOS.items():
        tests = [f"`{each.path}{f'::{each.test}' if each.test else ''}`" for each in held.get(name, [])]
        tiers = sorted({str(each.tier) for each in held.get(name, [])})
        rows.append((name, sentence, " ".join(tests) or ABSENT.get(name, ""), ", ".join(tiers)))
    yield from table(("id", "what", "test", "tier"), rows)
