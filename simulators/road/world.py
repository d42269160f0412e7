"""The road as a world of the city: traffic, detectors, cabinets, scenarios."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.chance import mix
from simulators.city.dice import keys, throw
from simulators.city.frame import (
    Absence,
    Carried,
    DeviceRow,
    NodeRow,
    Readings,
    Scenario,
    Span,
    Step,
    Supply,
    Truth,
    cabinets_for,
)
from simulators.road import orders
from simulators.road.diagram import Floats, Ints
from simulators.road.events import Radars, Rows, Scales, Tolls
from simulators.road.layout import Layout, build
from simulators.road.power import Power
from simulators.road.registry import Powered, device_rows, node_rows, powered
from simulators.road.sensors import Loops, rows
from simulators.road.sky import INTERVAL_MS, Sky
from simulators.road.traffic import STEP_MS, WINDOW_MS, Traffic
from simulators.road.trouble import Places, Scene, Spoken, Trouble

# Before the first step the roads fill for a while: nobody sees it, and no scenario is on.
_WARM_UP_MS = 900_000
_LONGEST_WINDOW_MS = 300_000  # a bin of five minutes is the longest that anybody uses
_OLD_COUNTERS = 50_000_000
_COLUMNS = {"tl1": 10, "pv1": 7, "etc1": 6, "wim1": 11, "env1": 12}
_NONE = np.empty(0, dtype=np.int64)
_NOTHING = {
    profile: Rows(_NONE, _NONE, np.empty((0, columns), dtype=np.int64))
    for profile, columns in _COLUMNS.items()
}


class _Speakers(NamedTuple):
    """Devices that speak of single vehicles."""

    radars: Radars
    tolls: Tolls
    scales: Scales


class Road:
    """All roads of a city and what stands at them.

    Args:
        seed: names everything.
        lanes: under detectors, at least 1.
        supply: of the cabinets; None: they never lack power.
        interval_ms: of loops and sky, instead of 30 s and 10 min; rounded to steps of the model.
    """

    kinds = orders.KINDS

    def __init__(
        self, seed: int, lanes: int, supply: Supply | None = None, interval_ms: int | None = None
    ) -> None:
        if lanes < 1:
            raise ValueError("a road needs a lane")
        whole_ms = max(STEP_MS, (interval_ms or WINDOW_MS) // STEP_MS * STEP_MS)
        self.slot_ms = min(whole_ms, _LONGEST_WINDOW_MS)
        self.layout: Layout = build(seed, lanes)
        self._seed, self._supply = seed, supply
        loops, sky = (
            Loops(self.layout),
            Sky(self.layout, seed, INTERVAL_MS if interval_ms is None else self.slot_ms),
        )
        self._scene = Scene(
            self.layout, Traffic(self.layout.network, seed, self.slot_ms), loops, sky
        )
        self._speakers = _Speakers(
            Radars(self.layout), Tolls(self.layout, seed), Scales(self.layout, seed)
        )
        self._powered = powered(self.layout)
        counters = throw(keys(mix(seed, 65), 1, lanes), 1) * _OLD_COUNTERS
        self._counters: Ints = counters.astype(np.int64)
        self._troubles: list[Trouble] = []
        self._power: Power | None = None
        self._places = Places(self.layout)
        self._ended_ms = 0  # 0: has not begun

    def draw(self, kind: str, span: Span, ordinal: int, wish: Mapping[str, object]) -> Scenario:
        """Choose what an order leaves open (``World.draw``)."""
        if kind not in self.kinds:
            raise ValueError(f"the road does not know {kind!r}")
        order = orders.draw(self.layout, mix(self._seed, 66, ordinal), kind, span, wish)
        orders.make(self._scene, order, self._places)  # says what does not fit
        return order

    def apply(self, scenarios: Sequence[Scenario]) -> None:
        """Take the scenarios of the whole run."""
        self._troubles = [orders.make(self._scene, s, self._places) for s in scenarios]

    def nodes(self) -> Sequence[NodeRow]:
        """Return the places of the registry."""
        return tuple(node_rows(self.layout))

    def devices(self) -> Sequence[DeviceRow]:
        """Return the devices of the registry."""
        sky_ms, is_fed = self._scene.sky.interval_ms, self._supply is not None
        return tuple(device_rows(self.layout, self.slot_ms, sky_ms, is_fed=is_fed))

    def absences(self) -> Sequence[Absence]:
        """Return when which device is dark."""
        power = self._lines()
        dark = [gone for of in self._powered.values() for gone in power.absences(of)]
        return dark + [gone for trouble in self._troubles for gone in trouble.absences()]

    def truth(self) -> Sequence[Truth]:
        """Return what was true."""
        played = [
            trouble.truth(self._ended_ms)
            for trouble in self._troubles
            if trouble.happened and trouble.from_ms < self._ended_ms
        ]
        return played + self._lines().truth(tuple(self._powered.values()), self._ended_ms)

    def balance(self) -> Mapping[str, Mapping[str, float]]:
        """Return how many vehicles came, are on the roads or before them, and left."""
        people, links = self._scene.traffic.vehicles, self.layout.network.last.size
        on_road = int((people.crowd["place"] < links).sum())
        return {
            "road": {
                "arrived": int(people.arrived.sum()),
                "on_the_road": on_road,
                "waiting": people.crowd.size - on_road,
                "left": int(people.gone.sum()),
            }
        }

    def carried(self) -> Carried:
        """Return what stands in the counters of loops and in rain gauges."""
        return {
            name: [float(value)]
            for names, values in self._gauges()
            for name, value in zip(names, values.tolist(), strict=True)
        }

    def carry(self, carried: Carried) -> None:
        """Go on from there; who was on the roads then has gone home."""
        for names, values in self._gauges():
            for k, name in enumerate(names):
                if name in carried:
                    values[k] = carried[name][0]

    def _gauges(self) -> list[tuple[Sequence[str], Ints | Floats]]:
        loops = [name for station in self.layout.stations for name in station.loops]
        return [(loops, self._counters), (self._scene.sky.names, self._scene.sky.rain_tenths)]

    def step(self, from_ms: int, to_ms: int) -> Step:
        """Let the time pass, window by window."""
        if not self._ended_ms:
            self._warm_up(from_ms)
        spoken: dict[str, list[Rows]] = {profile: [] for profile in self._powered}
        for window_ms in range(from_ms, to_ms, self.slot_ms):
            for profile, said in self._window(window_ms).items():
                spoken[profile].append(said)
        self._ended_ms = to_ms
        return Step([self._readings(profile, said) for profile, said in spoken.items()], ())

    def _warm_up(self, from_ms: int) -> None:
        for window_ms in range(from_ms - _WARM_UP_MS, from_ms, self.slot_ms):
            window = self._scene.traffic.window(window_ms)
            self._speakers.radars.rows(window.from_ms, self._scene.loops.hits(window))

    def _lines(self) -> Power:
        """Return the cabinets' power; asked late, since the grid learns its scenarios first."""
        if self._power is None:
            self._power = Power(self._supply, cabinets_for(self.layout.lanes))
        return self._power

    def _window(self, from_ms: int) -> dict[str, Rows]:
        active = [trouble for trouble in self._troubles if trouble.is_on(from_ms)]
        self._heal()
        for trouble in active:
            trouble.press()
        window = self._scene.traffic.window(from_ms)
        hits = self._scene.loops.hits(window)
        lit_from_s = self._lines().lit_from_s(self._powered["tl1"], window.from_ms, window.to_ms)
        spoken = Spoken(
            window=window,
            hits=hits,
            bins=self._scene.loops.bins(window, hits, lit_from_s),
            radar=self._speakers.radars.rows(from_ms, hits),
            toll=self._speakers.tolls.rows(from_ms, window.ends),
            scale=self._speakers.scales.rows(from_ms, hits),
            dark=~np.isfinite(lit_from_s),
        )
        for trouble in active:
            trouble.bend(spoken)
        for trouble in self._troubles:
            if trouble.from_ms <= from_ms:
                trouble.watch(window)
        self._counters += spoken.bins.counts.sum(axis=1)
        return self._said(spoken, window.to_ms)

    def _heal(self) -> None:
        """Undo what scenarios did to the road; those that are on do it again."""
        cells, sky = self._scene.traffic.cells, self._scene.sky
        for shares in (cells.open_share, cells.speed_share, cells.exit_share):
            shares[:] = 1.0
        sky.depth_m[:], sky.more_rain_mm_h[:] = -np.inf, 0.0
        self._scene.loops.closed.clear()

    def _said(self, spoken: Spoken, to_ms: int) -> dict[str, Rows]:
        loops = np.arange(self.layout.lanes)
        when_ms = np.full(self.layout.lanes, to_ms, dtype=np.int64)
        said = {
            "tl1": Rows(loops, when_ms, rows(spoken.bins, self._counters)),
            "pv1": spoken.radar,
            "etc1": spoken.toll,
            "wim1": spoken.scale,
        }
        if to_ms % self._scene.sky.interval_ms == 0:
            said["env1"] = self._scene.sky.rows(to_ms)
        return said

    def _readings(self, profile: str, said: list[Rows]) -> Readings:
        of, power = self._powered[profile], self._lines()
        said = [_NOTHING[profile], *said]
        device = np.concatenate([part.device for part in said])
        at_ms = np.concatenate([part.at_ms for part in said])
        values = np.concatenate([part.values for part in said])
        lit = power.lit(of, device, at_ms) & ~self._dead(of, device, at_ms)
        device, at_ms, values = device[lit], at_ms[lit], values[lit]
        order = np.argsort(at_ms, kind="stable")
        at_ms = at_ms[order]
        return Readings(
            profile=profile,
            names=of.names,
            device=device[order].astype(np.int32),
            at_ms=at_ms,
            time_ms=at_ms,
            values=values[order],
            status=np.zeros(at_ms.size, dtype=np.uint8),
        )

    def _dead(self, of: Powered, device: Ints, at_ms: Ints) -> NDArray[np.bool_]:
        """Return which rows a dead device did not make."""
        dead = np.zeros(device.size, dtype=np.bool_)
        for gone in (gone for trouble in self._troubles for gone in trouble.absences()):
            if gone.reason == "dark" and gone.device in of.names:
                mine = device == of.names.index(gone.device)
                # the row at its end would be of the interval before it
                dead |= mine & (at_ms >= gone.span.from_ms) & (at_ms <= gone.span.to_ms)
        return dead
