import ast
from functools import cache
from pathlib import Path

import pytest

from tests.support.security_cases import CASES

TESTS = Path(__file__).parent


@cache
def names(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text())
    return {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}


def test_every_case_of_security_is_listed_once_and_in_order() -> None:
    assert list(CASES) == [f"S-{number:02d}" for number in range(1, 15)]


@pytest.mark.parametrize("case", CASES)
def test_the_tests_that_hold_a_case_are_there(case: str) -> None:
    named = [each.split("::") for each in CASES[case].tests]
    assert [f"{file}::{name}" for file, name in named if name not in names(file)] == []
    assert named
