"""Scenarios as masks and factors over customers and moments, and what they hid, added up."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.city.frame import Absence, Floats, Ints, Scenario, Span
from simulators.city.grid.layout import PHASES, Layout
from simulators.city.grid.loads import Load
from simulators.city.grid.roster import Roster

Mask = NDArray[np.bool_]
_HIDES = frozenset({"theft", "bypass"})
_OF_TRANSFORMERS = frozenset({"feeder_outage", "transformer_outage", "phase_loss"})
SERVICE = "service_outage"  # the fuse of one customer
DARKENS = _OF_TRANSFORMERS | {SERVICE}


class Measured(NamedTuple):
    """What the meter of a customer sees of its load, customer × phase × moment."""

    active_w: Floats
    reactive_var: Floats


class Effects:
    """All scenarios of a run."""

    def __init__(self, layout: Layout, roster: Roster, scenarios: Sequence[Scenario]) -> None:
        self.scenarios = scenarios
        self._layout, self._roster = layout, roster
        self._factor = {
            number: float(scenario.parameters["factor"])
            for number, scenario in enumerate(scenarios)
            if "factor" in scenario.parameters
        }

    @property
    def misplaced(self) -> dict[int, str]:
        """Return the transformers of the registry that are wrong, by customer."""
        wrong = (s for s in self.scenarios if s.kind == "wrong_transformer")
        return {self._roster.customer(s.where): str(s.parameters["registered"]) for s in wrong}

    def running(self, edges: Ints, kinds: frozenset[str]) -> Iterator[tuple[int, Scenario, Mask]]:
        """Yield the scenarios of some kinds that are on in a step, with the slots they are on."""
        begins = edges[:-1]
        for number, scenario in enumerate(self.scenarios):
            if scenario.kind in kinds:
                on = (begins >= scenario.from_ms) & (begins < scenario.to_ms)
                if on.any():
                    yield number, scenario, on

    def dead_phases(self, edges: Ints) -> Mask | None:
        """Return transformer × phase × slot without voltage, None where all is well."""
        dead = None
        for _, scenario, on in self.running(edges, _OF_TRANSFORMERS):
            if dead is None:
                dead = np.zeros((self._layout.feeder.size, PHASES, on.size), dtype=np.bool_)
            dead[self._struck(scenario)] |= on
        return dead

    def dead_customers(self, edges: Ints) -> Mask | None:
        """Return customer × slot without a service, None where all have theirs."""
        dead = None
        for _, scenario, on in self.running(edges, frozenset({SERVICE})):
            if dead is None:
                dead = np.zeros((self._layout.kind.size, on.size), dtype=np.bool_)
            dead[self._roster.customer(scenario.where)] |= on
        return dead

    def source_factor(self, edges: Ints) -> Floats:
        """Return what the voltage of each feeder is multiplied by, feeder × slot."""
        factor = np.ones((self._layout.heads.shape[0], edges.size - 1))
        for number, scenario, on in self.running(edges, frozenset({"voltage_out_of_band"})):
            factor[self._roster.feeders.index(scenario.where)][on] *= self._factor[number]
        return factor

    def frequency_off_hz(self, edges: Ints) -> Floats:
        """Return how far the frequency of the whole system is off, by slot."""
        off_hz = np.zeros(edges.size - 1)
        for _, scenario, on in self.running(edges, frozenset({"frequency_deviation"})):
            off_hz[on] += float(scenario.parameters["hz"])
        return off_hz

    def raise_load(self, edges: Ints, load: Load) -> None:
        """Let the customers of overloaded transformers draw more, in place."""
        for number, scenario, on in self.running(edges, frozenset({"overload"})):
            of = self._roster.transformers.index(scenario.where)
            who = np.ix_(self._layout.transformer == of, on)
            for power in load:
                power[who] *= self._factor[number]

    def measure(self, edges: Ints, true: Measured) -> tuple[Measured, dict[int, Floats]]:
        """Return what the meters see, and per scenario the watts by slot that they do not."""
        kinds = _HIDES | {"meter_stopped", "reversed_ct"}
        seen, hidden = true, {}
        for number, scenario, on in self.running(edges, kinds):
            if seen is true:
                seen = Measured(true.active_w.copy(), true.reactive_var.copy())
            customer = self._roster.customer(scenario.where)
            before = seen.active_w[customer].sum(axis=0)
            for power in seen:
                _bend(scenario, on, power[customer])
            hidden[number] = before - seen.active_w[customer].sum(axis=0)
        return seen, hidden

    def clocks(self, edges: Ints) -> dict[int, tuple[Floats, Floats]]:
        """Return how far drifting clocks are ahead, ms, at the begin and end of each slot."""
        ahead = {}
        for _, scenario, on in self.running(edges, frozenset({"clock_drift"})):
            length_ms = scenario.to_ms - scenario.from_ms
            full_ms = 1000 * float(scenario.parameters["offset_s"])
            at = np.clip((edges - scenario.from_ms) / length_ms, 0, 1) * full_ms
            ahead[self._roster.customer(scenario.where)] = (at[:-1] * on, at[1:] * on)
        return ahead

    def blackouts(self) -> Iterator[tuple[str, Span]]:
        """Yield each device that has no power for a time."""
        for scenario in self.scenarios:
            if scenario.kind in DARKENS:
                for device in self.darkened(scenario):
                    yield device, Span(scenario.from_ms, scenario.to_ms)

    def darkened(self, scenario: Scenario) -> list[str]:
        """Return the devices that an outage leaves without power."""
        if scenario.kind == SERVICE:
            return [scenario.where]
        under = self._roster.under(scenario.where)
        if scenario.kind != "phase_loss":
            return list(under)
        layout, roster = self._layout, self._roster
        phase = int(scenario.parameters["phase"]) - 1
        meters = (roster.customer(name) for name in under if roster.is_customer(name))
        # a three-phase instrument lives on the phases that are left
        lost = [k for k in meters if not layout.is_three_phase[k] and layout.phase[k] == phase]
        return [roster.customers[k] for k in lost]

    def absences(self) -> list[Absence]:
        """See ``frame.World.absences``."""
        dark = [Absence(device, span, "dark") for device, span in self.blackouts()]
        for scenario in self.scenarios:
            if scenario.kind == "comms_outage":
                where = scenario.where
                is_one = self._roster.is_customer(where)
                cut = [where] if is_one else self._roster.under(where)
                span = Span(scenario.from_ms, scenario.to_ms)
                dark += [Absence(device, span, "cut off") for device in cut]
        return dark

    def dark_spans(self, customer: int) -> list[Span]:
        """Return when a customer has no voltage, in order and merged."""
        layout = self._layout
        phase, of = int(layout.phase[customer]), int(layout.transformer[customer])
        spans = sorted(
            Span(scenario.from_ms, scenario.to_ms)
            for scenario in self.scenarios
            if (scenario.kind in _OF_TRANSFORMERS and self._struck_mask(scenario)[of, phase])
            or (scenario.kind == SERVICE and self._roster.customer(scenario.where) == customer)
        )
        merged: list[Span] = []
        for span in spans:
            if merged and span.from_ms <= merged[-1].to_ms:
                merged[-1] = Span(merged[-1].from_ms, max(merged[-1].to_ms, span.to_ms))
            else:
                merged.append(span)
        return merged

    def _struck_mask(self, scenario: Scenario) -> Mask:
        struck = np.zeros((self._layout.feeder.size, PHASES), dtype=np.bool_)
        struck[self._struck(scenario)] = True
        return struck

    def _struck(self, scenario: Scenario) -> tuple[Ints | int, int | slice]:
        """Return an index into transformers × phases."""
        if scenario.kind == "feeder_outage":
            feeder = self._roster.feeders.index(scenario.where)
            return np.flatnonzero(self._layout.feeder == feeder), slice(None)
        of = self._roster.transformers.index(scenario.where)
        if scenario.kind == "phase_loss":
            return of, int(scenario.parameters["phase"]) - 1
        return of, slice(None)


def _bend(scenario: Scenario, on: Mask, power: Floats) -> None:
    """Change what one meter sees, phase × moment, in place."""
    if scenario.kind == "reversed_ct":
        power[int(scenario.parameters["phase"]) - 1, on] *= -1
    elif scenario.kind == "meter_stopped":
        power[:, on] = 0
    else:
        power[:, on] *= 1 - float(scenario.parameters["share"])
