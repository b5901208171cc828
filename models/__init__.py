"""
What is stored, where it is, and how to reach it. Imports no other room.

The tables are imported when the first of them is asked for: a report reads views alone, and has begun before SQLAlchemy
would have been imported.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.alert_rule import ALERT_FEED, AlertCount, AlertRule, AlertState
    from models.base import Base
    from models.bookkeeping import (
        AnalystProject,
        Erasure,
        LoadTally,
        PayloadDictionary,
        Removal,
        SetAside,
        SpoolPosition,
    )
    from models.console_user import ConsoleSession, ConsoleUser
    from models.dimensions import (
        DIMENSIONS,
        DimClient,
        DimCulprit,
        DimEnvironment,
        DimException,
        DimGroup,
        DimLogger,
        DimRelease,
        DimServer,
        DimStack,
        DimTransaction,
        DimUser,
    )
    from models.event import EventOddTime, EventPayload, EventSource, FactEvent
    from models.issue import DimIssue, IssueChange
    from models.outbox import Delivery, Outbox, ScriptRun, Ticket
    from models.project import DimProject, Hook, ProjectKey
    from models.report_artifact import ReportArtifact
    from models.report_run import ReportRun
    from models.report_schedule import ReportSchedule
    from models.rollup import (
        ROLLUP_DELTA,
        RebuildDue,
        RollupDay,
        RollupDayCulprit,
        RollupDayUser,
        RollupGroup,
        RollupHour,
        RollupHourGroup,
        RollupRelease,
    )
    from models.target import Target, TargetState

TABLES = (
    "alert_rule",
    "base",
    "bookkeeping",
    "console_user",
    "dimensions",
    "event",
    "issue",
    "outbox",
    "project",
    "report_artifact",
    "report_run",
    "report_schedule",
    "rollup",
    "target",
)
"""The files that define tables; `Base` knows all of them as soon as it is taken from here."""

__all__ = [
    "ALERT_FEED",
    "DIMENSIONS",
    "ROLLUP_DELTA",
    "AlertCount",
    "AlertRule",
    "AlertState",
    "AnalystProject",
    "Base",
    "ConsoleSession",
    "ConsoleUser",
    "Delivery",
    "DimClient",
    "DimCulprit",
    "DimEnvironment",
    "DimException",
    "DimGroup",
    "DimIssue",
    "DimLogger",
    "DimProject",
    "DimRelease",
    "DimServer",
    "DimStack",
    "DimTransaction",
    "DimUser",
    "Erasure",
    "EventOddTime",
    "EventPayload",
    "EventSource",
    "FactEvent",
    "Hook",
    "IssueChange",
    "LoadTally",
    "Outbox",
    "PayloadDictionary",
    "ProjectKey",
    "RebuildDue",
    "Removal",
    "ReportArtifact",
    "ReportRun",
    "ReportSchedule",
    "RollupDay",
    "RollupDayCulprit",
    "RollupDayUser",
    "RollupGroup",
    "RollupHour",
    "RollupHourGroup",
    "RollupRelease",
    "ScriptRun",
    "SetAside",
    "SpoolPosition",
    "Target",
    "TargetState",
    "Ticket",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for each in TABLES:
        module = vars(import_module(f"models.{each}"))
        globals().update({word: module[word] for word in __all__ if word in module})
    return globals()[name]
