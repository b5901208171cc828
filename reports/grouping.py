"""
Rows put into groups, quickly and in one order: groups are numbered by their names, ascending (pure).

So whatever is sorted by a number with a stable sort has its ties by name, however the rows came. Names are numbered
once (`coded`), grouped by these numbers, and told of those groups alone that are shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Ints = NDArray[np.int64]

NEVER = np.iinfo(np.int64).max
NONE = np.iinfo(np.int64).min
"""No instant, as numpy writes it."""
MOST_KEYS = 1 << 62
FEW_KEYS = 1 << 18
"""Up to so many it is quicker to look at all keys that could be than to find those there are."""
MICROSECOND = timedelta(microseconds=1)
INSTANT = pd.DatetimeTZDtype("us", "UTC")


class Coded(NamedTuple):
    """Names by number: `values` are distinct and ascending, `codes` says which of them each row has."""

    codes: Ints
    values: Any


@dataclass(frozen=True)
class Groups:
    """`numbers`: for each frame, the group of each of its rows; `count`: how many groups there are."""

    numbers: tuple[Ints, ...]
    count: int
    by: Mapping[str, Coded]

    @cached_property
    def names(self) -> pd.DataFrame:
        """Return one row of names per group, ascending."""
        return pd.DataFrame(self.told(np.arange(self.count)))

    def told(self, places: Any) -> dict[str, Any]:
        """Give the names of some groups, in the order of `places`: an array for each column."""
        return {name: values.take(codes[places]) for name, (codes, values) in self.by.items()}

    def within(self, by: Sequence[str]) -> "Groups":
        """Group these groups by some of their names."""
        return _grouped({name: self.by[name] for name in by}, [self.count])


def grouped(by: Sequence[str], *frames: pd.DataFrame) -> Groups:
    """Group the rows of frames by columns that all of them have; a missing text is ""."""
    return _grouped({name: _coded([frame[name] for frame in frames]) for name in by}, [len(frame) for frame in frames])


def coded(*frames: pd.DataFrame) -> tuple[pd.DataFrame, ...]:
    """Give frames with their texts as categories, the same in all frames: `grouped` has nothing left to compare."""
    names = dict.fromkeys(name for frame in frames for name, dtype in frame.dtypes.items() if dtype == "str")
    made = [dict[str, pd.Series]() for _ in frames]
    for name in names:
        having = [number for number, frame in enumerate(frames) if name in frame]
        codes, values = _coded([frames[number][name] for number in having])
        dtype = pd.CategoricalDtype(values)
        ends = np.cumsum([len(frames[number]) for number in having])[:-1]
        for number, each in zip(having, np.split(codes, ends), strict=True):
            texts = pd.Categorical.from_codes(each, dtype=dtype, validate=False)
            made[number][name] = pd.Series(texts, index=frames[number].index)
    return tuple(frame.assign(**texts) for frame, texts in zip(frames, made, strict=True))


def summed(numbers: Ints, values: Any, count: int) -> Ints:
    """Give the sum of whole numbers for each of `count` groups."""
    return np.rint(np.bincount(numbers, weights=np.asarray(values), minlength=count)).astype(np.int64)


def weighed(numbers: Ints, values: Any, count: int) -> NDArray[np.float64]:
    """Give the sum of numbers for each group, to a thousandth, so that it is the same in whatever order they came."""
    return np.asarray(np.round(np.bincount(numbers, weights=np.asarray(values), minlength=count), 3), dtype=np.float64)


def earliest(numbers: Ints, instants: pd.Series, count: int) -> pd.Series:
    """Give the earliest instant of each group; NaT for none."""
    found = first_of(numbers, instants, count)
    return as_instants(found, found == NEVER)


def latest(numbers: Ints, instants: pd.Series, count: int) -> pd.Series:
    """Give the latest instant of each group; NaT for none."""
    found = last_of(numbers, instants, count)
    return as_instants(found, found == -NEVER)


def first_of(numbers: Ints, instants: pd.Series, count: int) -> Ints:
    """Give the earliest instant of each group in microseconds; NEVER for none."""
    found, at = np.full(count, NEVER), microseconds(instants)
    np.minimum.at(found, numbers, np.where(at == NONE, NEVER, at))
    return found


def last_of(numbers: Ints, instants: pd.Series, count: int) -> Ints:
    """Give the latest instant of each group in microseconds; -NEVER for none."""
    found = np.full(count, -NEVER)
    np.maximum.at(found, numbers, microseconds(instants))
    return found


def ranked(frame: pd.DataFrame, values: Any) -> pd.DataFrame:
    """Order rows by numbers, largest first, NaN last; rows that are equal stay in their order."""
    return frame.iloc[ranking(values)].reset_index(drop=True)


def ranking(values: Any) -> NDArray[np.intp]:
    """Give the places of numbers in the order of `ranked`."""
    return np.argsort(-np.asarray(values, dtype=np.float64), kind="stable")


def matches(by: Sequence[str], frame: pd.DataFrame, other: pd.DataFrame) -> Ints:
    """Give for each row of a frame the place of the first row of another that has the same names; -1 for none."""
    here, there = _keys(by, frame), _keys(by, other)
    places = dict(zip(reversed(there), range(len(there) - 1, -1, -1), strict=True))
    return np.array([places.get(key, -1) for key in here], dtype=np.int64)


def described(frame: pd.DataFrame, issues: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Add columns of the issues to rows that have `project` and `issue_id`; text is "" where an issue is not known."""
    places = issue_places(frame, issues)
    return frame.reset_index(drop=True).assign(**{name: taken(issues[name], places) for name in columns})


def issue_places(frame: pd.DataFrame, issues: pd.DataFrame) -> Ints:
    """Give the places among issues of rows that have `project` and `issue_id`; -1 for one that is not known."""
    known = np.flatnonzero(issues["issue_id"].isin(frame["issue_id"].to_numpy()).to_numpy())
    keys = ["project", "issue_id"]
    return np.append(known, -1)[matches(keys, frame, issues[keys].take(known))]


def taken(column: pd.Series, places: Ints) -> pd.Series:
    """Give the values at places of a column, for -1 none: text is ""."""
    found = pd.Series(column.array.take(places, allow_fill=True))
    if found.dtype == object or isinstance(found.dtype, pd.CategoricalDtype):
        found = found.astype("str")
    return found.fillna("") if found.dtype == "str" else found


def microseconds(instants: pd.Series) -> Ints:
    """Give instants as microseconds since 1970; NONE for none."""
    made: Ints = instants.to_numpy("datetime64[us]").view(np.int64)
    return made


def as_instants(microseconds: Ints, is_none: NDArray[np.bool_]) -> pd.Series:
    """Give microseconds since 1970 as instants; NaT where there is none."""
    found = microseconds.astype("datetime64[us]")
    found[is_none] = np.datetime64("NaT")
    return pd.Series(found, dtype=INSTANT)


def _keys(by: Sequence[str], frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    columns = [frame[name] for name in by]
    return list(zip(*((each.fillna("") if each.dtype == "str" else each).tolist() for each in columns), strict=True))


def _grouped(columns: Mapping[str, Coded], sizes: Sequence[int]) -> Groups:
    key, size = np.zeros(sum(sizes), dtype=np.int64), 1
    for codes, values in columns.values():
        if size * len(values) > MOST_KEYS:
            key, size = _numbered(key, size)
        key, size = key * len(values) + codes, size * len(values)
    key, count = _numbered(key, size)
    first = np.zeros(count, dtype=np.int64)
    first[key[::-1]] = np.arange(len(key) - 1, -1, -1)
    by = {name: Coded(codes[first], values) for name, (codes, values) in columns.items()}
    return Groups(tuple(np.split(key, np.cumsum(sizes)[:-1])), count, by)


def _coded(columns: list[pd.Series]) -> Coded:
    """Give numbers to the values of columns, one column after the other."""
    columns = [each for each in columns if len(each)] or columns[:1]
    first = columns[0].dtype
    if isinstance(first, pd.CategoricalDtype) and all(each.dtype is first for each in columns):
        return Coded(np.concatenate([each.array.codes for each in columns]).astype(np.int64), first.categories.array)
    parts = [_distinct(each) for each in columns]
    codes, values = parts[0]
    if len(parts) > 1:
        every = [pd.Index(values) for _, values in parts]
        found, values = pd.factorize(_array(every[0].append(every[1:])))
        ends = np.cumsum([len(each) for each in every])[:-1]
        codes = np.concatenate([of[codes] for of, (codes, _) in zip(np.split(found, ends), parts, strict=True)])
    places, values = _places(values)
    return Coded(places[codes], values)


def _distinct(column: pd.Series) -> tuple[Ints, Any]:
    """Give distinct values in no order, and which of them each row has."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.array.codes, column.dtype.categories.array
    values = _array(column)
    codes, values = pd.factorize(values.fillna("") if column.dtype == "str" else values)
    return codes, values


def _array(column: "pd.Series | pd.Index") -> Any:
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array


def _places(values: Any) -> tuple[Ints, Any]:
    """Give each of distinct values its place in their order, and them in that order."""
    order = np.asarray(values.argsort(), dtype=np.int64)
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    return places, values.take(order)


def _numbered(keys: Ints, size: int) -> tuple[Ints, int]:
    """Give keys that are less than `size` new numbers, from 0 and in their order, without a gap; and how many."""
    if size <= FEW_KEYS:
        is_there = np.zeros(size, dtype=np.int32)
        is_there[keys] = 1
        numbers = np.cumsum(is_there, dtype=np.int32)
        return numbers[keys].astype(np.int64) - 1, int(numbers[-1]) if size else 0
    codes, values = pd.factorize(keys)
    return _places(values)[0][codes], len(values)
