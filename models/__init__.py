"""What is stored, where it is, and how to reach it. Imports no other room."""

from models.base import Base
from models.bookkeeping import AnalystProject, Erasure, LoadTally, PayloadDictionary, Removal, SetAside, SpoolPosition
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
from models.event import EventOddTime, EventPayload, FactEvent
from models.issue import DimIssue, IssueChange
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

__all__ = [
    "DIMENSIONS",
    "ROLLUP_DELTA",
    "AnalystProject",
    "Base",
    "ConsoleSession",
    "ConsoleUser",
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
    "FactEvent",
    "Hook",
    "IssueChange",
    "LoadTally",
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
    "SetAside",
    "SpoolPosition",
]
