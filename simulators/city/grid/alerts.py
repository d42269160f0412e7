"""What meters say of their own accord: last gasps, phases, covers, voltage out of limits."""

import zlib
from collections.abc import Iterator

import numpy as np

from simulators.city.dice import Words, throw
from simulators.city.frame import GASP_MS, LAST_GASP, Event, Floats, Ints, Scenario
from simulators.city.grid.effects import DARKENS, Effects, Mask
from simulators.city.grid.layout import NOMINAL_V, PHASES, Layout
from simulators.city.grid.roster import Roster

POWER_FAILURE, POWER_RETURNED, CLOCK_OLD, CLOCK_NEW = 1, 2, 4, 5
COVER_REMOVED, COVER_CLOSED = 40, 41
UNDER, OVER, NORMAL, PHASE_OUT, PHASE_BACK = 77, 80, 83, 86, 90
_GASPS = 0.85  # share of meters whose last message gets through
_BOOT_MS = (3_000, 20_000)
_MINUTES_MS = 600_000
_LOW, _HIGH = 0.9, 1.1  # of the nominal voltage
_MOST_PLACES = 1 << 20  # devices, eight numbers each
_HEALS = 0.01  # the limit is passed this far before all is well again


class Alerts:
    """Events of the scenarios, and of what voltages do by themselves."""

    def __init__(self, layout: Layout, roster: Roster, effects: Effects, key: Words) -> None:
        self._layout, self._roster, self._key = layout, roster, key
        self._effects = effects
        found = (event for s in effects.scenarios for event in self._of(s))
        self._planned = sorted(found, key=lambda event: event.at_ms)
        self._sent = 0
        self._state = np.zeros((layout.kind.size, PHASES), dtype=np.int8)  # −1 low, 1 high

    def until(self, end_ms: int) -> list[Event]:
        """Return what scenarios make devices say up to a moment, each once."""
        begin = self._sent
        while self._sent < len(self._planned) and self._planned[self._sent].at_ms <= end_ms:
            self._sent += 1
        return self._planned[begin : self._sent]

    def voltages(self, begins: Ints, slot_ms: int, volts: Floats, alive: Mask) -> list[Event]:
        """Return what limits were passed, customer × phase × slot."""
        u = volts / NOMINAL_V
        events = []
        if ((u > _LOW + _HEALS) & (u < _HIGH - _HEALS) | ~alive).all() and not self._state.any():
            return []
        for slot in range(u.shape[2]):
            here, known = u[..., slot], self._state
            state = np.where(here < _LOW, -1, np.where(here > _HIGH, 1, 0)).astype(np.int8)
            near = (here < _LOW + _HEALS) & (known < 0) | (here > _HIGH - _HEALS) & (known > 0)
            state = np.where(near, known, state)
            state = np.where(alive[..., slot], state, known).astype(np.int8)
            for customer, phase in zip(*np.nonzero(state != known), strict=True):
                at_ms = int(begins[slot]) + slot_ms // 2 + self._jitter(int(customer), slot_ms // 4)
                code = {-1: UNDER, 1: OVER, 0: NORMAL}[int(state[customer, phase])]
                on = int(phase) if self._layout.is_three_phase[customer] else 0
                name = self._roster.customers[customer]
                events.append(Event(name, at_ms, at_ms, code + on))
            self._state = state
        return events

    def _of(self, scenario: Scenario) -> Iterator[Event]:
        """Yield what one scenario makes its devices say."""
        if scenario.kind in DARKENS:
            yield from self._outage(scenario)
        elif scenario.kind == "bypass":
            from_ms = scenario.from_ms
            yield Event(scenario.where, from_ms, from_ms, COVER_REMOVED)
            yield Event(scenario.where, from_ms + _MINUTES_MS, from_ms + _MINUTES_MS, COVER_CLOSED)
        elif scenario.kind == "clock_drift":
            offset_ms = round(1000 * float(scenario.parameters["offset_s"]))
            yield Event(scenario.where, scenario.to_ms, scenario.to_ms + offset_ms, CLOCK_OLD)
            yield Event(scenario.where, scenario.to_ms, scenario.to_ms, CLOCK_NEW)

    def _outage(self, scenario: Scenario) -> Iterator[Event]:
        dark = self._effects.darkened(scenario)
        for name in dark:
            place = zlib.crc32(name.encode()) % (_MOST_PLACES // 8)
            # the moment is part of it: what one outage did to a device, another need not
            part = scenario.from_ms // 1000 * _MOST_PLACES + 8 * place
            draws = [float(x) for x in throw(self._key, np.arange(4) + part)]
            if draws[0] < _GASPS:
                at_ms = scenario.from_ms + 100 + round(draws[1] * (GASP_MS - 200))
                yield Event(name, at_ms, at_ms, LAST_GASP)
            at_ms = scenario.to_ms + _BOOT_MS[0] + round(draws[2] * (_BOOT_MS[1] - _BOOT_MS[0]))
            yield Event(name, at_ms, at_ms, POWER_RETURNED)
        if scenario.kind == "phase_loss":
            phase = int(scenario.parameters["phase"]) - 1
            for name in sorted(set(self._roster.under(scenario.where)) - set(dark)):
                if not self._is_single(name):
                    at_ms = scenario.from_ms + 1000
                    yield Event(name, at_ms, at_ms, PHASE_OUT + phase)
                    at_ms = scenario.to_ms + 1000
                    yield Event(name, at_ms, at_ms, PHASE_BACK + phase)

    def _is_single(self, name: str) -> bool:
        if not self._roster.is_customer(name):
            return False
        return not self._layout.is_three_phase[self._roster.customer(name)]

    def _jitter(self, customer: int, most_ms: int) -> int:
        return int(throw(self._key, np.array([9000 + customer]))[0] * most_ms)
