"""Detector health: who is believed, from the first row on, and why not.

``judge`` tests every interval of all detectors, ``weigh`` every quarter of an hour what they count
against what passes their neighbours, ``day_status`` the whole day as PeMS does; ``root_cause`` says
of a silent one whether its power, its link or itself is gone. ``learn`` gathers what is usual.
"""

from gateway.transport.health.balance import BalanceState, Off, new_balance, weigh
from gateway.transport.health.cause import (
    Cause,
    Causes,
    Feeds,
    Roadside,
    Silences,
    root_cause,
)
from gateway.transport.health.daily import DayStatus, DayTally, Tree, day_status, day_tally
from gateway.transport.health.faults import (
    ALARM_KIND,
    NOT_FAULTS,
    REASON,
    SEVERITY,
    Change,
    Fault,
)
from gateway.transport.health.policy import HEALTH_DOMAIN, HEALTH_POLICY, HealthPolicy
from gateway.transport.health.realtime import (
    Judged,
    Knowledge,
    RealtimeState,
    judge,
    new_state,
)
from gateway.transport.health.usual import (
    QUARTER_MS,
    Quarters,
    Usual,
    learn,
    nothing_usual,
    quarters,
    rates,
    ratios,
    shares,
)

__all__ = [
    "ALARM_KIND",
    "HEALTH_DOMAIN",
    "HEALTH_POLICY",
    "NOT_FAULTS",
    "QUARTER_MS",
    "REASON",
    "SEVERITY",
    "BalanceState",
    "Cause",
    "Causes",
    "Change",
    "DayStatus",
    "DayTally",
    "Fault",
    "Feeds",
    "HealthPolicy",
    "Judged",
    "Knowledge",
    "Off",
    "Quarters",
    "RealtimeState",
    "Roadside",
    "Silences",
    "Tree",
    "Usual",
    "day_status",
    "day_tally",
    "judge",
    "learn",
    "new_balance",
    "new_state",
    "nothing_usual",
    "quarters",
    "rates",
    "ratios",
    "root_cause",
    "shares",
    "weigh",
]
