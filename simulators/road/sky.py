"""Weather, air and water at the road (profile ``env1``)."""

import numpy as np

from simulators.chance import mix
from simulators.city.dice import Words, keys, normal, throw
from simulators.city.frame import Floats
from simulators.city.weather import Weather
from simulators.road.events import Rows
from simulators.road.layout import Layout

INTERVAL_MS = 600_000
_ROLLOVER = 1_000_000  # of the rain gauge, 0.1 mm: at 100 m, as the profile says
_DRAIN_M = -0.8  # dry weather: the water stands this far below the road
_RISE_M_PER_MM_H = 0.006  # 60 mm/h bring it close to the road, and not onto it
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000


class Sky:
    """All environment stations; ``flood`` is what scenarios add: rain and depth by station."""

    def __init__(self, layout: Layout, seed: int, interval_ms: int = INTERVAL_MS) -> None:
        self.interval_ms = interval_ms
        self.names = tuple(s.sky for s in layout.stations if s.sky)
        self._weather = Weather(seed)
        self._keys: Words = keys(mix(seed, 64), 1, len(self.names))
        self.rain_tenths: Floats = np.floor(throw(self._keys, 1) * 50_000)
        self.more_rain_mm_h = np.zeros(len(self.names))
        self.depth_m = np.full(len(self.names), -np.inf)

    def rows(self, at_ms: int) -> Rows:
        """Return a row of each station; call it once for each interval, in order."""
        now = np.full(len(self.names), at_ms, dtype=np.int64)
        weather, size = self._weather, len(self.names)
        rain_mm_h = weather.rain_mm_h(now) * (0.8 + 0.4 * throw(self._keys, 2))
        rain_mm_h = rain_mm_h + self.more_rain_mm_h
        self.rain_tenths = self.rain_tenths + rain_mm_h * (self.interval_ms / 360_000)
        level_m = np.maximum(_DRAIN_M + _RISE_M_PER_MM_H * rain_mm_h, self.depth_m)
        wind = weather.wind_m_s(now)
        dust = self._drift(at_ms, 3, _DAY_MS // 4) * 70 / (0.6 + 0.25 * wind)
        dust = (12 + dust) / (1 + 0.1 * rain_mm_h)
        columns = (
            *(np.floor(self.rain_tenths) % _ROLLOVER, rain_mm_h * 10, level_m * 1000),
            (weather.temperature_c(now) + 0.4 * normal(self._keys, 4)) * 10,
            *(weather.humidity(now) * 1000, dust * 10, dust * 16),
            *(wind * 10, wind * (14 + 6 * self._drift(at_ms, 5, _HOUR_MS))),
            np.floor(self._drift(at_ms, 6, _DAY_MS) * 360),
            np.clip(12_000 / (1 + 0.12 * rain_mm_h) - 40 * dust, 150, 20_000),
            (1009 + 8 * (self._drift(at_ms, 7, 3 * _DAY_MS) - 0.5)) * 10,
        )
        values = np.rint(np.column_stack(columns)).astype(np.int64)
        return Rows(np.arange(size), now, values)

    def _drift(self, at_ms: int, kind: int, period_ms: int) -> Floats:
        """Return smooth noise in [0, 1), nearly the same over the whole city."""
        key = self._keys[:1] if self._keys.size else self._keys
        place, part = divmod(at_ms, period_ms)
        share = part / period_ms
        here, there = (throw(key, 64 * (place + k) + kind) for k in (0, 1))
        own = throw(self._keys, 8 + kind)
        return np.asarray(0.9 * (here + (there - here) * share) + 0.1 * own)
