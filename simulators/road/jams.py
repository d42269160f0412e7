"""Scenarios that make queues: a stalled vehicle, a closed lane, a blocked exit, water."""

from abc import abstractmethod
from collections.abc import Mapping

import numpy as np
from typing_extensions import override

from simulators.city.frame import Scenario
from simulators.road.diagram import ONE_LANE_BLOCKED
from simulators.road.traffic import Window
from simulators.road.trouble import Places, Scene, Trouble, cell_order, devices_of

_CONGESTED = 1.2  # times the density at capacity
_HOLE = 3  # cells without congestion that end a queue: signals cut queues into pieces
_DEEPEST_M = 0.4  # of water that any vehicle still drives through; our choice
_WORK_ZONE_PCU_H = 1600  # of a lane beside a short-term work zone, HCM 2000
_SLOWEST, _LEAST = 0.2, 0.05


class Jam(Trouble):
    """Less capacity at the end of a link; how long the queue was and what still came through."""

    def __init__(self, scene: Scene, order: Scenario, places: Places) -> None:
        super().__init__(scene, order)
        self.link = places.of_link(order.where)
        self._links = [self.link, *places.upstream(self.link)]
        self._cells = cell_order(scene.layout, self._links)
        self.lanes = int(scene.layout.network.lanes[self.link])
        self._longest_m, self._from_ms, self._until_ms = 0.0, 0, 0
        self._passed_pcu, self._queued_windows = 0.0, 0
        self._reached = 1  # links with a queue
        self._ended = False

    @abstractmethod
    def share(self) -> float:
        """Return the share of the capacity that is left."""

    @override
    def watch(self, window: Window) -> None:
        """Measure the queue until it has gone."""
        now_ms = window.to_ms
        if self._ended:
            return
        queue_m, reached = self._queue()
        if queue_m:
            self._from_ms = self._from_ms or window.from_ms
            self._until_ms = now_ms
            self._longest_m = max(self._longest_m, queue_m)
            self._reached = max(self._reached, reached)
            if now_ms <= self.to_ms:
                left = window.curves.left[:, self.link]
                self._passed_pcu += float(left[-1] - left[0])
                self._queued_windows += 1
        self._ended = not queue_m and now_ms > self.to_ms

    def _queue(self) -> tuple[float, int]:
        """Return the length of the queue, and how many links it reaches into."""
        net, cells = self.scene.layout.network, self.scene.traffic.cells
        congested = (cells.pcu > _CONGESTED * net.critical_pcu)[self._cells]
        own = net.links[self.link].cells
        if not congested[: own + _HOLE].any():
            return 0.0, 0
        # a closed lane or water thins the traffic out on the link: the queue is before it
        head = int(np.argmax(congested))
        holes = np.convolve(congested[head:], np.ones(_HOLE), mode="valid") == 0
        tail = head + int(np.argmax(holes)) if holes.any() else congested.size
        inside = self._cells[head:tail]
        last = int(net.of_cell[inside[-1]])
        return float(net.cell_m[inside].sum()), self._links.index(last) + 1

    @override
    def magnitude(self) -> Mapping[str, float | str]:
        """Return capacities, the mean outflow while there was a queue, and its greatest length."""
        triangle = self.scene.layout.network.links[self.link].triangle
        hours = self._queued_windows * self.scene.traffic.window_ms / 3_600_000
        return {
            "capacity_share": self.share(),
            "capacity_pcu_h": triangle.capacity_pcu_h * self.lanes,
            "outflow_pcu_h": round(self._passed_pcu / hours, 1) if hours else 0.0,
            "queue_max_m": round(self._longest_m, 1),
            "queue_from_ms": float(self._from_ms),
            "queue_until_ms": float(self._until_ms),
        }

    @override
    def touches(self) -> tuple[str, ...]:
        """Return what stands at the links that the queue reached, and at the one after it."""
        layout = self.scene.layout
        after = int(layout.network.next[self.link])
        links = [*self._links[: self._reached], *([after] if after >= 0 else [])]
        names = [name for link in links for name in devices_of(layout, link)]
        return (layout.stations[self.link].corridor, *names)


class StalledVehicle(Jam):
    """A vehicle stands in a lane between two stations; the others look and pass."""

    @override
    def share(self) -> float:
        """Return what HCM leaves of a carriageway with one lane blocked."""
        return ONE_LANE_BLOCKED[self.lanes]

    @override
    def press(self) -> None:
        """Block the last cell of the link."""
        last = self.scene.layout.network.last[self.link]
        self.scene.traffic.cells.open_share[last] = self.share()


class LaneClosure(Jam):
    """A lane is closed over the whole link; its loop sees nobody, the others see more."""

    def __init__(self, scene: Scene, order: Scenario, places: Places) -> None:
        super().__init__(scene, order, places)
        if self.lanes == 1:
            raise ValueError(f"lane_closure: {order.where} has one lane only")
        self._lane = int(self.number("lane", 1, 1, self.lanes)) - 1  # from the kerb

    @override
    def share(self) -> float:
        """Return what the lanes that are left carry beside a work zone."""
        triangle = self.scene.layout.network.links[self.link].triangle
        carried_pcu_h = min(_WORK_ZONE_PCU_H, triangle.capacity_pcu_h) * (self.lanes - 1)
        return carried_pcu_h / (triangle.capacity_pcu_h * self.lanes)

    @override
    def press(self) -> None:
        """Take a lane's share off all cells."""
        net, cells = self.scene.layout.network, self.scene.traffic.cells
        cells.open_share[net.first[self.link] : net.last[self.link] + 1] = self.share()
        self.scene.loops.closed[self.link] = self._lane

    @override
    def magnitude(self) -> Mapping[str, float | str]:
        """Name the lane too."""
        return {**super().magnitude(), "lane_from_kerb": self._lane + 1}


class SpillBack(Jam):
    """The way out of a link is blocked: its queue grows into the links before it."""

    def __init__(self, scene: Scene, order: Scenario, places: Places) -> None:
        super().__init__(scene, order, places)
        self._share = self.number("share", 0.15, 0.0, 0.9)

    @override
    def share(self) -> float:
        """Return the share that the order leaves."""
        return self._share

    @override
    def press(self) -> None:
        """Hold back what wants to leave."""
        self.scene.traffic.cells.exit_share[self.link] = self._share

    @override
    def magnitude(self) -> Mapping[str, float | str]:
        """Say how many links were full."""
        return {**super().magnitude(), "links_reached": self._reached}


class RoadFlood(Jam):
    """Water rises over the road: traffic crawls, and stops where it is too deep."""

    def __init__(self, scene: Scene, order: Scenario, places: Places) -> None:
        super().__init__(scene, order, places)
        self._depth_m = self.number("depth_m", 0.25, 0.05, 1.0)
        self._rain_mm_h = self.number("rain_mm_h", 70, 0, 200)
        name = scene.layout.stations[self.link].sky
        if not name:
            raise ValueError(f"road_flood: nothing measures water at {order.where}")
        self._sky = scene.sky.names.index(name)

    @override
    def share(self) -> float:
        """Return the share of capacity and speed at the deepest water."""
        return max(_LEAST, 1 - self._depth_m / _DEEPEST_M)

    @override
    def press(self) -> None:
        """Slow the link down, and let the sky say why."""
        net, scene = self.scene.layout.network, self.scene
        scene.traffic.cells.speed_share[self.link] = max(_SLOWEST, self.share())
        inside = slice(net.first[self.link], net.last[self.link] + 1)
        scene.traffic.cells.open_share[inside] = self.share()
        scene.sky.depth_m[self._sky] = self._depth_m
        scene.sky.more_rain_mm_h[self._sky] = self._rain_mm_h

    @override
    def magnitude(self) -> Mapping[str, float | str]:
        """Say how deep it was."""
        return {**super().magnitude(), "depth_m": self._depth_m}

    @override
    def touches(self) -> tuple[str, ...]:
        """The water station too."""
        return (*super().touches(), self.scene.sky.names[self._sky])
