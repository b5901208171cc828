"""
The views analysts are promised: schema `analytics`, nothing but views, and one aggregate to count users with.

Each is declared once, in a file of its own; the database's comments, `analytics.data_dictionary`, the docs and the dbt
sources are made from it. Columns are only ever appended; anything else is a new `…_v2` view.

They are plain views that run as their owner, and every table they reach that grows with events has project_id first:
row-level security by project rests on both. What they count is live: rollups and the deltas that are not folded yet.
"""

from typing import TYPE_CHECKING, Any

from models.views.catalog import DATA_DICTIONARY, SCHEMA_VERSION
from models.views.culprits import CULPRITS_DAILY, USERS_AFFECTED_DAILY
from models.views.errors import DAILY, HOURLY
from models.views.events import EVENTS
from models.views.issues import ISSUES
from models.views.issues_daily import ISSUES_DAILY
from models.views.issues_hourly import ISSUES_HOURLY
from models.views.loading import LOADS_DAILY, SET_ASIDE_DAILY
from models.views.names import NAMES
from models.views.parts import PARTS
from models.views.quality import DATA_QUALITY
from models.views.releases import RELEASES
from models.views.report_runs import REPORT_RUNS
from models.views.stacks import STACK_FRAMES
from models.views.view import Column, View

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from models.views.put import USERS_SAID, columns_of

__all__ = ["EVENTS", "USERS_SAID", "VIEWS", "Column", "View", "apply", "columns_of"]

VIEWS: tuple[View, ...] = (
    EVENTS,
    ISSUES,
    ISSUES_DAILY,
    ISSUES_HOURLY,
    HOURLY,
    DAILY,
    CULPRITS_DAILY,
    RELEASES,
    USERS_AFFECTED_DAILY,
    NAMES,
    *PARTS,
    STACK_FRAMES,
    REPORT_RUNS,
    DATA_QUALITY,
    LOADS_DAILY,
    SET_ASIDE_DAILY,
    DATA_DICTIONARY,
    SCHEMA_VERSION,
)


def apply(connection: "Connection") -> None:
    """Make or replace every view, with its comments; does nothing where they are as they should be."""
    from models.views.put import put  # noqa: PLC0415 - SQLAlchemy, which those that only read views do not need

    put(connection, VIEWS)


def __getattr__(name: str) -> Any:
    if name not in {"USERS_SAID", "columns_of"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from models.views import put  # noqa: PLC0415 - see above

    return getattr(put, name)
