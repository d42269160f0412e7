"""A traffic lane and its detector (profile ``tl1``): motorcycles first, as on a city road.

Counts are Poisson, speeds fall with the load on the lane, and occupancy is what those vehicles
at that speed would cover: the columns agree with each other.
"""

import math
import random

from simulators.chance import between, mix, unit
from simulators.homes import DAY_S, UTC_OFFSET_S, by_hour

_LOOP_M = 2.0  # length of the detection zone
_LENGTH_M = (1.9, 4.5, 11.0, 8.0, 15.0)
_PCU = (0.3, 1.0, 2.5, 2.0, 3.0)  # TCVN 4054:2005
_DAY_SHARE = (0.79, 0.165, 0.015, 0.02, 0.01)
_NIGHT_SHARE = (0.66, 0.18, 0.005, 0.10, 0.055)  # trucks may enter the city at night
_ROLLOVER = 1 << 32
_SATURDAY = 5
_MANY = 50

# Share of a lane's own peak demand, by local hour: two commuter peaks, a noon shoulder.
_DEMAND = (
    *(0.08, 0.05, 0.04, 0.05, 0.12, 0.35, 0.78, 1.00, 0.82, 0.62, 0.60, 0.68),
    *(0.58, 0.60, 0.62, 0.68, 0.86, 1.00, 0.88, 0.66, 0.52, 0.40, 0.26, 0.14),
)


class Lane:
    """One lane under one detector; ``accrued`` is all that must survive a restart."""

    profile = "tl1"
    sector = "transport"

    def __init__(self, seed: int, index: int) -> None:
        self._key = mix(seed, 2, index)
        key = self._key
        self._peak_per_h = between(1400, 3600, key, 1)
        self._capacity_pcu_per_h = between(1300, 1800, key, 2)
        self._free_kmh = between(38, 58, key, 3)
        self._phase_s = between(-1500, 1500, key, 4)
        self.accrued = int(between(1e5, 5e7, key, 5))  # vehicles

    def row(self, from_ms: int, to_ms: int) -> tuple[int | None, ...]:
        """Let the time pass and return the columns of ``tl1`` of that interval."""
        chance = random.Random(mix(self._key, 6, to_ms))
        interval_s = (to_ms - from_ms) / 1000
        per_h, shares = self._demand((from_ms + to_ms) / 2000)
        counts = [_poisson(chance, per_h * share * interval_s / 3600) for share in shares]
        total = sum(counts)
        self.accrued = (self.accrued + total) % _ROLLOVER
        if not total:
            return 0, self.accrued, 0, None, None, *counts  # no vehicle has no speed
        mean_kmh = self._speed(per_h, shares) * (1 + chance.gauss(0, 0.12) / math.sqrt(total))
        over_s = zip(counts, _LENGTH_M, strict=True)
        covered_s = sum(n * (_LOOP_M + length) for n, length in over_s) / (mean_kmh / 3.6)
        occupancy = 1 - math.exp(-covered_s / interval_s)  # riders abreast cover it together
        v85_kmh = mean_kmh * (
            1 + 0.14 * min(1.0, (total - 1) / 6)
        )  # 1.04 standard deviations of 13 %
        permille, dkmh, v85_dkmh = round(occupancy * 1000), round(mean_kmh * 10), v85_kmh * 10
        return total, self.accrued, permille, dkmh, round(v85_dkmh), *counts

    def skip(self, from_ms: int, to_ms: int) -> None:
        """A detector without power counts nothing."""

    def _demand(self, time_s: float) -> tuple[float, tuple[float, ...]]:
        local_s = time_s + UTC_OFFSET_S + self._phase_s
        day, of_day_s = divmod(local_s, DAY_S)
        weekday = (int(day) + 3) % 7  # 1970-01-01 was a Thursday
        wave = between(0.9, 1.1, self._key, 7, int(local_s // 90))  # one cycle of the signals
        weekend = 0.72 if weekday >= _SATURDAY else 1.0
        per_h = self._peak_per_h * by_hour(_DEMAND, of_day_s) * wave * weekend
        shares = _NIGHT_SHARE if of_day_s < 5 * 3600 or of_day_s > 22 * 3600 else _DAY_SHARE
        most_per_h = self._capacity_pcu_per_h / _pcu(shares)
        return min(per_h, most_per_h * (0.97 + 0.03 * unit(self._key, 8, int(day)))), shares

    def _speed(self, per_h: float, shares: tuple[float, ...]) -> float:
        load = min(1.0, per_h * _pcu(shares) / self._capacity_pcu_per_h)
        return self._free_kmh * (1 - 0.12 * load - 0.4 * load**4)


def _pcu(shares: tuple[float, ...]) -> float:
    return sum(share * pcu for share, pcu in zip(shares, _PCU, strict=True))


def _poisson(chance: random.Random, mean: float) -> int:
    if mean > _MANY:  # the normal distribution is as good from here, and does not slow down
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count
