"""Detector faults: the vehicles are there, what the loop says of them is wrong."""

from abc import abstractmethod
from collections.abc import Mapping

import numpy as np
from typing_extensions import override

from simulators.chance import mix, unit
from simulators.city.frame import Scenario
from simulators.road.diagram import CAR, CLASSES, Ints
from simulators.road.trouble import Places, Scene, Spoken, Trouble

_CHATTER_PER_WINDOW = 45  # IRIS calls 38 in 30 s chatter
_HANGING_SHARE = 0.05  # of the windows; PeMS calls 2 % intermittent
_HELD = (0.3, 0.95)


class Fault(Trouble):
    """A loop that does not count what passes; both numbers are the truth."""

    def __init__(self, scene: Scene, order: Scenario, places: Places) -> None:
        super().__init__(scene, order)
        self.loop = places.of_loop(order.where)
        self._passed = self._counted = 0

    @override
    def bend(self, spoken: Spoken) -> None:
        """Let the loop say something else, and keep both counts."""
        if spoken.dark[self.loop]:
            return
        counts = spoken.bins.counts
        self._passed += int(counts[self.loop].sum())
        self.distort(spoken)
        self._counted += int(counts[self.loop].sum())

    @abstractmethod
    def distort(self, spoken: Spoken) -> None:
        """Change the columns of the loop."""

    def say(self, spoken: Spoken, counts: Ints | int, occupancy: float) -> None:
        """Let the loop report these; without a count it has no speed."""
        bins = spoken.bins
        bins.counts[self.loop] = counts
        bins.occupancy[self.loop] = occupancy
        if not bins.counts[self.loop].any():
            bins.mean_kmh[self.loop] = bins.v85_kmh[self.loop] = np.nan

    @override
    def magnitude(self) -> Mapping[str, float | str]:
        """Return what passed and what was counted."""
        share = round(self._counted / self._passed, 4) if self._passed else 0.0
        return {
            "true_vehicles": self._passed,
            "counted_vehicles": self._counted,
            "count_share": share,
        }


class Stuck(Fault):
    """Locked on: full occupancy, no counts."""

    @override
    def distort(self, spoken: Spoken) -> None:
        """Say that something stands there for ever."""
        self.say(spoken, 0, 1.0)


class CardOff(Fault):
    """A dead input: nothing at all."""

    @override
    def distort(self, spoken: Spoken) -> None:
        """Say that the road is empty."""
        self.say(spoken, 0, 0.0)


class Constant(Fault):
    """The same row again and again."""

    _row: tuple[Ints, float, float, float] | None = None

    @override
    def distort(self, spoken: Spoken) -> None:
        """Repeat the first window that had a vehicle."""
        bins, loop = spoken.bins, self.loop
        if self._row is None and bins.occupancy[loop] > 0 and bins.counts[loop].any():
            speeds = float(bins.mean_kmh[loop]), float(bins.v85_kmh[loop])
            self._row = (bins.counts[loop].copy(), float(bins.occupancy[loop]), *speeds)
        if self._row is not None:
            counts, bins.occupancy[loop], bins.mean_kmh[loop], bins.v85_kmh[loop] = self._row
            bins.counts[loop] = counts


class Chatter(Fault):
    """A loose contact adds counts, as of cars at full speed."""

    @override
    def distort(self, spoken: Spoken) -> None:
        """Add pulses too short for the occupancy."""
        extra = int(self.number("extra_per_window", _CHATTER_PER_WINDOW, 1, 1000))
        bins = spoken.bins
        bins.counts[self.loop, CAR] += extra
        if np.isnan(bins.mean_kmh[self.loop]):
            bins.mean_kmh[self.loop] = bins.v85_kmh[self.loop] = 200.0
            bins.occupancy[self.loop] = max(bins.occupancy[self.loop], 0.001)


class Hanging(Fault):
    """Now and then it holds the call after a vehicle: covered, and counts nobody."""

    _windows = 0

    @override
    def distort(self, spoken: Spoken) -> None:
        """Hold the call in some windows, which the place and the time decide."""
        share = self.number("share", _HANGING_SHARE, 0.001, 1.0)
        key = mix(self.loop, spoken.window.from_ms)
        if unit(key, 1) < share:
            self._windows += 1
            self.say(spoken, 0, _HELD[0] + (_HELD[1] - _HELD[0]) * unit(key, 2))

    @override
    def magnitude(self) -> Mapping[str, float | str]:
        """Say in how many windows."""
        return {**super().magnitude(), "windows": self._windows}


class Scaled(Fault):
    """Counts everything times a factor, to the vehicle over any time."""

    default, low, high = 1.0, 0.0, 10.0

    def __init__(self, scene: Scene, order: Scenario, places: Places) -> None:
        super().__init__(scene, order, places)
        self._factor = self.number("factor", self.default, self.low, self.high)
        self._owed = np.zeros(len(CLASSES))

    @override
    def distort(self, spoken: Spoken) -> None:
        """Report the whole vehicles; what is left over waits for the next window."""
        bins = spoken.bins
        self._owed += self._factor * bins.counts[self.loop]
        whole = np.floor(self._owed + 1e-9)
        self._owed -= whole
        occupancy = min(1.0, float(bins.occupancy[self.loop]) * min(self._factor, 1.0))
        self.say(spoken, whole.astype(np.int64), occupancy if whole.any() else 0.0)

    @override
    def magnitude(self) -> Mapping[str, float | str]:
        """Return the factor too."""
        return {**super().magnitude(), "factor": self._factor}


class OverCount(Scaled):
    """Sees vehicles several times."""

    default, low = 3.0, 1.0


class UnderCount(Scaled):
    """Misses vehicles."""

    default, high = 0.7, 1.0


class CrossTalk(Fault):
    """Hears its neighbour's vehicles too."""

    def __init__(self, scene: Scene, order: Scenario, places: Places) -> None:
        super().__init__(scene, order, places)
        station = scene.layout.stations[places.of_link(order.where)]
        lane = self.loop - station.first_loop
        if len(station.loops) == 1:
            raise ValueError(f"detector_cross_talk: {order.where} has no neighbour")
        self._neighbour = self.loop + (1 if lane == 0 else -1)
        self._share = self.number("share", 0.5, 0.01, 1.0)
        self._owed = np.zeros(len(CLASSES))
        self._heard = 0

    @override
    def distort(self, spoken: Spoken) -> None:
        """Add a share of the neighbour's vehicles, and the time they cover its loop."""
        bins = spoken.bins
        self._owed += self._share * bins.counts[self._neighbour]
        whole = np.floor(self._owed + 1e-9).astype(np.int64)
        self._owed -= whole
        self._heard += int(whole.sum())
        free = (1 - bins.occupancy[self.loop]) * (1 - self._share * bins.occupancy[self._neighbour])
        if np.isnan(bins.mean_kmh[self.loop]) and whole.any():
            bins.mean_kmh[self.loop] = bins.mean_kmh[self._neighbour]
            bins.v85_kmh[self.loop] = bins.v85_kmh[self._neighbour]
        self.say(spoken, bins.counts[self.loop] + whole, float(1 - free))

    @override
    def magnitude(self) -> Mapping[str, float | str]:
        """Return how many were the neighbour's."""
        return {**super().magnitude(), "heard_vehicles": self._heard, "share": self._share}
