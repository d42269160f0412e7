"""What can be wrong with a detector, and how it is said."""

from enum import IntEnum
from typing import NamedTuple

from gateway.model import Reason


class Fault(IntEnum):
    """Tests in the order of the rows of every state; a number never changes its meaning."""

    NO_DATA = 0  # says nothing
    LOCKED_ON = 1  # full occupancy
    CHATTER = 2  # more than a lane carries
    NO_HITS = 3  # counts nobody where there is traffic
    NO_CHANGE = 4  # the same row again and again
    OCCUPANCY_SPIKE = 5
    IMPOSSIBLE = 6  # a speed of nobody, vehicles that cover nothing
    HANGING = 7  # covered now and then, and counts nobody
    OVER_COUNT = 8
    UNDER_COUNT = 9
    CROSS_TALK = 10  # hears the next lane too
    LANE_UNUSED = 11  # no fault: nobody drives there, the other lanes carry its share


NOT_FAULTS = frozenset({Fault.LANE_UNUSED})
ALARM_KIND = {fault: f"detector_{fault.name.lower()}" for fault in Fault if fault not in NOT_FAULTS}
ALARM_KIND[Fault.LANE_UNUSED] = "lane_unused"
# 1 note, 2 warning: a detector is never more than the warning that we are half blind
SEVERITY = {fault: 1 if fault in NOT_FAULTS else 2 for fault in Fault}
# What a row is marked with while the fault stands.
REASON = {
    Fault.NO_DATA: Reason.D1_NO_DATA,
    Fault.LOCKED_ON: Reason.D4_HIGH_VALUE,
    Fault.CHATTER: Reason.D4_HIGH_VALUE,
    Fault.NO_HITS: Reason.D3_CARD_OFF,
    Fault.NO_CHANGE: Reason.D6_CONSTANT,
    Fault.OCCUPANCY_SPIKE: Reason.D5_INTERMITTENT,
    Fault.IMPOSSIBLE: Reason.D5_INTERMITTENT,
    Fault.HANGING: Reason.D5_INTERMITTENT,
    Fault.OVER_COUNT: Reason.D7_FLOW_CONSERVATION,
    Fault.UNDER_COUNT: Reason.D7_FLOW_CONSERVATION,
    Fault.CROSS_TALK: Reason.D8_LANE_SHARE,
    Fault.LANE_UNUSED: Reason(0),
}


class Change(NamedTuple):
    """A fault that began or ended; (fault, lane, since_ms) is its identity."""

    fault: Fault
    lane: int  # row of the road's tables
    since_ms: int  # when what it tells of began
    found_ms: int  # the end of the interval that showed it
    cleared_ms: int  # 0 while it lasts
    value: float  # the number behind it: seconds, rows, missed vehicles, factor
