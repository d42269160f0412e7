"""Outages: who is without power since when, how far up the fault lies, and what is only a link.

``OutageWatch`` takes facts (last gasps, wills, readings …) and a topology and says which alarms
stand. What it says depends on the set of facts and on ``now`` alone, not on their order.
``interruptions`` and ``reliability`` make SAIDI, SAIFI, CAIDI and MAIFI of them.
"""

from gateway.energy.outage.facts import (
    EVENT_FACTS,
    NEVER_MS,
    FactKind,
    Facts,
    Role,
    Topology,
    facts_of_window,
)
from gateway.energy.outage.groups import Alarm, Cause, Level
from gateway.energy.outage.policy import OutagePolicy
from gateway.energy.outage.reliability import Interruption, Reliability, reliability
from gateway.energy.outage.watch import Change, OutageWatch, WatchState

__all__ = [
    "EVENT_FACTS",
    "NEVER_MS",
    "Alarm",
    "Cause",
    "Change",
    "FactKind",
    "Facts",
    "Interruption",
    "Level",
    "OutagePolicy",
    "OutageWatch",
    "Reliability",
    "Role",
    "Topology",
    "WatchState",
    "facts_of_window",
    "reliability",
]
