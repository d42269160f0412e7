"""What homes, shops and cabinets draw, and what roofs give, for whole arrays of moments.

A function of seed, customer and time: nothing is remembered, so any moment can be asked for.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from simulators.city import calendar
from simulators.city.dice import Words, keys, stir, throw
from simulators.city.frame import Floats, Ints
from simulators.city.grid.layout import CABINET, HOME, SHOP, Layout
from simulators.city.weather import Weather
from simulators.homes import ACTIVITY, COOKING_HOURS, COOLING, WASHING_HOURS

HALF_HOUR_MS = 1_800_000
_NOISE_MS = 300_000
_FIELD = np.uint64(0xFFFF)  # four draws of 16 bits are in one word: enough for a chance
_COOL_FROM_C, _COOL_FULL_C = 24.0, 33.0
_HEATER_SHARE, _HEATER_W = 0.6, 2500.0
_AWAY_AT_TET, _SHOPS_SHUT_AT_TET, _SHOPS_SHUT_ON_SUNDAY = 0.3, 0.85, 0.35
_FRIDGE_DUTY, _COMPRESSOR_DUTY = 0.38, 0.7
_COOKING_PART, _WASHING_PART = 0.8, 0.3  # of the quarter hour after it began
# tan φ, as in ``homes``: electronics, compressors of fridges, coolers; motors of shops
_TAN_SMALL, _TAN_FRIDGE, _TAN_COOLER, _TAN_SHOP = 0.35, 0.65, 0.4, 0.42
_HOURS = np.arange(24)
_OPEN = np.interp(_HOURS, (0, 5, 8, 11, 13, 18, 21, 22.5, 24), (0, 0, 0.8, 1, 0.75, 1, 0.9, 0, 0))
_COOK = np.array([COOKING_HOURS.get(hour, 0.0) for hour in range(24)])
_WASH = np.array([WASHING_HOURS.get(hour, 0.0) for hour in range(24)])


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
        """Return what everybody draws at those moments."""
        air, halves = self._air(time_ms), np.unique(time_ms // HALF_HOUR_MS) * HALF_HOUR_MS
        calm = self._air(halves)
        active_w = np.empty((self._kind.size, time_ms.size))
        reactive_var = np.empty_like(active_w)
        homes, shops = self._homes.who, self._shops.who
        active_w[homes], reactive_var[homes] = self._homes.at(time_ms, air, halves, calm)
        active_w[shops], reactive_var[shops] = self._shops.at(time_ms, air)
        active_w[self._cabinets] = 160.0 + 60.0 * air.heat  # controller, modem, radars, fans
        reactive_var[self._cabinets] = 45.0
        active_w -= self._solar_w * air.sun
        return Load(active_w, reactive_var)

    def _air(self, time_ms: Ints) -> _Air:
        weather = self._weather
        span_c = _COOL_FULL_C - _COOL_FROM_C
        day = calendar.weekday(time_ms)
        return _Air(
            np.clip((weather.temperature_c(time_ms) - _COOL_FROM_C) / span_c, 0, 1),
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
            *(coolers[(throw(own, 6) * 5).astype(np.int64)], 700 + 1100 * throw(own, 7)),
            np.where(throw(own, 8) < _HEATER_SHARE, _HEATER_W, 0.0),
            (throw(own, 9) < _AWAY_AT_TET).astype(np.float64),
        )

    def at(self, time_ms: Ints, air: _Air, halves: Ints, calm: _Air) -> tuple[Floats, Floats]:
        """Return watts and vars; the parts are those of ``homes.Home``.

        Args:
            time_ms: the moments.
            air: at the moments.
            halves: begins of the half hours that the moments lie in.
            calm: air at those begins.
        """
        hour = (calendar.local_hour(time_ms) + self.phase_h) % 24
        activity = calendar.by_hour(np.array(ACTIVITY), hour) + 0.12 * air.is_weekend
        noise = 0.75 + 0.5 * throw(self.key, stir_free(time_ms // _NOISE_MS, 1))
        small_w = self.standby_w + self.lights_w * activity * noise * self._presence(air)
        runs = (time_ms / self.fridge_ms + throw(self.key, 11)) % 1 < _FRIDGE_DUTY
        fridge_w = np.where(runs, self.fridge_w, 4.0)
        cooler_w, heat_w = self._bursts(time_ms, halves, calm)
        active_w = small_w + fridge_w + cooler_w + heat_w
        reactive = _TAN_SMALL * small_w + _TAN_FRIDGE * fridge_w + _TAN_COOLER * cooler_w
        return active_w, reactive

    def _presence(self, air: _Air) -> Floats:
        """Return who is at home: at Tết some have gone to the country, others have guests."""
        return np.asarray(1 + air.is_tet * np.where(self.is_away_at_tet, -0.9, 0.2))

    def _bursts(self, time_ms: Ints, halves: Ints, calm: _Air) -> tuple[Floats, Floats]:
        """Return what coolers and what cookers and showers draw."""
        which = np.searchsorted(halves, time_ms, side="right") - 1
        word = stir(self.key, stir_free(halves // HALF_HOUR_MS, 2))
        draws = [((word >> np.uint64(k)) & _FIELD) / 65536.0 for k in (0, 16, 32, 48)]
        hour = calendar.local_hour(halves)
        home = np.minimum(self._presence(calm), 1.0)
        wish = np.minimum(calendar.by_hour(np.array(COOLING), hour) * 2 * calm.heat, 0.95)
        cools = draws[0] < wish * home
        cooks = draws[1] < _COOK[hour.astype(np.int64)] * home
        washes = draws[2] < _WASH[hour.astype(np.int64)] * home
        into = time_ms % HALF_HOUR_MS / HALF_HOUR_MS
        part = (into - draws[3][:, which] * 0.5) * 2  # starts within the first quarter hour
        is_on = part > 0
        period = (time_ms / 900_000 + throw(self.key, 12)) % 1
        cooler_w = np.where(period < _COMPRESSOR_DUTY, self.cooler_w, self.cooler_w * 0.05)
        heat_w = np.where(is_on & (part < _COOKING_PART) & cooks[:, which], self.cooker_w, 0.0)
        heat_w += np.where(is_on & (part < _WASHING_PART) & washes[:, which], self.heater_w, 0.0)
        return np.where(cools[:, which], cooler_w, self.cooler_w * 0.02), heat_w


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
        noise = 0.85 + 0.3 * throw(self.key, stir_free(time_ms // _NOISE_MS, 3))
        work = calendar.by_hour(_OPEN, hour) * is_open * noise
        active_w = self.base_w + self.size_w * work * (0.65 + 0.35 * air.heat)
        return active_w, _TAN_SHOP * active_w


def stir_free(number: Ints, kind: int) -> Ints:
    """Return a part for ``dice`` that no other kind of draw uses."""
    return np.asarray(number * 16 + kind + 1000)
