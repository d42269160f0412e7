"""What is known of devices: facts as columns, and how the devices hang on the grid."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from gateway.energy.series import Window
from gateway.model import BoolArray, FloatArray, IntArray

NEVER_MS = 1 << 62
_POWER_DOWN = 128  # bit of the AMR status byte


class FactKind(IntEnum):
    """What was heard of a device."""

    READING = 0  # taken at ``time_ms``; status bit POWER_DOWN and a dead phase are seen in it
    LAST_GASP = 1
    POWER_FAILED = 2
    POWER_RETURNED = 3
    PHASE_OUT = 4
    PHASE_BACK = 5
    LOST = 6  # the broker sent its will
    ONLINE = 7  # it sent its birth


# event code of the meter world → what it means here
EVENT_FACTS = {
    99: FactKind.LAST_GASP,
    1: FactKind.POWER_FAILED,
    2: FactKind.POWER_RETURNED,
    **dict.fromkeys((86, 87, 88), FactKind.PHASE_OUT),
    **dict.fromkeys((90, 91, 92), FactKind.PHASE_BACK),
}


class Role(IntEnum):
    """What a watched device is."""

    CUSTOMER = 0  # a meter; it alone counts in SAIDI
    INSTRUMENT = 1  # the meter of a transformer or a feeder
    CABINET = 2  # a detector that lives from a roadside cabinet: evidence, and never an alarm
    UPLINK = 3  # a concentrator: devices reach us through it
    CHECK = 4  # a second meter at a customer's point: its word is heard, it counts as nobody


class Facts(NamedTuple):
    """Facts in any order; repeated ones do no harm."""

    row: IntArray  # of the topology's tables
    kind: IntArray  # FactKind
    time_ms: IntArray  # when it happened, not when it came
    voltage_pu: FloatArray  # readings: of the lowest phase; NaN where unknown
    status: IntArray  # readings: AMR status byte
    is_backlog: BoolArray  # readings: was stored first, so says nothing of the link

    @classmethod
    def of(cls, row: int, kind: FactKind, time_ms: int) -> "Facts":
        """Return one fact that is no reading."""
        return cls(
            np.array([row]),
            np.array([int(kind)]),
            np.array([time_ms]),
            np.array([np.nan]),
            np.zeros(1, np.int64),
            np.zeros(1, np.bool_),
        )

    def take(self, chosen: BoolArray) -> "Facts":
        """Return some of them."""
        row, kind, time_ms, voltage_pu, status, is_backlog = self
        moments = (row[chosen], kind[chosen], time_ms[chosen])
        return Facts(*moments, voltage_pu[chosen], status[chosen], is_backlog[chosen])

    @classmethod
    def joined(cls, parts: "list[Facts]") -> "Facts":
        """Return the facts of all parts."""
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class Topology(NamedTuple):
    """The watched devices, row by row, and what is above them; −1 = unknown or none."""

    device_index: IntArray
    role: IntArray  # Role
    transformer: IntArray
    uplink: IntArray  # the concentrator, operator or line by which its words come
    interval_ms: IntArray  # between its readings
    can_gasp: BoolArray  # has the energy for a last word
    feeder_of: IntArray  # of each transformer
    substation_of: IntArray  # of each feeder
    cabinet: IntArray | None = None  # of each detector; None: each has its own
    fed_feeder: IntArray | None = None  # … where only the feeder of its cabinet is known
    absences: Mapping[int, Sequence[tuple[int, int]]] | None = None  # by row: there was no meter

    def feeder(self, row: int) -> int:
        """Return the feeder of a device."""
        transformer = int(self.transformer[row])
        return int(self.feeder_of[transformer]) if transformer >= 0 else -1

    def feeders(self) -> IntArray:
        """Return the feeder of each device."""
        above = np.append(self.feeder_of, -1)[self.transformer]
        return above if self.fed_feeder is None else np.maximum(above, self.fed_feeder)


def facts_of_window(
    window: Window, row: IntArray, nominal_v: FloatArray, is_backlog: BoolArray | None = None
) -> Facts:
    """Return the readings of a window as facts.

    Args:
        window: its marks that are present become readings.
        row: of each of its meters in the topology.
        nominal_v: of each of its meters, phase to neutral.
        is_backlog: (meters, marks); None = all came live.
    """
    meter, mark = np.nonzero(window.is_present())
    volts = window.voltage_v[meter, mark]
    if window.phases is not None:
        three = window.phases.voltage_v[:, meter, mark]
        volts = np.fmin(volts, np.fmin(np.fmin(three[0], three[1]), three[2]))
    backlog = np.zeros(meter.size, np.bool_) if is_backlog is None else is_backlog[meter, mark]
    return Facts(
        row[meter],
        np.full(meter.size, int(FactKind.READING)),
        window.mark_ms()[mark],
        volts / nominal_v[meter],
        window.status[meter, mark],
        backlog,
    )


def is_power_down(status: IntArray) -> BoolArray:
    """Return which status bytes say that the power failed in the interval."""
    down: BoolArray = (status & _POWER_DOWN) != 0
    return down
