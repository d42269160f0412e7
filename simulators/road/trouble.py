"""What every scenario of the road has in common: it presses on the road, and watches what comes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulators.city.frame import Absence, Scenario, Truth
from simulators.road.diagram import Ints
from simulators.road.events import Rows
from simulators.road.layout import Layout
from simulators.road.network import NOWHERE
from simulators.road.sensors import Bins, Hits, Loops
from simulators.road.sky import Sky
from simulators.road.traffic import Traffic, Window


@dataclass(frozen=True)
class Scene:
    """The parts of the road that a scenario may change."""

    layout: Layout
    traffic: Traffic
    loops: Loops
    sky: Sky


@dataclass
class Spoken:
    """What devices are about to say of a window; scenarios change it in place."""

    window: Window
    hits: Hits
    bins: Bins
    radar: Rows
    toll: Rows
    scale: Rows
    dark: NDArray[np.bool_]  # loops without power, which say nothing


class Trouble:
    """One scenario; times are those of whole windows, since the road knows no finer ones."""

    def __init__(self, scene: Scene, order: Scenario) -> None:
        self.scene = scene
        self.order = order
        self.from_ms, self.to_ms = self.whole(order.from_ms), self.whole(order.to_ms)
        if self.from_ms >= self.to_ms:
            raise ValueError(f"{order.kind}: ends before it begins")

    def whole(self, time_ms: int) -> int:
        """Return the begin of the window that this time is in."""
        return time_ms - time_ms % self.scene.traffic.window_ms

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """Return a parameter of the order within its range."""
        value = self.order.parameters.get(name, default)
        if not isinstance(value, (int, float)) or not low <= value <= high:
            raise ValueError(f"{self.order.kind}: {name} is {value!r}, not {low:g} to {high:g}")
        return float(value)

    @property
    def happened(self) -> bool:
        """Whether there is something to be true."""
        return True

    def is_on(self, time_ms: int) -> bool:
        """Whether the window that begins now is within the scenario."""
        return self.from_ms <= time_ms < self.to_ms

    def press(self) -> None:
        """Change the road, before a window in which the scenario is on."""

    def bend(self, spoken: Spoken) -> None:
        """Change what devices say, after a window in which the scenario is on."""

    def watch(self, window: Window) -> None:
        """Measure what it did, after every window from its begin on."""

    def magnitude(self) -> Mapping[str, float | str]:
        """Return what was measured."""
        return {}

    def touches(self) -> tuple[str, ...]:
        """Return the devices and nodes that an alarm may rightly name."""
        return (self.order.where,)

    def absences(self) -> Sequence[Absence]:
        """Return whose words it keeps away."""
        return ()

    def truth(self, ended_ms: int) -> Truth:
        """Return what was true up to then."""
        return Truth(
            *(self.order.kind, self.order.where, self.from_ms, min(self.to_ms, ended_ms)),
            *(self.magnitude(), self.touches()),
        )


@dataclass
class Places:
    """Finds links and loops by any id that stands for them."""

    layout: Layout
    link: dict[str, int] = field(default_factory=dict)
    loop: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for k, station in enumerate(self.layout.stations):
            names = (station.section, station.id, station.radar, station.scale, station.sky)
            self.link.update((name, k) for name in (*names, *station.tolls, *station.loops) if name)
            self.loop.update(
                (name, station.first_loop + at) for at, name in enumerate(station.loops)
            )

    def of_link(self, where: str) -> int:
        """Return the link that a section, station or device belongs to."""
        if where not in self.link:
            raise ValueError(f"no section, station or detector of the road is called {where!r}")
        return self.link[where]

    def of_loop(self, where: str) -> int:
        """Return the number of a loop."""
        if where not in self.loop:
            raise ValueError(f"no loop in the road is called {where!r}")
        return self.loop[where]

    def upstream(self, link: int) -> list[int]:
        """Return the links before this one, the nearest first."""
        behind = {int(n): k for k, n in enumerate(self.layout.network.next) if n != NOWHERE}
        found = []
        while link in behind:
            link = behind[link]
            found.append(link)
        return found


def devices_of(layout: Layout, link: int) -> tuple[str, ...]:
    """Return the nodes and devices of a link."""
    station = layout.stations[link]
    names = (station.section, station.id, *station.loops, station.radar)
    return tuple(name for name in names if name)


def cell_order(layout: Layout, links: list[int]) -> Ints:
    """Return the cells of links against the traffic, from the end of the first on."""
    net = layout.network
    parts = [np.arange(net.last[k], net.first[k] - 1, -1) for k in links]
    return np.concatenate(parts)
