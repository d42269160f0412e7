"""What the columns of a profile allow, precomputed; and the verdict on a register that fell."""

from typing import NamedTuple

import numpy as np

from gateway.model import FloatArray, IntArray, Reason
from gateway.profiles import Column, Kind, Profile
from gateway.units import UNITS

# V06: a register that stood in the last tenth and is now in the first has gone round.
ROLLOVER_FROM, ROLLOVER_TO = 0.9, 0.1
RESET_SHARE = 0.01  # below 1 % of what it was: the register was set to zero and counts again
CAPABILITY_MARGIN = 1.1  # V07
CAPABILITY_SLACK = 2.0  # last digits: a register is cut off, not rounded, at both ends
FLAT_LINE_RUN = 6  # V14, and the default window of pvanalytics' stale_values
UNLIMITED = 1e200  # finite, so that zero times it is zero
MS_PER_H = 3_600_000
# what a register of one quantity is the integral of, per hour
RATE_OF = {"energy": "power", "reactive_energy": "reactive_power", "volume": "flow_rate"}


class Rules(NamedTuple):
    """A profile as index arrays and limits, in scaled units."""

    is_series: bool
    is_sparse: bool
    registers: IntArray
    rollover: FloatArray  # of each register; inf where it has none
    rate_per_ms: FloatArray  # highest physical increase of each register; UNLIMITED where unknown
    gauges: IntArray
    idle: IntArray  # gauges and counts: zero where nothing flows

    @classmethod
    def of(cls, profile: Profile) -> "Rules":
        """Return the rules of a profile."""
        columns = profile.columns
        registers = [i for i, column in enumerate(columns) if column.kind is Kind.REGISTER]
        gauges = [
            i for i, column in enumerate(columns) if column.kind is Kind.GAUGE and not column.steady
        ]
        counts = [i for i, column in enumerate(columns) if column.kind is Kind.COUNT]
        return cls(
            profile.shape == "series",
            profile.sparse,
            np.array(registers, np.int64),
            np.array([_rollover(columns[i]) for i in registers], np.float64),
            np.array([_rate_per_ms(profile, columns[i]) for i in registers], np.float64),
            np.array(gauges, np.int64),
            np.array(sorted(gauges + counts), np.int64),
        )


def verdict_on_fall(before: float, now: float, rollover: float, *, is_new_boot: bool) -> Reason:
    """Return why a register is lower than before; ``REGISTER_BACKWARDS`` is no good reason."""
    if before > ROLLOVER_FROM * rollover and now < ROLLOVER_TO * rollover:
        return Reason.ROLLOVER
    if now < RESET_SHARE * before or is_new_boot:
        return Reason.REGISTER_RESET
    return Reason.REGISTER_BACKWARDS


def _rollover(column: Column) -> float:
    return np.inf if column.rollover is None else column.rollover / column.scale


def _rate_per_ms(profile: Profile, register: Column) -> float:
    """Derive the fastest increase from the limits of a sibling column: power, flow or count."""
    quantity, factor = UNITS[register.unit]
    rates = [0.0]
    for column in profile.columns:
        of, column_factor = UNITS[column.unit]
        limit = max(abs(column.minimum), abs(column.maximum)) * column_factor / factor
        if column.kind is Kind.GAUGE and of == RATE_OF.get(quantity):
            rates.append(limit / MS_PER_H)
        elif column.kind is Kind.COUNT and of == quantity and profile.interval_s:
            rates.append(limit / (profile.interval_s * 1000))
    fastest = max(rates) * CAPABILITY_MARGIN / register.scale
    return fastest or UNLIMITED
