"""What is stored, where it is, and how to reach it. Imports no other room."""

from models.alert_rule import ALERT_FEED, AlertCount, AlertRule, AlertState
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
