"""The weather over the whole city, as a function of seed and time: heat makes load, rain jams.

Means are those of Ha Noi (monthly normals, rounded); what happens on a day is drawn.
"""

import numpy as np

from simulators.chance import mix
from simulators.city.calendar import DAY_MS, local_day, local_hour
from simulators.city.dice import Words, throw
from simulators.city.frame import Floats, Ints

_MONTH_C = np.array((17, 18, 20.5, 24, 27.5, 29.5, 29.5, 29, 28, 25.5, 22, 18.5), dtype=float)
_WET_DAYS = np.array((8, 11, 15, 13, 14, 15, 16, 16, 13, 9, 6, 5), dtype=float) / 30
_SWING_C = 3.6  # of the day around its mean
_HOTTEST_H = 14.5
_SPELL_C = 3.0  # cold snaps and heat waves, over days
_SHOWER_MS = 3 * 3_600_000
_SUNRISE_H, _SUNSET_H = 6.0, 18.0
_YEAR_DAYS = 365.2425


class Weather:
    """Air and sky over the city."""

    def __init__(self, seed: int) -> None:
        self._key: Words = np.array(mix(seed, 77), dtype=np.uint64)

    def temperature_c(self, time_ms: Ints) -> Floats:
        """Return the air temperature."""
        spell = self._smooth(time_ms, 1, DAY_MS * 2) - 0.5
        swing = _SWING_C * (1 - 0.6 * self.cloud(time_ms))
        diurnal = np.cos((local_hour(time_ms) - _HOTTEST_H) * (np.pi / 12))
        return self._monthly(_MONTH_C, time_ms) + 2 * _SPELL_C * spell + swing * diurnal

    def cloud(self, time_ms: Ints) -> Floats:
        """Return the share of the sky that is covered, 0 to 1; a shower covers it."""
        drift = 0.65 * self._smooth(time_ms, 2, DAY_MS // 4)
        drift += 0.35 * self._smooth(time_ms, 3, 1_200_000)
        return np.clip(np.maximum(drift, np.minimum(self.rain_mm_h(time_ms), 1.0) * 0.9), 0, 1)

    def rain_mm_h(self, time_ms: Ints) -> Floats:
        """Return the rain: showers of up to three hours, a few of them heavy."""
        shower = time_ms // _SHOWER_MS
        key = self._key
        wet = throw(key, 8 * shower + 4) < self._monthly(_WET_DAYS, time_ms) / 4
        begins, lasts = throw(key, 8 * shower + 5) * 0.5, 0.15 + throw(key, 8 * shower + 6) * 0.35
        into = (time_ms % _SHOWER_MS) / _SHOWER_MS
        part = (into - begins) / lasts
        shape = np.where((part > 0) & (part < 1), np.sin(np.pi * np.clip(part, 0, 1)), 0.0)
        peak = 2.0 + 58.0 * throw(key, 8 * shower + 7) ** 4
        return np.where(wet, peak * shape, 0.0)

    def sun(self, time_ms: Ints) -> Floats:
        """Return the sun's power on a panel, 1 at a clear noon."""
        hour = local_hour(time_ms)
        height = np.sin(np.pi * (hour - _SUNRISE_H) / (_SUNSET_H - _SUNRISE_H))
        clear = np.where((hour > _SUNRISE_H) & (hour < _SUNSET_H), height, 0.0)
        return np.clip(clear, 0, 1) ** 1.2 * (1 - 0.78 * self.cloud(time_ms) ** 2)

    def humidity(self, time_ms: Ints) -> Floats:
        """Return the relative humidity, 0 to 1."""
        dry = 0.012 * (self.temperature_c(time_ms) - self._monthly(_MONTH_C, time_ms))
        wet = 0.12 * np.minimum(self.rain_mm_h(time_ms), 1.0)
        return np.clip(0.79 - dry + wet + 0.1 * (self._smooth(time_ms, 9, DAY_MS) - 0.5), 0.2, 1)

    def wind_m_s(self, time_ms: Ints) -> Floats:
        """Return the mean wind."""
        return (
            0.6
            + 4.5 * self._smooth(time_ms, 10, DAY_MS // 3) ** 2
            + 0.05 * np.sqrt(self.rain_mm_h(time_ms))
        )

    def _monthly(self, months: Floats, time_ms: Ints) -> Floats:
        month = (local_day(time_ms) % _YEAR_DAYS) / _YEAR_DAYS * 12 - 0.5
        low = np.floor(month).astype(np.int64)
        part = month - low
        return np.asarray(months[low % 12] * (1 - part) + months[(low + 1) % 12] * part)

    def _smooth(self, time_ms: Ints, kind: int, period_ms: int) -> Floats:
        """Return noise in [0, 1) that changes its mind once in a period, and smoothly."""
        place = time_ms // period_ms
        part = (time_ms % period_ms) / period_ms
        part = part * part * (3 - 2 * part)
        here, there = (throw(self._key, 16 * (place + k) + kind + 100) for k in (0, 1))
        return here + (there - here) * part
