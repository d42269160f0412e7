"""What homes, shops and cabinets draw, and what roofs give, for whole arrays of moments.

A function of seed, customer and time: nothing is remembered, so any moment can be asked for.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from simulators.city import calendar
from simulators.city.dice import Words, keys, throw
from simulators.city.frame import Floats, Ints
from simulators.city.grid import sessions
from simulators.city.grid.layout import CABINET, HOME, SHOP, Layout
from simulators.city.grid.sessions import part_of, presence
from simulators.city.weather import Weather
from simulators.homes import ACTIVITY

_MS_PER_HOUR = 3_600_000
_NOISE_MS = 300_000
_MOOD_MS, _MOOD = 3 * 3_600_000, (0.2, 1.8)  # lights, screens and fans are on for hours
_HEATER_SHARE, _HEATER_W = 0.6, 2500.0
_AWAY_AT_TET, _SHOPS_SHUT_AT_TET, _SHOPS_SHUT_ON_SUNDAY = 0.3, 0.85, 0.35
_FRIDGE_DUTY = 0.38
_LEAST_DUTY, _DUTY_BY_HEAT = 0.5, 0.4  # of a compressor
_FAN, _STANDBY = 0.05, 0.02  # of the power of a cooler, between two runs and when it is off
# tan φ, as in ``homes``: electronics, compressors of fridges, coolers; motors of shops
_TAN_SMALL, _TAN_FRIDGE, _TAN_COOLER, _TAN_SHOP = 0.35, 0.65, 0.4, 0.42
_HOURS = np.arange(24)
_OPEN = np.interp(_HOURS, (0, 5, 8, 11, 13, 18, 21, 22.5, 24), (0, 0, 0.8, 1, 0.75, 1, 0.9, 0, 0))


class Load(NamedTuple):
    """Power at the connection, customer × moment; negative where a roof gives more."""

    active_w: Floats
    reactive_var: Floats


class _Air(NamedTuple):
    """What is the same for everybody, by moment."""

    heat: Floats  # how much cooling is wanted, 0 to 1
    sun: Floats
    is_weekend: Floats
    is_sunday: Floats
    is_tet: Floats


class Loads:
    """All customers of a grid."""

    def __init__(self, seed: int, layout: Layout, weather: Weather) -> None:
        self._weather = weather
        self._kind = layout.kind
        self._key = keys(seed, 10, layout.kind.size)
        self._solar_w = layout.solar_w[:, None]
        # one group after the other: a home computes nothing of a shop
        self._homes = _Homes.draw(self._key, np.flatnonzero(layout.kind == HOME))
        self._shops = _Shops.draw(self._key, np.flatnonzero(layout.kind == SHOP), layout)
        self._cabinets = np.flatnonzero(layout.kind == CABINET)

    def at(self, time_ms: Ints) -> Load:
        """Return what everybody draws at those moments, in ascending order."""
        air = self._air(time_ms)
        active_w = np.empty((self._kind.size, time_ms.size))
        reactive_var = np.empty_like(active_w)
        homes, shops = self._homes.who, self._shops.who
        active_w[homes], reactive_var[homes] = self._homes.at(time_ms, air, self._weather)
        active_w[shops], reactive_var[shops] = self._shops.at(time_ms, air)
        active_w[self._cabinets] = 160.0 + 60.0 * air.heat  # controller, modem, radars, fans
        reactive_var[self._cabinets] = 45.0
        active_w -= self._solar_w * air.sun
        return Load(active_w, reactive_var)

    def _air(self, time_ms: Ints) -> _Air:
        weather = self._weather
        day = calendar.weekday(time_ms)
        return _Air(
            sessions.heat_of(weather.temperature_c(time_ms)),
            weather.sun(time_ms),
            ((day >= calendar.SATURDAY) | calendar.is_holiday(time_ms)).astype(np.float64),
            (day == calendar.SUNDAY).astype(np.float64),
            calendar.is_tet(time_ms).astype(np.float64),
        )


@dataclass(frozen=True)
class _Homes:
    who: Ints
    key: Words
    phase_h: Floats  # some get up earlier
    standby_w: Floats
    lights_w: Floats
    fridge_w: Floats
    fridge_ms: Floats
    cooler_w: Floats
    cooler_ms: Floats  # from start to start of its compressor
    cooker_w: Floats
    heater_w: Floats
    is_away_at_tet: Floats

    @classmethod
    def draw(cls, key: Words, who: Ints) -> "_Homes":
        own = key[who][:, None]
        coolers = np.array((0.0, 0.0, 850.0, 1100.0, 1900.0))
        return cls(
            *(who, own, -0.75 + 1.5 * throw(own, 1), 25 + 85 * throw(own, 2)),
            *(90 + 330 * throw(own, 3), 80 + 70 * throw(own, 4), 2.4e6 + 1.8e6 * throw(own, 5)),
            *(coolers[(throw(own, 6) * 5).astype(np.int64)], 7.8e5 + 3.6e5 * throw(own, 10)),
            700 + 1100 * throw(own, 7),
            np.where(throw(own, 8) < _HEATER_SHARE, _HEATER_W, 0.0),
            (throw(own, 9) < _AWAY_AT_TET).astype(np.float64),
        )

    def at(self, time_ms: Ints, air: _Air, weather: Weather) -> tuple[Floats, Floats]:
        """Return watts and vars; the parts are those of ``homes.Home``."""
        hour = (calendar.local_hour(time_ms) + self.phase_h) % 24
        activity = calendar.by_hour(np.array(ACTIVITY), hour) + 0.12 * air.is_weekend
        noise = 0.75 + 0.5 * throw(self.key, part_of(time_ms // _NOISE_MS, 1))
        present = presence(self.is_away_at_tet, air.is_tet)
        small_w = self.standby_w + self.lights_w * activity * noise * self._mood(time_ms) * present
        runs = (time_ms / self.fridge_ms + throw(self.key, 11)) % 1 < _FRIDGE_DUTY
        fridge_w = np.where(runs, self.fridge_w, 4.0)
        people = sessions.People(self.key, self.phase_h * _MS_PER_HOUR, self.is_away_at_tet)
        cooler_w = self._cooler(time_ms, air, sessions.cooling(people, time_ms, weather))
        heat_w = np.where(sessions.cooking(people, time_ms), self.cooker_w, 0.0)
        heat_w += np.where(sessions.washing(people, time_ms), self.heater_w, 0.0)
        active_w = small_w + fridge_w + cooler_w + heat_w
        reactive = _TAN_SMALL * small_w + _TAN_FRIDGE * fridge_w + _TAN_COOLER * cooler_w
        return active_w, reactive

    def _mood(self, time_ms: Ints) -> Floats:
        """Return how much more or less is lit and watched than on other days, hours at a time."""
        mark = time_ms // _MOOD_MS
        part = time_ms % _MOOD_MS / _MOOD_MS
        marks = np.arange(mark[0], mark[-1] + 2)
        drawn = _MOOD[0] + (_MOOD[1] - _MOOD[0]) * throw(self.key, part_of(marks, 7))
        here, there = drawn[:, mark - mark[0]], drawn[:, mark - mark[0] + 1]
        return np.asarray(here + (there - here) * part)

    def _cooler(self, time_ms: Ints, air: _Air, on: sessions.Cooling) -> Floats:
        """Return what coolers draw: a thermostat lets the compressor run as long as it is hot."""
        into_period = (time_ms / self.cooler_ms + throw(self.key, 12)) % 1
        works = on.pulls | (into_period < _LEAST_DUTY + _DUTY_BY_HEAT * air.heat)
        return self.cooler_w * np.where(on.runs, np.where(works, 1.0, _FAN), _STANDBY)


@dataclass(frozen=True)
class _Shops:
    who: Ints
    key: Words
    phase_h: Floats
    base_w: Floats
    size_w: Floats
    opens_on_sunday: Floats
    opens_at_tet: Floats

    @classmethod
    def draw(cls, key: Words, who: Ints, layout: Layout) -> "_Shops":
        own = key[who][:, None]
        size_w = 900 + 2200 * throw(own, 3) ** 2
        size_w *= 1 + 4.5 * layout.is_three_phase[who][:, None]
        return cls(
            *(who, own, -1 + 2 * throw(own, 1), size_w * (0.05 + 0.1 * throw(own, 2)), size_w),
            (throw(own, 4) >= _SHOPS_SHUT_ON_SUNDAY).astype(np.float64),
            (throw(own, 5) >= _SHOPS_SHUT_AT_TET).astype(np.float64),
        )

    def at(self, time_ms: Ints, air: _Air) -> tuple[Floats, Floats]:
        """Return watts and vars."""
        hour = (calendar.local_hour(time_ms) + self.phase_h) % 24
        is_open = np.where(air.is_sunday > 0, self.opens_on_sunday, 1.0)
        is_open = np.where(air.is_tet > 0, self.opens_at_tet, is_open)
        noise = 0.85 + 0.3 * throw(self.key, part_of(time_ms // _NOISE_MS, 3))
        work = calendar.by_hour(_OPEN, hour) * is_open * noise
        active_w = self.base_w + self.size_w * work * (0.65 + 0.35 * air.heat)
        return active_w, _TAN_SHOP * active_w
