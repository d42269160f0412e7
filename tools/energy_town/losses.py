"""A low-voltage network with losses, meters with errors, a thief, and voltages; truth is known.

Only the physics that the loss room can see: copper losses of transformer, street and service
drops per phase, iron loss, class-1 gain errors, wrong clocks, lost readings, registers of 10 Wh.
"""

from typing import NamedTuple

import numpy as np

from gateway.model import FloatArray, IntArray

SLOTS_PER_DAY = 48
INTERVAL_S = 1800
FINE = 6  # steps in a slot: 5 minutes, so that a wrong clock reads another moment
NOMINAL_V = 230.0


class Street(NamedTuple):
    """What the meters of one transformer and its own meter show."""

    head_wh: FloatArray  # register of the transformer's meter, (marks,)
    import_wh: FloatArray  # registers of the meters, (meters, marks); NaN where lost
    voltage_v: FloatArray  # (meters, marks)
    head_v: FloatArray  # (3, marks)
    power_w: FloatArray  # (meters, marks)
    phase: IntArray
    thief: int  # −1: none
    theft_share: float  # of the transformer's energy, while it lasts
    theft_slot: int


def draw_street(  # noqa: PLR0913  # what a study varies
    rng: np.random.Generator,
    days: int,
    *,
    meters: int = 60,
    thief_day: float | None = None,
    bypass: float = 0.5,
    missing: float = 0.0,
    skew_s: float = 0.0,
    feeder_v: FloatArray | None = None,
) -> Street:
    """Draw one transformer's street; ``feeder_v`` is that of its medium voltage, by fine step."""
    steps = days * SLOTS_PER_DAY * FINE
    power = _loads(rng, meters, days)
    phase = rng.integers(0, 3, meters)
    street_ohm, service_ohm = rng.uniform(0.01, 0.06, meters), rng.uniform(0.02, 0.12, meters)
    amps = power / NOMINAL_V
    by_phase = np.stack([amps[phase == one].sum(axis=0) for one in range(3)])
    own_loss = amps**2 * service_ohm[:, None]
    # the street's wire carries all of a phase for a part of its length
    shared = by_phase[phase] * 0.35
    loss = own_loss.sum(axis=0) + (amps * shared * street_ohm[:, None]).sum(axis=0)
    head = power.sum(axis=0) + loss
    metered = power.copy()
    theft_slot = -1 if thief_day is None else round(thief_day * SLOTS_PER_DAY)
    thief, share = -1, 0.0
    if thief_day is not None:
        thief = _pick_thief(rng, power, head, bypass)
        since = theft_slot * FINE
        hidden = power[thief, since:] * bypass
        metered[thief, since:] -= hidden
        share = float(hidden.sum() / head[since:].sum())
    imports = _shown(rng, metered, missing, skew_s)
    head_gain = 1 + rng.normal(0, 0.0015)
    head_clock_s = np.clip(rng.normal(0, skew_s, 1), -3 * skew_s, 3 * skew_s)
    base = feeder_v if feeder_v is not None else draw_feeder(rng, steps)
    head_v = base - by_phase * 0.018
    volts = head_v[phase] - amps * service_ohm[:, None] - shared * street_ohm[:, None]
    marks = np.arange(days * SLOTS_PER_DAY + 1) * FINE
    mean = [_mean_before(one, marks) for one in (volts, head_v, power)]
    noise = rng.normal(0, 0.15, mean[0].shape)
    return Street(
        _registers(head[None, :] * head_gain, head_clock_s, start=5e8)[0],
        imports,
        np.round(mean[0] + noise, 1),
        np.round(mean[1], 1),
        np.round(mean[2]),
        *(phase, thief, share, theft_slot),
    )


def _shown(
    rng: np.random.Generator, metered: FloatArray, missing: float, skew_s: float
) -> FloatArray:
    """Return registers of class 1 meters, their clocks wrong, some of their readings lost."""
    gain = 1 + np.clip(rng.normal(0, 0.0035, len(metered)), -0.009, 0.009)
    clocks = np.clip(rng.normal(0, skew_s, len(metered)), -3 * skew_s, 3 * skew_s)
    imports = _registers(metered * gain[:, None], clocks)
    imports[rng.random(imports.shape) < missing] = np.nan
    return imports


def _pick_thief(
    rng: np.random.Generator, power: FloatArray, head: FloatArray, bypass: float
) -> int:
    """Return somebody whose bypass is at least 0.7 % of the transformer's energy."""
    share = power.sum(axis=1) * bypass / head.sum()
    able = np.flatnonzero((share >= 0.007) & (share < 0.012))  # noqa: PLR2004  # the acceptance line
    return int(rng.choice(able)) if able.size else int(np.argmin(np.abs(share - 0.0075)))


def _loads(rng: np.random.Generator, meters: int, days: int) -> FloatArray:
    """Return watts, (meters, fine steps): habits, appliances that start at random, weather."""
    hour = np.arange(SLOTS_PER_DAY * FINE) / (2 * FINE)
    evening = np.exp(-(((hour - rng.normal(19.5, 1.0, meters)[:, None]) / 2.0) ** 2))
    morning = np.exp(-(((hour - rng.normal(7.0, 0.8, meters)[:, None]) / 1.2) ** 2))
    noon = np.exp(-(((hour - rng.normal(13.0, 1.5, meters)[:, None]) / 2.5) ** 2))
    weights = rng.gamma(2.0, 0.5, (3, meters, 1))
    shape = 0.12 + weights[0] * evening + 0.5 * weights[1] * morning + 0.5 * weights[2] * noon
    size = rng.lognormal(0, 0.45, meters)[:, None]
    weather = 1 + 0.25 * np.sin(np.arange(days) / 5 + rng.uniform(0, 6)) + rng.normal(0, 0.08, days)
    own = rng.lognormal(0, 0.25, (meters, days))
    course = np.tile(shape, days) * np.repeat(
        own * np.clip(weather, 0.4, 2), shape.shape[1], axis=1
    )
    base = 420 * size * course
    return np.asarray(base + _appliances(rng, course, size))


def _appliances(rng: np.random.Generator, course: FloatArray, size: FloatArray) -> FloatArray:
    """Return watts of kettles, irons and coolers that run for 5 to 60 minutes."""
    starts = rng.random(course.shape) < 0.012 * course
    watts = np.where(starts, rng.uniform(500, 2500, course.shape), 0.0) * np.minimum(size, 1.5)
    run = np.cumsum(np.pad(watts, ((0, 0), (1, 0))), axis=1)
    length: IntArray = rng.integers(1, 12, len(course))
    end = np.arange(1, course.shape[1] + 1)
    begin = np.maximum(end[None, :] - length[:, None], 0)
    return np.asarray(run[:, 1:] - np.take_along_axis(run, begin, axis=1))


def _registers(power_w: FloatArray, ahead_s: FloatArray, start: float = 1e6) -> FloatArray:
    """Return registers of 10 Wh at marks, read when each meter's clock says so."""
    fine_s = INTERVAL_S / FINE
    energy = np.cumsum(np.pad(power_w * fine_s / 3600, ((0, 0), (1, 0))), axis=1)
    marks_s = np.arange(0, energy.shape[1], FINE) * fine_s
    grid_s = np.arange(energy.shape[1]) * fine_s
    read = [np.interp(marks_s - a, grid_s, one) for a, one in zip(ahead_s, energy, strict=True)]
    return np.asarray(np.floor((start + np.array(read)) / 10) * 10)


def draw_feeder(rng: np.random.Generator, steps: int) -> FloatArray:
    """Return the voltage that medium voltage gives, slow and with tap steps."""
    slow = 2.5 * np.sin(np.arange(steps) / (SLOTS_PER_DAY * FINE) * 2 * np.pi + rng.uniform(0, 6))
    walk = np.convolve(rng.normal(0, 0.12, steps + 40).cumsum(), np.ones(41) / 41, "valid")
    return np.asarray(232 + slow + np.clip(walk - walk.mean(), -5, 5))


def _mean_before(values: FloatArray, marks: IntArray) -> FloatArray:
    """Return the mean over the slot that ends at each mark."""
    total = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)
    begin = np.maximum(marks - FINE, 0)
    return np.asarray((total[:, marks] - total[:, begin]) / np.maximum(marks - begin, 1))
