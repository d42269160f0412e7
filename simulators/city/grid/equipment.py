"""All instruments of the grid, and what stands in them from one step to the next."""

from collections.abc import Mapping, Sequence

import numpy as np

from simulators.city.frame import Carried, Floats, Ints, Readings
from simulators.city.grid import meters
from simulators.city.grid.effects import Mask, Measured
from simulators.city.grid.instruments import Quality, Stations
from simulators.city.grid.layout import Layout
from simulators.city.grid.meters import GAIN_05, GAIN_1, Bank
from simulators.city.grid.roster import DTM_MS, EM_MS, ENV_MS, PQ_MS, Roster
from simulators.city.weather import Weather


class Equipment:
    """Meters of customers, feeders and transformers, quality recorders, weather stations.

    Args:
        seed: names their errors and what their registers began with.
        layout: who is where.
        roster: what they are called, and how often they are read.
        weather: over the stations.
        clock_s: standard deviation of their clocks.
    """

    def __init__(
        self, seed: int, layout: Layout, roster: Roster, weather: Weather, clock_s: float
    ) -> None:
        self._banks: list[Bank] = []

        def bank(profile: str, names: Sequence[str], gain: float, usual_ms: int) -> Bank:
            key = meters.bank_key(seed, len(self._banks), len(names))
            times = roster.interval_ms(usual_ms), clock_s
            self._banks.append(Bank(profile, names, key, gain, times))
            return self._banks[-1]

        who = np.flatnonzero(~layout.is_three_phase)
        self._three_who = np.flatnonzero(layout.is_three_phase)
        names = np.array(roster.customers)
        self._single = meters.SinglePhase(
            bank("em1", names[who].tolist(), GAIN_1, EM_MS), who, layout.phase[who]
        )
        self._three = meters.ThreePhase(bank("em3", names[self._three_who].tolist(), GAIN_1, EM_MS))
        self.heads = meters.ThreePhase(bank("em3", roster.heads, GAIN_05, EM_MS))
        self.transformers = meters.Transformers(
            bank("dtm", roster.transformer_meters, GAIN_05, DTM_MS), layout.rating_kva
        )
        self.quality = Quality(bank("pq3", roster.quality, GAIN_05, PQ_MS), roster.measured)
        self.stations = Stations(bank("env1", roster.stations, GAIN_05, ENV_MS), weather)

    def read_customers(
        self, now: meters.Step, seen: Measured, volts: Floats, dark: Mask | None
    ) -> list[Readings]:
        """Return what the meters of homes, shops and cabinets read."""
        one, three = self._single, self._three
        singles = now._replace(drifts=_among(now.drifts, one.who))
        result = [one.read(singles, seen, volts, dark)]
        who = self._three_who
        large = Measured(seen.active_w[who], seen.reactive_var[who])
        larges = now._replace(drifts=_among(now.drifts, who))
        result.append(three.read(larges, large, volts[who], None if dark is None else dark[who]))
        return result

    def carried(self) -> Carried:
        """Return what stands in registers, counters, gauges and oil."""
        known: dict[str, list[float]] = {}
        for bank in self._banks:
            for k, name in enumerate(bank.names):
                known[name] = [int(register.micro[k]) for register in bank.registers]
        for names, more in self._more():
            for k, name in enumerate(names):
                known[name] += np.atleast_1d(more[k]).tolist()
        return known

    def carry(self, carried: Carried) -> None:
        """Go on from there; a device that is not named stays as it was built."""
        for bank in self._banks:
            for k, name in enumerate(bank.names):
                for register, value in zip(bank.registers, carried.get(name, ()), strict=False):
                    register.micro[k] = value
        first = len(self._banks[0].registers)
        for names, more in self._more():
            for k, name in enumerate(names):
                if name in carried:
                    more[k] = carried[name][first] if more.ndim == 1 else carried[name][first:]

    def _more(self) -> list[tuple[Sequence[str], Floats | Ints]]:
        """Return what stands in devices beside the registers of energy."""
        return [
            (self.transformers.bank.names, self.transformers.oil_k),
            (self.quality.bank.names, self.quality.counts),
            (self.stations.bank.names, self.stations.rain_mm),
        ]


def _among(
    drifts: Mapping[int, tuple[Floats, Floats]], who: Ints
) -> Mapping[int, tuple[Floats, Floats]]:
    """Return the drifts of some customers by their place among them."""
    place = np.searchsorted(who, list(drifts))
    return {
        int(k): drift
        for k, (customer, drift) in zip(place, drifts.items(), strict=True)
        if k < who.size and who[k] == customer
    }
