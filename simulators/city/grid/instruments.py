"""Power quality recorders (``pq3``) and weather stations (``env1``)."""

import numpy as np

from simulators.city import calendar
from simulators.city.dice import throw
from simulators.city.frame import Floats, Ints, Readings
from simulators.city.grid.effects import Mask
from simulators.city.grid.layout import NOMINAL_V
from simulators.city.grid.meters import Bank, Step, all_phases
from simulators.city.grid.sampling import Rows
from simulators.city.weather import Weather
from simulators.homes import ACTIVITY

_SAG, _SWELL, _GONE = 0.9, 1.1, 0.05  # of the nominal voltage, EN 50160
_TURN = np.exp(2j * np.pi / 3 * np.arange(3))
_RAIN_STEP_MS = 60_000


class Quality:
    """Instruments at the busbar of some transformers."""

    def __init__(self, bank: Bank, of: Ints) -> None:
        self.bank, self._of = bank, of
        self._below = np.zeros((of.size, 3), dtype=np.bool_)
        self._above = np.zeros_like(self._below)
        self._gone = np.zeros(of.size, dtype=np.bool_)
        self.counts = np.zeros((of.size, 8), dtype=np.int64)  # sags, swells, failures, long ones

    def read(self, step: Step, volts: Floats, dark: Mask | None) -> Readings:
        """Return the rows; ``volts`` are of all transformers."""
        u = volts[self._of]
        counts = self._count(u / NOMINAL_V)
        rows = self.bank.due(step, all_phases(None if dark is None else dark[self._of]))
        here = u[rows.device, :, rows.slot]
        hour = calendar.local_hour(rows.time_ms)
        evening = calendar.by_hour(np.array(ACTIVITY), hour)[:, None]
        key = self.bank.key[rows.device][:, None]
        part = rows.time_ms[:, None] // self.bank.interval_ms * 8 + np.arange(3)
        thd = 1.4 + 2.2 * evening + 0.8 * throw(key, part)
        flicker = 0.12 + 0.5 * throw(key, part + 4) ** 3
        columns = [
            *step.whole(here * 100).T,
            step.whole(step.frequency_hz[rows.slot] * 1000),
            step.whole(_unbalance(here) * 1e4),
            *step.whole(thd * 100).T,
            *step.whole(flicker * 1000).T,
            *counts[rows.device, rows.slot].T,
        ]
        return self.bank.readings(rows, columns)

    def _count(self, u: Floats) -> Ints:
        """Count what begins in each slot; return the counters at the end of each."""
        is_gone = np.asarray((u < _GONE).all(axis=1))
        is_below, is_above = (u < _SAG) & ~is_gone[:, None], u > _SWELL
        counts = np.empty((u.shape[0], u.shape[2], self.counts.shape[1]), dtype=np.int64)
        for slot in range(u.shape[2]):
            below, above, gone = is_below[..., slot], is_above[..., slot], is_gone[:, slot]
            failed = gone & ~self._gone
            self.counts[:, :3] += below & ~self._below
            self.counts[:, 3:6] += above & ~self._above
            self.counts[:, 6] += failed
            self.counts[:, 7] += failed  # a slot is longer than what counts as short
            self._below, self._above, self._gone = below, above, gone
            counts[:, slot] = self.counts
        return counts


def _unbalance(volts: Floats) -> Floats:
    """Return negative over positive sequence of magnitudes at their nominal angles."""
    phasors = volts * _TURN.conj()
    positive, negative = phasors @ _TURN, phasors @ _TURN.conj()
    level = np.abs(positive)
    share = np.divide(np.abs(negative), level, out=np.zeros_like(level), where=level > 1)
    return np.asarray(share)


class Stations:
    """One weather station for each area; its own air differs a little from the city's."""

    def __init__(self, bank: Bank, weather: Weather) -> None:
        self.bank, self._weather = bank, weather
        self.rain_mm = bank.registers[0].micro / 1e9  # some rain has fallen since it was new
        self._share = 0.8 + 0.4 * throw(bank.key, 1)

    def read(self, step: Step) -> Readings:
        """Return the rows."""
        rows = self.bank.due(step, None)
        weather, at = self._weather, rows.time_ms
        rain = weather.rain_mm_h(at) * self._share[rows.device]
        key, part = self.bank.key[rows.device], at // self.bank.interval_ms * 4
        wind = weather.wind_m_s(at) * (0.8 + 0.4 * throw(key, part))
        humidity = weather.humidity(at)
        dust = (18 + 45 * (1 - np.minimum(wind / 4, 1))) * (1 - 0.5 * np.minimum(rain, 1))
        dust *= 0.9 + 0.2 * throw(key, part + 1)
        level_m = 0.9 + 0.012 * weather.rain_mm_h(at - 1_800_000)
        sight_m = 20_000 / (1 + 0.3 * rain + 12 * np.maximum(humidity - 0.93, 0))
        pressure = 1012 - 0.35 * (weather.temperature_c(at) - 24)
        columns = [
            step.whole(self._rain(step, rows) * 10),
            step.whole(rain * 10),
            step.whole(level_m * 1000),
            step.whole((weather.temperature_c(at) + throw(key, part + 2) - 0.5) * 10),
            step.whole(humidity * 1000),
            *(step.whole(dust * 10), step.whole(dust * 16)),
            *(step.whole(wind * 10), step.whole(wind * (1.3 + 0.5 * throw(key, part + 3)) * 10)),
            step.whole(throw(key, at // 7_200_000 + 9) * 360),
            *(step.whole(sight_m), step.whole(pressure * 10)),
        ]
        return self.bank.readings(rows, columns)

    def _rain(self, step: Step, rows: Rows) -> Floats:
        """Let it rain through the step; return the gauges at the readings."""
        minutes = np.arange(step.edges[0], step.edges[-1], min(_RAIN_STEP_MS, step.slot_ms))
        each_mm = self._weather.rain_mm_h(minutes) * np.diff(minutes, append=step.edges[-1]) / 3.6e6
        fallen = np.concatenate(([0.0], np.cumsum(each_mm)))
        place = np.searchsorted(minutes, rows.at_ms, side="left")
        gauge = self.rain_mm[rows.device] + fallen[place] * self._share[rows.device]
        self.rain_mm = self.rain_mm + fallen[-1] * self._share
        return gauge
