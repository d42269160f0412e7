"""The asset register of roadside equipment: lifecycle, health history, availability, work list."""

from gateway.transport.assets.policy import ASSETS_DOMAIN, ASSETS_POLICY, AssetPolicy
from gateway.transport.assets.register import (
    Service,
    Stage,
    Trouble,
    WorkItem,
    in_service,
    service,
    stage,
    work_list,
)
from gateway.transport.assets.report import day_lines, troubles_of, work_line

__all__ = [
    "ASSETS_DOMAIN",
    "ASSETS_POLICY",
    "AssetPolicy",
    "Service",
    "Stage",
    "Trouble",
    "WorkItem",
    "day_lines",
    "in_service",
    "service",
    "stage",
    "troubles_of",
    "work_line",
    "work_list",
]
