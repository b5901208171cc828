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


class Groups(NamedTuple):
    """`names`: one row per group, ascending; `numbers`: for each frame, the group of each of its rows."""

    names: pd.DataFrame
    numbers: tuple[Ints, ...]


def grouped(by: Sequence[str], *frames: pd.DataFrame) -> Groups:
    """Group the rows of frames by columns that all of them have; a missing text is ""."""
    key, columns = np.zeros(sum(len(frame) for frame in frames), dtype=np.int64), {}
    for name in by:
        whole = _joined([frame[name] for frame in frames])
        codes, values = pd.factorize(whole)
        order = np.asarray(values.argsort(), dtype=np.int64)
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        columns[name] = whole
        # numbered anew each time, so that the key never outgrows 63 bits
        key = np.unique(key * max(len(order), 1) + place[codes], return_inverse=True)[1].astype(np.int64)
    count = int(key.max()) + 1 if len(key) else 0
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
    return _instants(instants.groupby(numbers).min(), count)


def latest(numbers: Ints, instants: pd.Series, count: int) -> pd.Series:
    """Give the latest instant of each group; NaT for none."""
    return _instants(instants.groupby(numbers).max(), count)


def ranked(frame: pd.DataFrame, values: Any) -> pd.DataFrame:
    """Order rows by numbers, largest first, NaN last; rows that are equal stay in their order."""
    key = -np.asarray(values, dtype=np.float64)
    return frame.iloc[np.argsort(key, kind="stable")].reset_index(drop=True)


def described(frame: pd.DataFrame, issues: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Add columns of the issues to rows that have `project` and `issue_id`; text is "" where an issue is not known."""
    keys = ["project", "issue_id"]
    wanted = issues.loc[issues["issue_id"].isin(frame["issue_id"].unique()), [*keys, *columns]].drop_duplicates(keys)
    made = frame.merge(wanted, on=keys, how="left", sort=False)
    for name in columns:
        if made[name].dtype == "str" or made[name].dtype == object:
            made[name] = made[name].astype("str").fillna("")
    return made


def _joined(columns: list[pd.Series]) -> pd.Series:
    whole = pd.concat(columns, ignore_index=True) if len(columns) > 1 else columns[0].reset_index(drop=True)
    return whole.fillna("") if whole.dtype == "str" else whole


def _instants(found: pd.Series, count: int) -> pd.Series:
    return found.reindex(np.arange(count)).reset_index(drop=True).astype("datetime64[us, UTC]")
