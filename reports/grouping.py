"""
Rows put into groups, quickly and in one order: groups are numbered by their names, ascending (pure).

So whatever is sorted by a number with a stable sort has its ties by name, however the rows came.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Ints = NDArray[np.int64]

NEVER = np.iinfo(np.int64).max
MOST_KEYS = 1 << 62


class Groups(NamedTuple):
    """`names`: one row per group, ascending; `numbers`: for each frame, the group of each of its rows."""

    names: pd.DataFrame
    numbers: tuple[Ints, ...]


def grouped(by: Sequence[str], *frames: pd.DataFrame) -> Groups:
    """Group the rows of frames by columns that all of them have; a missing text is ""."""
    key, columns, size = np.zeros(sum(len(frame) for frame in frames), dtype=np.int64), {}, 1
    for name in by:
        whole = _joined([frame[name] for frame in frames])
        codes, values = pd.factorize(whole)
        columns[name] = whole
        if size * len(values) > MOST_KEYS:
            key, size = _numbered(key)
        key, size = key * len(values) + _places(values)[codes], size * len(values)
    key, count = _numbered(key)
    first = np.zeros(count, dtype=np.int64)
    first[key[::-1]] = np.arange(len(key) - 1, -1, -1)
    names = pd.DataFrame({name: column.take(first).reset_index(drop=True) for name, column in columns.items()})
    ends = np.cumsum([len(frame) for frame in frames])
    return Groups(names, tuple(np.split(key, ends[:-1])))


def summed(numbers: Ints, values: Any, count: int) -> Ints:
    """Give the sum of whole numbers for each of `count` groups."""
    return np.rint(np.bincount(numbers, weights=np.asarray(values), minlength=count)).astype(np.int64)


def weighed(numbers: Ints, values: Any, count: int) -> NDArray[np.float64]:
    """Give the sum of numbers for each group, to a thousandth, so that it is the same in whatever order they came."""
    return np.asarray(np.round(np.bincount(numbers, weights=np.asarray(values), minlength=count), 3), dtype=np.float64)


def earliest(numbers: Ints, instants: pd.Series, count: int) -> pd.Series:
    """Give the earliest instant of each group; NaT for none."""
    found = np.full(count, NEVER)
    told = instants.notna().to_numpy()
    np.minimum.at(found, numbers[told], microseconds(instants)[told])
    return _instants(found, found == NEVER)


def latest(numbers: Ints, instants: pd.Series, count: int) -> pd.Series:
    """Give the latest instant of each group; NaT for none."""
    found = np.full(count, -NEVER)
    told = instants.notna().to_numpy()
    np.maximum.at(found, numbers[told], microseconds(instants)[told])
    return _instants(found, found == -NEVER)


def ranked(frame: pd.DataFrame, values: Any) -> pd.DataFrame:
    """Order rows by numbers, largest first, NaN last; rows that are equal stay in their order."""
    return frame.iloc[ranking(values)].reset_index(drop=True)


def ranking(values: Any) -> NDArray[np.intp]:
    """Give the places of numbers in the order of `ranked`."""
    return np.argsort(-np.asarray(values, dtype=np.float64), kind="stable")


def described(frame: pd.DataFrame, issues: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Add columns of the issues to rows that have `project` and `issue_id`; text is "" where an issue is not known."""
    keys = ["project", "issue_id"]
    wanted = issues.loc[issues["issue_id"].isin(frame["issue_id"].unique()), [*keys, *columns]].drop_duplicates(keys)
    made = frame.merge(wanted, on=keys, how="left", sort=False)
    for name in columns:
        if made[name].dtype == "str" or made[name].dtype == object:
            made[name] = made[name].astype("str").fillna("")
    return made


def microseconds(instants: pd.Series) -> Ints:
    """Give instants as microseconds since 1970."""
    return np.asarray(instants.dt.as_unit("us").astype("int64"), dtype=np.int64)


def _places(values: Any) -> Ints:
    """Give each of distinct values its place in their order."""
    order = np.asarray(values.argsort(), dtype=np.int64)
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    return places


def _numbered(keys: Ints) -> tuple[Ints, int]:
    """Give keys new numbers, from 0 and in their order, without a gap; and how many there are."""
    codes, values = pd.factorize(keys)
    return _places(values)[codes], len(values)


def _joined(columns: list[pd.Series]) -> pd.Series:
    whole = pd.concat(columns, ignore_index=True) if len(columns) > 1 else columns[0].reset_index(drop=True)
    return whole.fillna("") if whole.dtype == "str" else whole


def _instants(microseconds: Ints, is_none: NDArray[np.bool_]) -> pd.Series:
    found = microseconds.astype("datetime64[us]")
    found[is_none] = np.datetime64("NaT")
    return pd.Series(found).dt.tz_localize("UTC")
