"""The twenty rules by number: which reason bit each sets, and what its finding asks for."""

from enum import StrEnum
from typing import NamedTuple

from gateway.model import Reason


class Severity(StrEnum):
    """What a finding asks for."""

    MARK = "mark"  # nothing: it is told
    DROP = "drop"  # counted, not kept
    QUARANTINE = "quarantine"  # no interval value
    ESTIMATE = "estimate"  # the ladder fills it
    HOLD = "hold"  # no bill before a person has looked
    REVIEW = "review"  # suspect: a person verifies or edits
    ALARM = "alarm"
    KEEP = "keep"  # true as it is
    TOPOLOGY = "topology"  # the registry may be wrong
    WORK_ORDER = "work_order"  # somebody must go there


class Rule(NamedTuple):
    """One rule."""

    number: str
    reason: Reason
    severity: Severity
    title: str


RULES = (
    Rule("V01", Reason.TIME_SYNC, Severity.MARK, "clock off by more than 5 s; 60 s ahead fails"),
    Rule("V02", Reason.DUPLICATE, Severity.DROP, "the same reading twice"),
    Rule("V03", Reason.INTERVAL_SIZE, Severity.QUARANTINE, "time beside the interval grid"),
    Rule("V04", Reason.GAP, Severity.ESTIMATE, "missing interval"),
    Rule("V05", Reason.CONFLICT, Severity.MARK, "same time, another value"),
    Rule("V06", Reason.REGISTER_BACKWARDS, Severity.MARK, "register fell without a reason"),
    Rule("V07", Reason.CAPABILITY, Severity.QUARANTINE, "more than the connection can carry"),
    Rule("V08", Reason.SUM_CHECK, Severity.HOLD, "intervals do not add up to the register"),
    Rule("V09", Reason.TOU_SUM, Severity.HOLD, "tariff registers do not add up to the total"),
    Rule("V10", Reason.SPIKE, Severity.REVIEW, "highest slot of a day far above the third"),
    Rule("V11", Reason.HIGH_LOW, Severity.REVIEW, "day far from the mean of four like it"),
    Rule("V12", Reason.ZERO, Severity.REVIEW, "no use for more than 24 h"),
    Rule("V13", Reason.INACTIVE_USE, Severity.ALARM, "use behind a disconnected meter"),
    Rule("V14", Reason.FLAT_LINE, Severity.REVIEW, "the same use six times and more"),
    Rule("V15", Reason.REVERSE, Severity.ALARM, "export of who is no prosumer"),
    Rule("V16", Reason.PHASE_CONSISTENCY, Severity.MARK, "phases, voltage and current disagree"),
    Rule("V17", Reason.POWER_FACTOR, Severity.QUARANTINE, "impossible power factor or var"),
    Rule("V18", Reason.OUTAGE_AGREE, Severity.KEEP, "zero during a power failure: a true zero"),
    Rule("V19", Reason.NEIGHBOUR_VOLTAGE, Severity.TOPOLOGY, "voltage unlike the neighbours'"),
    Rule("V20", Reason.PROLONGED_ESTIMATION, Severity.WORK_ORDER, "estimated for over three days"),
)
