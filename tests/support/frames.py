"""Frames written down as CSV, as aggregations declare them; a column that a case does not tell has its default."""

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from reports.aggregation import INSTANT, Aggregation, empty

INSTANT_TOLD = re.compile(r"\d{4}-\d\d-\d\dT[\d:]+Z")
DEFAULTS = {"users": "1", "unhandled_events": "0", "level": "error"}
BY_DTYPE = {"str": "", "int64": "0", "float64": "0", INSTANT: "2026-11-16T00:00:00Z", "object": "2026-11-16"}
KINDS = {"text": "str", "count": "Int64", "id": "int64", "instant": INSTANT, "day": "object", "flag": "bool"}


def raw(path: Path) -> pd.DataFrame:
    """Read a table of words."""
    return pd.read_csv(path, dtype="str", keep_default_na=False)


def typed(told: pd.Series, dtype: str) -> pd.Series:
    """Give words as what they stand for; an empty one is missing, or an empty text."""
    if dtype == "str":
        return told.astype("str")
    if dtype == INSTANT:
        return pd.to_datetime(told.where(told != ""), utc=True, format="ISO8601").astype(INSTANT)
    if dtype == "object":
        return pd.Series([date.fromisoformat(each) for each in told], dtype="object")
    if dtype == "bool":
        return told == "true"
    return pd.to_numeric(told.where(told != "")).astype(dtype)


def frame(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """Read a frame of these columns."""
    told = raw(path)
    assert set(told.columns) <= set(columns), f"{path} tells columns that nobody declares"
    if told.empty:
        return empty(columns)
    if "weighted_events" in columns and "weighted_events" not in told:
        told["weighted_events"] = told["events"]
    if "last_seen_at" in columns and "first_seen_at" in told and "last_seen_at" not in told:
        told["last_seen_at"] = told["first_seen_at"]
    for name, dtype in columns.items():
        if name not in told:
            told[name] = "" if name == "resolved_at" else DEFAULTS.get(name, BY_DTYPE[dtype])
    if "last_seen_at" in columns and "first_seen_at" in columns:
        told["last_seen_at"] = told[["first_seen_at", "last_seen_at"]].max(axis=1)
    return pd.DataFrame({name: typed(told[name], columns[name]) for name in told.columns})


def params(case: Path) -> dict[str, Any]:
    """Read what a case tells beside its frames."""
    told = json.loads((case / "params.json").read_text())
    assert told["why"], "the working is written down"
    return {
        name: datetime.fromisoformat(value) if isinstance(value, str) and INSTANT_TOLD.fullmatch(value) else value
        for name, value in told["told"].items()
    }


def expected(case: Path, aggregation: Aggregation) -> pd.DataFrame:
    """Read the result that was worked out."""
    told = raw(case / "expect.csv")
    kinds = {column.name: KINDS.get(column.kind, "float64") for column in aggregation.gives}
    return pd.DataFrame({name: typed(told[name], kinds[name]) for name in told.columns})
