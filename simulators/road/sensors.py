"""What loops in the road make of the vehicles that pass (profile ``tl1``)."""

from typing import NamedTuple

import numpy as np

from simulators.city.frame import NULL
from simulators.road.curves import height, when
from simulators.road.diagram import CLASSES, MOTO, Floats, Ints
from simulators.road.layout import Layout
from simulators.road.traffic import STEP_MS, Window
from simulators.road.vehicles import Crowd

LOOP_M = 2.0  # length of a detection zone
_SLOWEST_KMH, _FASTEST_KMH = 3.0, 200.0  # what a detector believes
_ROLLOVER = 1 << 32
_QUANTILE = 0.85
# Which lane a class keeps to, from the kerb, by number of lanes: motorcycles and heavy vehicles
# at the kerb, cars at the median. Our choice, after the lanes that signs in Viet Nam assign.
_KEEPS: dict[int, tuple[tuple[float, ...], ...]] = {
    1: ((1.0,),) * 5,
    2: ((0.65, 0.35), (0.42, 0.58), (0.7, 0.3), (0.72, 0.28), (0.8, 0.2)),
    3: (
        *((0.5, 0.35, 0.15), (0.25, 0.38, 0.37), (0.45, 0.45, 0.10)),
        *((0.55, 0.4, 0.05), (0.62, 0.36, 0.02)),
    ),
}
_MOST_LANES = 3


class Bins(NamedTuple):
    """One window of all loops; the columns of ``tl1`` before rounding."""

    counts: Ints  # loops × classes
    occupancy: Floats
    mean_kmh: Floats  # NaN: no vehicle, no speed
    v85_kmh: Floats


class Hits(NamedTuple):
    """Vehicles at stations, in order of time: where, when, how fast."""

    link: Ints
    lane: Ints  # from the kerb, from 0
    seconds: Floats  # after the begin of the window
    over_s: Floats  # within the window
    kmh: Floats
    vehicle: Crowd


class Loops:
    """All loops; remembers who stands on them from one window to the next."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        stations = layout.stations
        self.first = np.array([s.first_loop for s in stations], dtype=np.int64)
        self._equipped = np.array([len(s.loops) > 0 for s in stations])
        self.link: Ints = np.repeat(np.arange(len(stations)), [len(s.loops) for s in stations])
        self._limits = np.ones((len(stations), len(CLASSES), _MOST_LANES))
        for k, lanes in enumerate(layout.network.lanes.astype(int)):
            self._limits[k, :, :lanes] = np.cumsum(_KEEPS[int(lanes)], axis=1)
        # a loop is covered until the traffic at its station has moved this far
        self._stood_m: Floats = np.full(layout.lanes, -np.inf)  # at the begin of the window
        self._stands_m: Floats = self._stood_m  # at its end
        self.closed: dict[int, int] = {}  # link → lane that nobody uses

    def lane_of(self, link: Ints, vehicle: Crowd) -> Ints:
        """Return the lane of each vehicle, counted from the kerb, from 0."""
        limits = self._limits[link, vehicle["kind"]]
        lane: Ints = (vehicle["side"][:, None] >= limits[:, :-1]).sum(axis=1)
        for closed_link, closed in self.closed.items():
            aside = (link == closed_link) & (lane == closed)
            lane[aside] += 1 if closed == 0 else -1
        return lane

    def hits(self, window: Window) -> Hits:
        """Return who passed, and how long it was over the loop; once for each window."""
        passed, moved_m = window.stations, window.curves.moved_m
        link, vehicle, moment = passed.link, passed.vehicle, passed.moment
        lane = self.lane_of(link, vehicle)
        room_m = (vehicle["length_m"] + LOOP_M) / vehicle["pace"]
        until_m = height(moved_m, link, moment) + room_m
        gone = when(moved_m, link, until_m)
        over_s = gone.seconds - moment.seconds
        stays = moved_m[-1, link] < until_m
        self._stood_m = self._stands_m
        self._stands_m = np.where(self._stood_m > moved_m[-1, self.link], self._stood_m, -np.inf)
        stays_on = stays & self._equipped[link]
        loop = self.first[link[stays_on]] + lane[stays_on]
        np.maximum.at(self._stands_m, loop, until_m[stays_on])
        # who still stands there at the end is as fast as the traffic was when it came
        step = moment.step
        there_m_s = (moved_m[step + 1, link] - moved_m[step, link]) * (1000 / STEP_MS)
        m_s = np.where(
            stays, there_m_s * vehicle["pace"], (vehicle["length_m"] + LOOP_M) / (over_s + 1e-6)
        )
        kmh = np.clip(m_s * 3.6, _SLOWEST_KMH, _FASTEST_KMH)
        return Hits(link, lane, moment.seconds, over_s, kmh, vehicle)

    def bins(self, window: Window, hits: Hits, lit_from_s: Floats) -> Bins:
        """Return the columns of all loops; a loop sees what comes ``lit_from_s`` into the window.

        Args:
            window: that passed.
            hits: of the same window, from ``hits``.
            lit_from_s: of each loop; 0 has power all the time, infinity has none at the end.
        """
        seen = self._equipped[hits.link]
        loop = np.where(seen, self.first[hits.link] + hits.lane, 0)
        seen &= hits.seconds >= lit_from_s[loop]
        loop, kind = loop[seen], hits.vehicle["kind"][seen].astype(np.int64)
        over_s, kmh = hits.over_s[seen], hits.kmh[seen]
        size, classes = self.link.size, len(CLASSES)
        counts = np.bincount(loop * classes + kind, minlength=size * classes)
        counts = counts.reshape(size, classes)
        ridden = kind == MOTO
        wheels_s: Floats = np.bincount(loop[~ridden], over_s[~ridden], size).astype(np.float64)
        wheels_s += self._still_there(window)
        share = np.clip(wheels_s / window.seconds, 0.0, 1.0)
        # riders come abreast and cover the loop together: independent of each other
        riders = 1 - np.exp(-np.bincount(loop[ridden], over_s[ridden], size) / window.seconds)
        occupancy = share + (1 - share) * riders
        occupancy[~np.isfinite(lit_from_s)] = 0.0
        return Bins(counts, occupancy, *_speeds(loop, kmh, size))

    def _still_there(self, window: Window) -> Floats:
        """Return for how long those of the window before still covered each loop."""
        moved_m = window.curves.moved_m
        before = np.maximum(self._stood_m, moved_m[0, self.link])
        return np.where(
            self._stood_m > moved_m[0, self.link],
            when(moved_m, self.link, before).seconds,
            0.0,
        )


def _speeds(loop: Ints, kmh: Floats, size: int) -> tuple[Floats, Floats]:
    """Return mean and 85th percentile (nearest rank) of each loop, NaN where nobody passed."""
    count = np.bincount(loop, minlength=size)
    total = np.bincount(loop, kmh, size)
    mean = np.full(size, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    order = np.lexsort((kmh, loop))
    rank = np.cumsum(count) - count + np.ceil(_QUANTILE * count).astype(np.int64) - 1
    v85 = np.full(size, np.nan)
    some = count > 0
    v85[some] = kmh[order][rank[some]]
    return mean, v85


def rows(bins: Bins, cumulative: Ints) -> Ints:
    """Return the columns of ``tl1`` as integers."""
    speeds = np.stack((bins.mean_kmh, bins.v85_kmh), axis=1) * 10
    whole = np.where(np.isnan(speeds), NULL, np.rint(np.nan_to_num(speeds)).astype(np.int64))
    count = bins.counts.sum(axis=1)
    occupancy = np.rint(bins.occupancy * 1000).astype(np.int64)
    return np.column_stack((count, cumulative % _ROLLOVER, occupancy, whole, bins.counts))
