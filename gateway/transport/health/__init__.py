"""Detector health: who is believed, from the first row on, and why not.

``watch`` takes windows in and says what is wrong: ``judge`` tests every interval of all detectors,
``weigh`` every quarter of an hour what they count against what passes their neighbours, and
``learn`` gathers what is usual. ``day_status`` calls a day what PeMS would; ``root_cause`` says of
a silent detector whether its power, its link or itself is gone.
"""

from gateway.transport.health.balance import BalanceState, Off, new_balance, weigh
from gateway.transport.health.cause import (
    UNKNOWN,
    Cause,
    Causes,
    Feeds,
    Roadside,
    Silences,
    root_cause,
)
from gateway.transport.health.daily import (
    DayStatus,
    DayTally,
    Tree,
    day_status,
    day_tally,
    is_constant,
)
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
from gateway.transport.health.watch import Health, HealthState, new_health, watch

__all__ = [
    "ALARM_KIND",
    "HEALTH_DOMAIN",
    "HEALTH_POLICY",
    "NOT_FAULTS",
    "QUARTER_MS",
    "REASON",
    "SEVERITY",
    "UNKNOWN",
    "BalanceState",
    "Cause",
    "Causes",
    "Change",
    "DayStatus",
    "DayTally",
    "Fault",
    "Feeds",
    "Health",
    "HealthPolicy",
    "HealthState",
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
    "is_constant",
    "judge",
    "learn",
    "new_balance",
    "new_health",
    "new_state",
    "nothing_usual",
    "quarters",
    "rates",
    "ratios",
    "root_cause",
    "shares",
    "watch",
    "weigh",
]
