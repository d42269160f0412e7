"""Weighed vehicles: is the weighing sound, and does the vehicle carry more than it may."""

from enum import IntFlag
from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray, ReadingBatch
from gateway.profiles import Profile
from gateway.transport.columns import codes, column, rows_of
from gateway.transport.weigh.policy import WeighPolicy

AXLE_COLUMNS = 6  # loads beyond the sixth axle are in the gross weight only
_LONG = 5  # class code of semi-trailers


class Fault(IntFlag):
    """Why a weighing is not believed."""

    INCOMPLETE = 1  # no gross weight, or no number of axles
    AXLE_COUNT = 2  # as many loads as axles there are not
    AXLE_SUM = 4  # loads do not add up to the gross weight
    SPEED = 8  # too slow or too fast to weigh
    LIGHT_AXLE = 16  # half on the scale


class Severity:
    """Severities of an overload, as of alarms."""

    WARNING, SERIOUS, CRITICAL = 2, 3, 4


class Weighed(NamedTuple):
    """Weighed vehicles in order of time."""

    scale: IntArray  # row among the scales
    time_ms: IntArray
    gross_kg: FloatArray
    axles: IntArray  # 0 unknown
    axle_kg: FloatArray  # (vehicles, AXLE_COLUMNS), NaN beyond the last axle
    speed_kmh: FloatArray
    length_m: FloatArray
    kind: IntArray  # class code of the profile

    def take(self, chosen: BoolArray | IntArray) -> "Weighed":
        """Return some of them."""
        return Weighed._make(one[chosen] for one in self)


class Overload(NamedTuple):
    """A vehicle over its limit; the limit that it exceeds most counts."""

    vehicle: int  # place among the weighed
    what: str  # "gross" or "axle 1" …
    weighed_kg: float
    limit_kg: float
    severity: int

    @property
    def excess(self) -> float:
        """Return the share of the limit that it is over."""
        return self.weighed_kg / self.limit_kg - 1


def weighed(profile: Profile, batch: ReadingBatch, scales: IntArray) -> Weighed:
    """Return the weighings of these devices (ascending), those of others left out."""
    row = rows_of(batch.device_index, scales)
    loads = [column(profile, batch, f"axle{k + 1}_kg") for k in range(AXLE_COLUMNS)]
    found = Weighed(
        row,
        batch.time_ms,
        column(profile, batch, "gvw_kg"),
        codes(profile, batch, "axles"),
        np.column_stack(loads),
        column(profile, batch, "speed"),
        column(profile, batch, "length"),
        codes(profile, batch, "class"),
    )
    ours = np.flatnonzero(row >= 0)
    return found.take(ours[np.lexsort((batch.seq[ours], row[ours], batch.time_ms[ours]))])


def faults(vehicles: Weighed, policy: WeighPolicy) -> IntArray:
    """Return the ``Fault`` bits of each weighing, 0 where it is sound."""
    loads = np.isfinite(vehicles.axle_kg).sum(axis=1)
    total_kg = np.nansum(vehicles.axle_kg, axis=1)
    gross_kg = np.nan_to_num(vehicles.gross_kg)
    slowest, fastest = policy.speed_kmh
    all_seen = vehicles.axles <= AXLE_COLUMNS
    # with more axles than columns the loads seen are a part of the gross weight
    off_kg = np.where(all_seen, np.abs(total_kg - gross_kg), np.maximum(total_kg - gross_kg, 0))
    with np.errstate(invalid="ignore"):
        light = (vehicles.axle_kg < policy.min_axle_kg).any(axis=1)
        speed = (vehicles.speed_kmh < slowest) | (vehicles.speed_kmh > fastest)
    incomplete = ~(gross_kg > 0) | (vehicles.axles <= 0)
    bits: IntArray = np.where(incomplete, int(Fault.INCOMPLETE), 0)
    bits |= np.where(loads != np.minimum(vehicles.axles, AXLE_COLUMNS), int(Fault.AXLE_COUNT), 0)
    bits |= np.where(off_kg > policy.sum_share * gross_kg, int(Fault.AXLE_SUM), 0)
    bits |= np.where(speed, int(Fault.SPEED), 0)
    bits |= np.where(light, int(Fault.LIGHT_AXLE), 0)
    return bits


def overloads(vehicles: Weighed, policy: WeighPolicy) -> list[Overload]:
    """Return the vehicles over a limit by more than the scale may err, in order of time.

    Only sound weighings accuse anybody.
    """
    limit_kg = _gross_limits(vehicles, policy)
    limits = np.column_stack((limit_kg, np.full(vehicles.axle_kg.shape, policy.axle_kg)))
    loads = np.column_stack((vehicles.gross_kg, vehicles.axle_kg))
    ratio = np.nan_to_num(loads / limits)
    worst = np.argmax(ratio, axis=1) if ratio.size else np.empty(0, np.int64)
    most = ratio[np.arange(worst.size), worst]
    accused = (most > 1 + policy.tolerance) & (faults(vehicles, policy) == 0)
    return [
        Overload(
            int(k),
            "gross" if worst[k] == 0 else f"axle {worst[k]}",
            float(loads[k, worst[k]]),
            float(limits[k, worst[k]]),
            _severity(float(most[k]) - 1, policy),
        )
        for k in np.flatnonzero(accused)
    ]


def _gross_limits(vehicles: Weighed, policy: WeighPolicy) -> FloatArray:
    """Return what each may weigh by its class and axles, infinity where no limit is known."""

    def of(table: tuple[float, ...]) -> FloatArray:
        limits = np.array(table)[np.clip(vehicles.axles - 1, 0, len(table) - 1)]
        return np.where(limits > 0, limits, np.inf)

    return np.where(vehicles.kind == _LONG, of(policy.articulated_kg), of(policy.rigid_kg))


def _severity(excess: float, policy: WeighPolicy) -> int:
    if excess > policy.critical_excess:
        return Severity.CRITICAL
    return Severity.SERIOUS if excess > policy.serious_excess else Severity.WARNING
