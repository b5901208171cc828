"""The declarative base, the schemas, and the column types that every table shares."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from sqlalchemy import BigInteger, DateTime, MetaData, Text
from sqlalchemy.orm import DeclarativeBase, mapped_column

WAREHOUSE = "warehouse"
ANALYTICS = "analytics"
VERSION_TABLE = "errhouse_schema_version"  # in schema public

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "pk": "pk_%(table_name)s",
}

PROJECT_ID = "Sentry's numeric id of the project; first in every key, so that rows of one project lie together."

Instant = Annotated[datetime, mapped_column(DateTime(timezone=True))]
"""An instant: timestamptz, always read and written in UTC."""

Key = Annotated[int, mapped_column(BigInteger, autoincrement=False)]
"""A hash key into a dimension, or Sentry's own number; never a sequence, so that every replica makes the same one."""


class Base(DeclarativeBase):
    """Every table of the warehouse lives in schema `warehouse`; analysts are given views in `analytics` instead."""

    metadata = MetaData(schema=WAREHOUSE, naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {str: Text, datetime: DateTime(timezone=True)}


def described(comment: str, **more: object) -> dict[str, object]:
    """Give a table its comment, and what else PostgreSQL needs to know of it."""
    return {"comment": comment, **more}
