"""What the rooms of transport work on: lanes and stations as rows, time as columns.

A window has *slots*. Slot ``k`` is the time from ``start_ms + k x interval_ms`` to before
``start_ms + (k + 1) x interval_ms``. A detector stamps a row with the *end* of the interval that it
counted, so a row of time ``t`` belongs to the slot that ends at ``t``. Not measured is NaN; no row
at all is ``MISSING``. Vehicles, km/h, metres, shares from 0 to 1.

Lanes and stations are numbered by ``Road``; lane 1 is beside the median, as in the registry.
"""

from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.model import BoolArray, FloatArray, IntArray, Quality

BIN_MS = 300_000  # 5 minutes, the raster of PeMS
NOWHERE = -1  # no such station, section or corridor
_LAYERED = 3  # dimensions of a column with one layer for each class


class VehicleClass(IntEnum):
    """Classes of ``tl1`` in the order of its columns, and of the layers of ``class_count``."""

    MOTO = 0
    CAR = 1
    BUS = 2
    TRUCK = 3
    LONG = 4


class RoadClass(IntEnum):
    """Kind of road, as ``class`` of a section in the registry."""

    UNKNOWN = 0
    URBAN = 1
    EXPRESSWAY = 2
    NATIONAL = 3


class Method(IntEnum):
    """Where a value of a bin comes from, best first; ``impute`` has the ladder."""

    OBSERVED = 0
    RECOVERED = 1  # the running counter told how many passed; spread evenly over the gap
    FOREIGN = 2  # estimated by whoever sent it
    LOCAL = 3  # regression on detectors of the same station and its neighbours
    REGIONAL = 4  # regression on detectors of the corridor within the policy's distance
    GLOBAL = 5  # regression on the mean of all detectors of the kind of road
    LOCAL_AVERAGE = 6
    REGIONAL_AVERAGE = 7
    TIME_OF_WEEK = 8  # the detector's own profile
    NOTHING = 9  # not measured, and nothing to go by


@dataclass(frozen=True, slots=True)
class Road:
    """Where lanes and stations are. Columns of lanes go with the rows of a window.

    The order of sections and stations along a corridor is that of the registry file, which is the
    direction of travel: each direction of a road is a corridor of its own.
    """

    device_index: IntArray  # (lanes,), ascending
    devices: tuple[str, ...]  # their names
    lane: IntArray  # (lanes,), from the median, 1 …; 0 unknown
    station: IntArray  # (lanes,), NOWHERE where the registry knows none
    stations: tuple[str, ...]
    section: IntArray  # (stations,)
    upstream: IntArray  # (stations,), NOWHERE at the first
    downstream: IntArray  # (stations,), NOWHERE at the last
    km: FloatArray  # (stations,), along the corridor from its first station; NaN unknown
    lanes: IntArray  # (stations,), lanes under a detector
    sections: tuple[str, ...]
    corridor: IntArray  # (sections,)
    road_class: IntArray  # (sections,), RoadClass
    corridors: tuple[str, ...]

    def class_of_lanes(self) -> IntArray:
        """Return the kind of road under each lane's detector."""
        known = np.append(self.class_of_stations(), int(RoadClass.UNKNOWN))
        found: IntArray = known[self.station]  # NOWHERE is the last
        return found

    def class_of_stations(self) -> IntArray:
        """Return the kind of road at each station."""
        known = np.append(self.road_class, int(RoadClass.UNKNOWN))
        found: IntArray = known[self.section]
        return found


@dataclass(frozen=True, slots=True)
class Window:
    """Closed intervals of lanes that measure at one interval, (lanes, slots) unless said.

    Only what was measured: nothing in it is estimated.
    """

    device_index: IntArray  # (lanes,), ascending
    start_ms: int
    interval_ms: int
    count: FloatArray  # vehicles
    cumulative: FloatArray  # register at the end of the slot, may roll over
    occupancy: FloatArray  # share of the time, 0 … 1
    speed_kmh: FloatArray  # time-mean
    v85_kmh: FloatArray
    class_count: FloatArray  # (classes, lanes, slots), VehicleClass
    quality: IntArray  # model.Quality
    reasons: IntArray  # model.Reason bits
    status: IntArray  # status byte of the device
    offset_ms: IntArray  # how far from the end of the slot its row's time lies, + later
    beside_ms: IntArray  # the same of a second row whose time lies in the slot, 0 none
    surplus: FloatArray  # vehicles of the second row

    @property
    def slots(self) -> int:
        """Return the number of intervals."""
        return int(self.count.shape[1])

    @property
    def end_ms(self) -> int:
        """Return the end of the last slot."""
        return self.start_ms + self.slots * self.interval_ms

    def slot_ms(self) -> IntArray:
        """Return the beginning of every slot."""
        return self.start_ms + self.interval_ms * np.arange(self.slots, dtype=np.int64)

    def is_present(self) -> BoolArray:
        """Return in which slots there is a row."""
        present: BoolArray = self.quality != int(Quality.MISSING)
        return present

    def take(self, lanes: IntArray | BoolArray) -> "Window":
        """Return the window of some lanes, by their places or a mask."""
        return replace(self, **_picked(self, lanes))  # type: ignore[arg-type]  # one for each field

    def part(self, first: int, stop: int) -> "Window":
        """Return slots ``first`` to before ``stop``; views, not copies."""
        return replace(self, **_cut(self, first, stop))  # type: ignore[arg-type]  # one for each


def empty_window(device_index: IntArray, start_ms: int, interval_ms: int, slots: int) -> Window:
    """Return a window without a row, to be filled in place.

    Raises:
        ValueError: ``start_ms`` is no multiple of the interval.
    """
    if start_ms % interval_ms:
        raise ValueError(f"{start_ms} is no multiple of {interval_ms}")
    shape = (len(device_index), slots)
    return Window(
        device_index,
        start_ms,
        interval_ms,
        count=np.full(shape, np.nan),
        cumulative=np.full(shape, np.nan),
        occupancy=np.full(shape, np.nan),
        speed_kmh=np.full(shape, np.nan),
        v85_kmh=np.full(shape, np.nan),
        class_count=np.full((len(VehicleClass), *shape), np.nan),
        quality=np.full(shape, int(Quality.MISSING), np.int64),
        reasons=np.zeros(shape, np.int64),
        status=np.zeros(shape, np.int64),
        offset_ms=np.zeros(shape, np.int64),
        beside_ms=np.zeros(shape, np.int64),
        surplus=np.zeros(shape),
    )


@dataclass(frozen=True, slots=True)
class StationWindow:
    """Slots of stations, (stations, slots): the lanes that measured, together. Never imputed."""

    start_ms: int
    interval_ms: int
    count: FloatArray  # vehicles of all lanes that measured
    occupancy: FloatArray  # mean of the lanes
    speed_kmh: FloatArray  # mean of the lanes, weighted by their counts
    lanes_seen: IntArray  # how many lanes it is made of


@dataclass(frozen=True, slots=True)
class Bins:
    """Bins of 1 or 5 min … 1 day of lanes, (lanes, slots) unless said; of stations likewise.

    A count is that of the whole bin: where some intervals of a bin are missing, the others stand
    for them (``observed`` says how many there were).
    """

    start_ms: int
    interval_ms: int
    count: FloatArray  # vehicles in the bin
    occupancy: FloatArray  # mean, 0 … 1
    speed_kmh: FloatArray  # time-mean: mean of the vehicles' speeds
    space_kmh: FloatArray  # space-mean: harmonic
    v85_kmh: FloatArray
    class_count: FloatArray  # (classes, lanes, slots)
    observed: FloatArray  # share of the bin's intervals that were measured and trusted
    method: NDArray[np.int8]  # Method of count, occupancy and speed
    quality: IntArray  # model.Quality

    @property
    def slots(self) -> int:
        """Return the number of bins."""
        return int(self.count.shape[1])

    @property
    def hours(self) -> float:
        """Return the length of a bin."""
        return self.interval_ms / 3_600_000

    def slot_ms(self) -> IntArray:
        """Return the beginning of every bin."""
        return self.start_ms + self.interval_ms * np.arange(self.slots, dtype=np.int64)

    def flow_veh_h(self) -> FloatArray:
        """Return the flow."""
        flow: FloatArray = self.count / self.hours
        return flow

    def is_observed(self) -> BoolArray:
        """Return which bins were measured: only these may tell of incidents and bottlenecks."""
        observed: BoolArray = self.method == int(Method.OBSERVED)
        return observed

    def take(self, rows: IntArray | BoolArray) -> "Bins":
        """Return the bins of some rows, by their places or a mask."""
        return replace(self, **_picked(self, rows))  # type: ignore[arg-type]  # one for each field

    def part(self, first: int, stop: int) -> "Bins":
        """Return bins ``first`` to before ``stop``; views, not copies."""
        return replace(self, **_cut(self, first, stop))  # type: ignore[arg-type]  # one for each


class Vehicles(NamedTuple):
    """Single vehicles in order of time (profile ``pv1``); every column has one entry for each."""

    device_index: IntArray
    time_ms: IntArray
    speed_kmh: FloatArray  # 0 and NaN: seen without a speed
    length_m: FloatArray
    kind: IntArray  # code of the profile: 0 unknown, else VehicleClass + 1
    direction: IntArray  # code of the profile: 0 unknown, 1 with the lane, 2 against it
    gap_s: FloatArray
    duration_ms: FloatArray
    lane: IntArray  # from the kerb, 0 unknown


def _picked(columns: Window | Bins, rows: IntArray | BoolArray) -> dict[str, object]:
    """Return the columns of some rows by their names; every array has a row for each lane."""
    every = {field.name: getattr(columns, field.name) for field in fields(columns)}
    return {
        name: column[:, rows] if column.ndim == _LAYERED else column[rows]
        for name, column in every.items()
        if isinstance(column, np.ndarray)
    }


def _cut(columns: Window | Bins, first: int, stop: int) -> dict[str, object]:
    """Return the columns of some slots by their names, and when they begin."""
    every = {field.name: getattr(columns, field.name) for field in fields(columns)}
    changed: dict[str, object] = {
        name: column[..., first:stop]
        for name, column in every.items()
        if isinstance(column, np.ndarray) and column.ndim > 1
    }
    changed["start_ms"] = columns.start_ms + first * columns.interval_ms
    return changed
