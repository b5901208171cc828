"""Which test holds which scenario: read from the tests' own marks, without importing them."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).resolve().parents[1]


class Holder(NamedTuple):
    """A test, or a whole file of tests, and the tier from which on it runs."""

    path: str
    test: str | None
    tier: int


def holders() -> dict[str, list[Holder]]:
    """Give the tests of each scenario."""
    found: dict[str, list[Holder]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        text = path.read_text()
        if "scenario(" in text or "HOLDS" in text:
            for scenario, holder in _of(path, ast.parse(text)):
                found[scenario].append(holder)
    return dict(found)


def _of(path: Path, tree: ast.Module) -> Iterator[tuple[str, Holder]]:
    name = str(path.relative_to(TESTS.parent))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "HOLDS":
            yield from ((str(each), Holder(name, None, 1)) for each in ast.literal_eval(node.value))
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            yield from ((each, Holder(name, None, tier)) for each, tier in _marks(node.value))
        elif isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                yield from ((each, Holder(name, node.name, tier)) for each, tier in _marks(decorator))


def _marks(node: ast.expr) -> Iterator[tuple[str, int]]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.scenario":
            told = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
            yield from ((ast.literal_eval(each), int(told.get("tier", 1))) for each in call.args)
