"""Every aggregation gives what was worked out by hand: one folder each, one folder for every case of it."""

from inspect import signature
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import reports.aggregations
from reports.aggregation import COUNTS, Aggregation, empty
from reports.aggregations import AGGREGATIONS, aggregation
from reports.errors import MissingColumn, ReportsError
from reports.filters import GROUPINGS
from reports.grouping import coded
from reports.report import table
from tests.support.frames import expected, frame, params

FOLDER = Path(__file__).parent / "aggregations"
CASES = sorted(path for path in FOLDER.glob("*/*") if path.is_dir())
BY_NAME = {each.name: each for each in AGGREGATIONS}


def columns_of(taken: str, wanted: Aggregation) -> dict[str, str]:
    """What a frame may have: counts may be finer than what is asked of them."""
    columns = dict(wanted.takes[taken])
    return dict(COUNTS) if "weighted_events" in columns and "hour" not in columns else columns


def told(case: Path) -> dict[str, Any]:
    """What a case gives to its aggregation; counts have only those groupings that the case tells."""
    wanted = BY_NAME[case.parent.name]
    given = params(case)
    for name in wanted.takes:
        path = case / f"{name}.csv"
        columns = columns_of(name, wanted)
        header = path.read_text().splitlines()[0].split(",")
        groupings = {each for each in GROUPINGS if each in columns and columns == dict(COUNTS)}
        unasked = groupings - set(header) - set(wanted.takes[name])
        given[name] = frame(path, {each: dtype for each, dtype in columns.items() if each not in unasked})
    return given


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_a_case_gives_what_was_worked_out(case: Path) -> None:
    wanted = BY_NAME[case.parent.name]
    found = wanted.run(**told(case))
    expectation = expected(case, wanted)
    assert len(found) == len(expectation)
    for name in expectation.columns:
        values = found[name].astype(expectation[name].dtype).reset_index(drop=True)
        pd.testing.assert_series_equal(values, expectation[name], rtol=2e-4, atol=6e-5)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_the_order_of_the_rows_that_come_changes_nothing(case: Path) -> None:
    wanted, given = BY_NAME[case.parent.name], told(case)
    first = wanted.run(**given)
    for seed in range(3):
        mixed = {
            name: value.sample(frac=1, random_state=seed) if isinstance(value, pd.DataFrame) else value
            for name, value in given.items()
        }
        pd.testing.assert_frame_equal(wanted.run(**mixed), first, check_exact=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_texts_that_are_numbered_give_the_same(case: Path) -> None:
    wanted, given = BY_NAME[case.parent.name], told(case)
    frames = [name for name, value in given.items() if isinstance(value, pd.DataFrame)]
    together = dict(zip(frames, coded(*(given[name] for name in frames)), strict=True))
    alone = {name: coded(given[name])[0] for name in frames}
    for numbered in (together, alone):
        pd.testing.assert_frame_equal(wanted.run(**given | numbered), wanted.run(**given), check_exact=True)


@pytest.mark.parametrize("name", BY_NAME)
def test_nothing_gives_an_empty_table_with_the_same_columns_and_types(name: str) -> None:
    wanted = BY_NAME[name]
    given = told(next(case for case in CASES if case.parent.name == name))
    full = wanted.run(**given)
    nothing = {each: value.iloc[:0] if isinstance(value, pd.DataFrame) else value for each, value in given.items()}
    found = wanted.run(**nothing)
    assert found.empty
    assert list(found.columns) == list(full.columns)
    assert table(found, wanted.columns(found)).rows == []
    bare = {each: empty(wanted.takes[each]) for each in wanted.takes}
    if "by" not in signature(wanted.aggregate).parameters:
        assert wanted.run(**{**given, **bare}).empty


@pytest.mark.parametrize("name", BY_NAME)
def test_a_result_becomes_a_table_of_plain_values(name: str) -> None:
    wanted = BY_NAME[name]
    found = wanted.run(**told(next(case for case in CASES if case.parent.name == name)))
    made = table(found, wanted.columns(found))
    assert len(made.rows) == len(found) > 0
    kinds = {"count": int, "id": int, "flag": bool, "text": str, "number": float, "share": float, "change": float}
    for row in made.rows:
        for column, value in zip(made.columns, row, strict=True):
            assert value is None or isinstance(value, kinds.get(column.kind, str)), (column.name, value)


def test_the_list_of_aggregations_is_the_files_and_the_folders_of_cases() -> None:
    folder = Path(reports.aggregations.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert set(BY_NAME) == files == {path.name for path in FOLDER.iterdir() if path.is_dir()}
    assert len(BY_NAME) == len(AGGREGATIONS)
    assert all(aggregation(name).name == name for name in BY_NAME)


@pytest.mark.parametrize("wanted", AGGREGATIONS, ids=lambda wanted: wanted.name)
def test_each_column_is_described_and_told_by_a_case(wanted: Aggregation) -> None:
    names = [column.name for column in wanted.gives]
    assert len(set(names)) == len(names)
    assert all(column.description.endswith(".") and column.title for column in wanted.gives)
    assert wanted.sentence.endswith(".")
    cases = [case for case in CASES if case.parent.name == wanted.name]
    shown = {name for case in cases for name in expected(case, wanted).columns}
    assert set(names) - set(wanted.some_of) <= shown


def test_a_frame_without_a_declared_column_and_a_word_that_is_no_grouping_are_refused() -> None:
    counts = empty(COUNTS)
    with pytest.raises(MissingColumn, match="by_project was given now without project"):
        aggregation("by_project").run(now=counts.drop(columns="project"), before=counts, hours=1)
    with pytest.raises(ReportsError, match="comma separated list of project, level"):
        aggregation("frequency").run(now=counts, before=counts, hours=1, by="project,server")
