"""What is stored, where it is, and how to reach it. Imports no other room."""

from models.base import Base
from models.bookkeeping import LoadTally, SetAside, SpoolPosition
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
from models.project import DimProject, Hook, ProjectKey

__all__ = [
    "DIMENSIONS",
    "Base",
    "DimClient",
    "DimCulprit",
    "DimEnvironment",
    "DimException",
    "DimGroup",
    "DimLogger",
    "DimProject",
    "DimRelease",
    "DimServer",
    "DimStack",
    "DimTransaction",
    "DimUser",
    "EventOddTime",
    "EventPayload",
    "FactEvent",
    "Hook",
    "LoadTally",
    "ProjectKey",
    "SetAside",
    "SpoolPosition",
]
