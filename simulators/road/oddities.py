"""Single events: a driver against the traffic, a toll lane that reads no tag, a truck too heavy."""

from collections.abc import Mapping

import numpy as np
from typing_extensions import override

from simulators.city.frame import NULL, Scenario
from simulators.road.diagram import CAR, TRUCK
from simulators.road.events import (
    AGAINST_THE_LANE,
    READ_FAILURE,
    UNKNOWN_CLASS,
    Rows,
)
from simulators.road.layout import TOLL_LANES
from simulators.road.sensors import LOOP_M
from simulators.road.trouble import Places, Scene, Spoken, Trouble, devices_of

_CAR_M = 4.5
_RESULT, _LASTS, _DECLARED, _RETRIES, _TAG = 0, 1, 2, 4, 5  # columns of etc1
_FAILURE_MS, _FAILURE_RETRIES = 3000, 3
_FIRST_AXLE, _LAST_AXLE, _CLASS = 2, 8, 10  # columns of wim1
_TENTH = 10


class WrongWay(Trouble):
    """A car drives against the traffic, from a radar on, past every station before it."""

    def __init__(self, scene: Scene, order: Scenario, places: Places) -> None:
        super().__init__(scene, order)
        link = places.of_link(order.where)
        net, stations = scene.layout.network, scene.layout.stations
        if not stations[link].radar:
            raise ValueError(f"wrong_way: no radar at {order.where}")
        self._kmh = self.number("speed_kmh", 60, 10, 150)
        self._sight: list[tuple[int, int]] = []  # when, at which link
        metres = 0.0
        for k in (link, *places.upstream(link)):
            at_ms = order.from_ms + round(metres / self._kmh * 3600)
            if at_ms >= order.to_ms:
                break
            self._sight.append((at_ms, k))
            metres += net.links[k].cells * net.links[k].cell_m
        self.to_ms = self.whole(self._sight[-1][0]) + scene.traffic.window_ms

    @override
    def bend(self, spoken: Spoken) -> None:
        """Let the stations see it: loops count a car, radars know the direction."""
        for at_ms, link in self._sight:
            if spoken.window.from_ms <= at_ms < spoken.window.to_ms:
                self._over_loop(spoken, link)
                self._past_radar(spoken, at_ms, link)

    def _over_loop(self, spoken: Spoken, link: int) -> None:
        """Count it in the lane at the median."""
        loop = int(self.scene.loops.first[link] + self.scene.layout.network.lanes[link] - 1)
        bins, count = spoken.bins, int(spoken.bins.counts[loop].sum())
        over_s = (_CAR_M + LOOP_M) / (self._kmh / 3.6)
        bins.counts[loop, CAR] += 1
        bins.occupancy[loop] = min(1.0, bins.occupancy[loop] + over_s / spoken.window.seconds)
        mean_kmh = 0.0 if count == 0 else bins.mean_kmh[loop]
        bins.mean_kmh[loop] = (mean_kmh * count + self._kmh) / (count + 1)
        if count == 0:
            bins.v85_kmh[loop] = self._kmh

    def _past_radar(self, spoken: Spoken, at_ms: int, link: int) -> None:
        station, rows = self.scene.layout.stations[link], spoken.radar
        if not station.radar:
            return
        radar = [s.radar for s in self.scene.layout.stations if s.radar].index(station.radar)
        over_ms = round((_CAR_M + LOOP_M) / self._kmh * 3600)
        lane = int(self.scene.layout.network.lanes[link])
        row = (
            *(round(self._kmh * _TENTH), round(_CAR_M * _TENTH), CAR + 1, AGAINST_THE_LANE),
            *(NULL, over_ms, lane),
        )
        spoken.radar = Rows(
            np.append(rows.device, radar),
            np.append(rows.at_ms, at_ms),
            np.concatenate((rows.values, np.array([row], dtype=np.int64))),
        )

    @override
    def magnitude(self) -> Mapping[str, float | str]:
        """Return its speed, and past how many stations it came."""
        return {"speed_kmh": self._kmh, "stations": len(self._sight)}

    @override
    def touches(self) -> tuple[str, ...]:
        """Return what it passed."""
        layout = self.scene.layout
        names = [name for _, link in self._sight for name in devices_of(layout, link)]
        return (layout.stations[self._sight[0][1]].corridor, *names)


class TollReaderFailure(Trouble):
    """The antenna of a toll lane reads no tag; the lane serves by hand, and slowly."""

    def __init__(self, scene: Scene, order: Scenario, places: Places) -> None:
        super().__init__(scene, order)
        self._link = places.of_link(order.where)
        names = [name for s in scene.layout.stations for name in s.tolls]
        if order.where not in names:
            raise ValueError(f"toll_reader_failure: no toll lane is called {order.where!r}")
        self._device = names.index(order.where)
        self._share = self.number("share", 1.0, 0.05, 1.0)
        self._passed = self._failed = 0

    @override
    def press(self) -> None:
        """The plaza loses most of a lane: serving by hand takes six times as long."""
        lost = self._share * (1 - 1 / 6) / TOLL_LANES
        self.scene.traffic.cells.exit_share[self._link] = 1 - lost

    @override
    def bend(self, spoken: Spoken) -> None:
        """Let the reads fail, the stated share of them to the vehicle."""
        rows = spoken.toll
        mine = np.flatnonzero(rows.device == self._device)
        numbers = self._passed + np.arange(1, mine.size + 1)
        fails = np.floor(numbers * self._share) > np.floor((numbers - 1) * self._share)
        failed = mine[fails]
        rows.values[failed, _RESULT] = READ_FAILURE
        rows.values[failed, _LASTS] = _FAILURE_MS
        rows.values[failed, _DECLARED] = UNKNOWN_CLASS
        rows.values[failed, _RETRIES] = _FAILURE_RETRIES
        rows.values[failed, _TAG] = NULL
        self._passed += mine.size
        self._failed += int((rows.values[mine, _RESULT] == READ_FAILURE).sum())

    @override
    def magnitude(self) -> Mapping[str, float | str]:
        """Return how many passed and how many were not read."""
        return {"passages": self._passed, "read_failures": self._failed, "share": self._share}


class OverloadTruck(Trouble):
    """The first truck over a scale within the time carries more than its axles may."""

    def __init__(self, scene: Scene, order: Scenario, places: Places) -> None:
        super().__init__(scene, order)
        link = places.of_link(order.where)
        self._name = scene.layout.stations[link].scale
        if not self._name:
            raise ValueError(f"overload_truck: no scale at {order.where}")
        self._device = [s.scale for s in scene.layout.stations if s.scale].index(self._name)
        self._axle_kg = self.number("axle_kg", 13_500, 10_500, 30_000)
        self._seen: tuple[int, int] | None = None  # when, gross weight

    @override
    def bend(self, spoken: Spoken) -> None:
        """Load it until its heaviest axle weighs what the order says."""
        rows = spoken.scale
        heavy = (rows.device == self._device) & (rows.values[:, _CLASS] >= TRUCK + 1)
        if self._seen is not None or not heavy.any():
            return
        row = int(np.flatnonzero(heavy)[0])
        axles = rows.values[row, _FIRST_AXLE:_LAST_AXLE]
        there = axles != NULL
        axles[there] = np.rint(axles[there] * (self._axle_kg / axles[there].max()))
        rows.values[row, 0] = axles[there].sum()
        self._seen = int(rows.at_ms[row]), int(rows.values[row, 0])
        self.from_ms, self.to_ms = self._seen[0], self._seen[0] + 1

    @property
    @override
    def happened(self) -> bool:
        """Whether a truck came."""
        return self._seen is not None

    @override
    def magnitude(self) -> Mapping[str, float | str]:
        """Return its weight."""
        return {"axle_kg": self._axle_kg, "gvw_kg": self._seen[1] if self._seen else 0}

    @override
    def touches(self) -> tuple[str, ...]:
        """The scale that saw it."""
        return (self._name,)

    @override
    def is_on(self, time_ms: int) -> bool:
        """Only until it has come."""
        return self._seen is None and super().is_on(time_ms)
