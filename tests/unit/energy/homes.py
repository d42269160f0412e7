"""Homes for the estimation test, written without a look at the simulators.

A home has a fridge and standby around the clock, cooking and evening use at hours of its own,
an air conditioner on hot evenings, and single uses of big appliances at random. Half hours, Wh.
"""

import numpy as np

from gateway.model import FloatArray

SLOTS = 48


def homes(rng: np.random.Generator, count: int, days: int) -> FloatArray:
    """Return (homes, days x 48) watt-hours; the first day is a Monday."""
    use = np.zeros((count, days, SLOTS))
    hour = (np.arange(SLOTS) + 0.5) / 2
    for home in range(count):
        use[home] += rng.uniform(60, 130) * rng.uniform(0.75, 1.25, (days, SLOTS))
        wake, back = rng.normal(6.0, 0.6), rng.normal(18.2, 0.8)
        heat = np.clip(np.cumsum(rng.normal(0, 0.5, days)), -1.5, 1.5)
        for day in range(days):
            is_weekend = day % 7 >= 5
            shift = rng.normal(0, 0.35)
            morning = _bump(hour, wake + shift + is_weekend, 0.8) * rng.uniform(110, 320)
            evening = _bump(hour, back + shift + 1.5, 1.9) * rng.uniform(230, 540)
            noon = _bump(hour, 12.5, 1.3) * rng.uniform(40, 160) * (2.2 if is_weekend else 1.0)
            cooling = _bump(hour, 21.5, 2.2) * rng.uniform(80, 200) * np.exp(0.35 * heat[day])
            use[home, day] += morning + evening + noon + cooling
            for _ in range(rng.poisson(4.0)):
                start = int(np.clip(rng.normal(2 * back - 4, 12), 0, SLOTS - 1))
                use[home, day, start : start + int(rng.integers(2, 8))] += rng.uniform(110, 500)
        use[home] *= rng.lognormal(0, 0.3)
    use *= rng.lognormal(0, 0.205, use.shape)
    whole: FloatArray = np.rint(use * (271.0 / use.mean()))  # the mean of the study's homes
    return whole.reshape(count, days * SLOTS)


def _bump(hour: FloatArray, middle: float, width: float) -> FloatArray:
    away = np.minimum(np.abs(hour - middle % 24), 24 - np.abs(hour - middle % 24))
    bump: FloatArray = np.exp(-0.5 * (away / width) ** 2)
    return bump
