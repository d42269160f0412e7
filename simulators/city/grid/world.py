"""The grid as a world of the city: loads, power flow, instruments, scenarios, books."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from typing_extensions import override

from simulators.city.dice import keys, throw
from simulators.city.frame import (
    Absence,
    Carried,
    DeviceRow,
    Floats,
    Ints,
    NodeRow,
    Readings,
    Scenario,
    Span,
    Step,
    Supply,
    Truth,
    World,
)
from simulators.city.grid import meters
from simulators.city.grid.alerts import Alerts
from simulators.city.grid.books import Books, Sight
from simulators.city.grid.effects import DARKENS, Effects, Mask, Measured
from simulators.city.grid.equipment import Equipment
from simulators.city.grid.layout import CABINET, NOMINAL_V, PHASES, build, source_of
from simulators.city.grid.loads import Loads
from simulators.city.grid.orders import KINDS, Orders
from simulators.city.grid.roster import Roster
from simulators.city.grid.sweep import Complexes, Flow
from simulators.city.weather import Weather

SLOT_MS = 300_000  # the load is constant for that long; every interval is a multiple of it
_SOURCE, _SOURCE_SWING = 1.025, 0.012  # of the nominal voltage, as a tap changer holds it
_HOUR_MS = 3_600_000
_NOTED = DARKENS | {"theft", "bypass", "reversed_ct", "meter_stopped"}
_NOTED |= {"voltage_out_of_band", "overload"}


class _Power(NamedTuple):
    """The electrical state of a step."""

    heads: Measured  # what comes in, feeder × phase × slot
    busbars: Measured  # what transformers give, transformer × phase × slot
    true: Measured  # customer × phase × slot
    wanted_w: Floats  # customer × slot
    flow: Flow
    source: Floats  # volts, feeder × phase × slot
    dark: Mask | None  # customer × phase × slot
    dead: Mask | None  # transformer × phase × slot


class Grid(World, Supply):
    """Substations, feeders, transformers and their customers.

    Args:
        seed: names the whole grid.
        customers: homes and shops, each with a meter.
        cabinets: at the road, each with a meter, fed like a home.
        interval_ms: of every device, instead of 30, 15 and 10 min.
        clock_s: standard deviation of the devices' clocks.
    """

    kinds = frozenset(KINDS)

    def __init__(
        self,
        seed: int,
        customers: int,
        cabinets: int = 0,
        interval_ms: int | None = None,
        clock_s: float = meters.CLOCK_S,
    ) -> None:
        self.slot_ms = SLOT_MS if interval_ms is None else min(interval_ms, SLOT_MS)
        self.layout = layout = build(seed, customers, cabinets)
        self.roster = Roster(layout, interval_ms)
        self._seed = seed
        self._weather = Weather(seed)
        self._loads = Loads(seed, layout, self._weather)
        self._orders = Orders(seed, layout, self.roster, self.slot_ms)
        self._cabinets = np.flatnonzero(layout.kind == CABINET)
        self._share = _phase_shares(seed, layout.is_three_phase, layout.phase)
        self._points = np.nonzero(layout.services >= 0)
        self._equipment = Equipment(seed, layout, self.roster, self._weather, clock_s)
        self._ended_ms = 0
        self.apply(())

    @override
    def draw(self, kind: str, span: Span, ordinal: int, wish: Mapping[str, object]) -> Scenario:
        return self._orders.draw(kind, span, ordinal, wish)

    @override
    def apply(self, scenarios: Sequence[Scenario]) -> None:
        self._effects = Effects(self.layout, self.roster, scenarios)
        key = keys(self._seed, 21, 1)
        self._alerts = Alerts(self.layout, self.roster, self._effects, key)
        self._books = Books(self.layout, self.roster, self._effects)

    @override
    def nodes(self) -> Sequence[NodeRow]:
        return self.roster.nodes()

    @override
    def devices(self) -> Sequence[DeviceRow]:
        return self.roster.devices(self._effects.misplaced)

    @override
    def absences(self) -> Sequence[Absence]:
        return self._effects.absences()

    @override
    def feeds(self, cabinet: int) -> str:
        return self.roster.transformers[int(self.layout.transformer[self._cabinets[cabinet]])]

    @override
    def dark(self, cabinet: int) -> Sequence[Span]:
        return self._effects.dark_spans(int(self._cabinets[cabinet]))

    @override
    def truth(self) -> Sequence[Truth]:
        return self._books.truth(self._ended_ms)

    @override
    def balance(self) -> Mapping[str, Mapping[str, float]]:
        return self._books.balance()

    @override
    def carried(self) -> Carried:
        return self._equipment.carried()

    @override
    def carry(self, carried: Carried) -> None:
        self._equipment.carry(carried)

    @override
    def step(self, from_ms: int, to_ms: int) -> Step:
        edges = np.arange(from_ms, to_ms + 1, self.slot_ms, dtype=np.int64)
        if from_ms % self.slot_ms or edges[-1] != to_ms or edges.size == 1:
            raise ValueError("a step begins and ends on a multiple of slot_ms")
        power = self._flow(edges)
        volts = np.zeros(power.true.active_w.shape)
        volts[self._points] = np.abs(power.flow.voltage[self.layout.services[self._points]])
        seen, hidden = self._effects.measure(edges, power.true)
        now = meters.Step(edges, self.slot_ms, self._frequency(edges), self._effects.clocks(edges))
        readings = self._equipment.read_customers(now, seen, volts, power.dark)
        loading = self._read_utility(now, power, readings)
        self._enter(edges, power, seen, hidden, (volts, loading))
        alive = np.broadcast_to((self.layout.services >= 0)[:, :, None], volts.shape)
        alive = alive if power.dark is None else alive & ~power.dark
        events = self._alerts.until(to_ms)
        events += self._alerts.voltages(edges[:-1], self.slot_ms, volts, alive)
        self._ended_ms = to_ms
        return Step([batch for batch in readings if batch.device.size], events)

    def _flow(self, edges: Ints) -> _Power:
        """Let everybody draw what they want, and find out what the wires make of it."""
        layout, effects = self.layout, self._effects
        load = self._loads.at(edges[:-1] + self.slot_ms // 2)
        effects.raise_load(edges, load)
        spread = Measured(*(part[:, None, :] * self._share[:, :, None] for part in load))
        dead = effects.dead_phases(edges)
        node_dead = None
        if dead is not None:
            node_dead = dead[layout.node_transformer, layout.node_phase]
            node_dead[layout.node_transformer < 0] = False
        dark = self._dark(edges, dead)
        if dark is not None:
            for part in spread:
                part[dark] = 0
        power = np.zeros((layout.network.parent.size, edges.size - 1), dtype=np.complex128)
        at = layout.services[self._points]
        power[at] = spread.active_w[self._points] + 1j * spread.reactive_var[self._points]
        source = self._source(edges) * effects.source_factor(edges)
        flow = layout.network.solve(power, source_of(source), node_dead)
        source_v = np.repeat(source[:, None, :], PHASES, axis=1)
        heads = _complex_power(source_v, flow.current[layout.heads])
        busbars = _complex_power(flow.voltage[layout.busbars], flow.current[layout.busbars])
        return _Power(heads, busbars, spread, load.active_w, flow, source_v, dark, dead)

    def _dark(self, edges: Ints, dead: Mask | None) -> Mask | None:
        """Return where customers have no voltage, customer × phase × slot."""
        cut = self._effects.dead_customers(edges)
        dark = None if dead is None else dead[self.layout.transformer]
        if cut is None:
            return dark
        every = np.repeat(cut[:, None, :], PHASES, axis=1)
        return every if dark is None else every | dark

    def _source(self, edges: Ints) -> Floats:
        """Return the voltage of each feeder's busbar: the tap changer follows the load slowly."""
        substations = self.layout.substation
        hour = edges[:-1] // _HOUR_MS
        key = keys(self._seed, 22, int(substations[-1]) + 1)[:, None]
        swing = (throw(key, hour) - 0.5) * 2 * _SOURCE_SWING
        swing += (throw(key, edges[:-1] // self.slot_ms + (1 << 40)) - 0.5) * 0.004
        return np.asarray(NOMINAL_V * (_SOURCE + swing)[substations])

    def _frequency(self, edges: Ints) -> Floats:
        key = keys(self._seed, 23, 1)[:, None]
        usual_hz = 50 + 0.08 * (throw(key, edges[:-1] // self.slot_ms)[0] - 0.5)
        return np.asarray(usual_hz + self._effects.frequency_off_hz(edges))

    def _read_utility(self, now: meters.Step, power: _Power, readings: list[Readings]) -> Floats:
        """Add what the utility's own instruments read; return the loading of transformers."""
        layout, flow, own = self.layout, power.flow, self._equipment
        utility = now._replace(drifts={})
        busbars = np.abs(flow.voltage[layout.busbars])
        air_c = self._weather.temperature_c(now.edges[:-1])
        rows, loading = own.transformers.read(utility, power.busbars, busbars, power.dead, air_c)
        readings += [
            own.heads.read(utility, power.heads, power.source, None),
            rows,
            own.quality.read(utility, busbars, power.dead),
            own.stations.read(utility),
        ]
        return loading

    def _enter(
        self,
        edges: Ints,
        power: _Power,
        seen: Measured,
        hidden: Mapping[int, Floats],
        extra: tuple[Floats, Floats],
    ) -> None:
        sight = Sight(
            slot_ms=self.slot_ms,
            flow=power.flow,
            head_w=power.heads.active_w.sum(axis=1),
            busbar_w=power.busbars.active_w.sum(axis=1),
            true_w=power.true.active_w.sum(axis=1),
            seen_w=seen.active_w.sum(axis=1),
            wanted_w=power.wanted_w,
            volts=extra[0],
            loading=extra[1],
        )
        self._books.enter(sight)
        for number, watts in hidden.items():
            self._books.hide(number, watts, self.slot_ms)
        for number, scenario, on in self._effects.running(edges, _NOTED):
            self._books.note(number, scenario, on, sight)


def _phase_shares(seed: int, is_three_phase: Mask, phase: Ints) -> Floats:
    """Return which part of a customer's load is on which phase; no shop is in balance."""
    key = keys(seed, 24, phase.size)
    raw = np.stack([1 + 0.35 * throw(key, k) for k in range(PHASES)], axis=1)
    spread = raw / raw.sum(axis=1, keepdims=True)
    alone = np.eye(PHASES)[phase]
    return np.where(is_three_phase[:, None], spread, alone)


def _complex_power(volts: Floats | Complexes, amperes: Complexes) -> Measured:
    power = volts * np.conj(amperes)
    return Measured(power.real, power.imag)
