"""Estimates of gaps in homes of cities, straight into VEE, in the hot and in the cool season.

Sixteen days for habits, then eight of which each home loses a part: more gaps than streets have.
How far the true mean of a gap, spread evenly, is from its slots says how hard homes are to guess.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from gateway.energy import vee
from gateway.energy.calendar import Calendar, HolidayYear
from gateway.energy.series import Window, empty_window
from gateway.energy.vee.policy import VeePolicy
from gateway.model import FloatArray, IntArray, Quality
from gateway.policies import load_policies
from simulators.city.grid.layout import HOME, build
from simulators.city.grid.loads import Loads
from simulators.city.weather import Weather
from tools.city_desk.play import DAY_MS, START_MS
from tools.city_desk.street import HALF_HOUR_MS, SLOT_MS
from tools.plays import each

METERS, HABIT_DAYS, GAP_DAYS = 60, 16, 8
GAPS_H = (1, 2, 4, 12, 24)
SEASONS = {"June": 0, "January": 210}  # days after the cities' first
_SLOTS = DAY_MS // HALF_HOUR_MS
_W_TO_SLOT_WH = 0.5
_FIRST_WH = 1000.0
_WH_PER_KWH = 1000


@dataclass
class HomeErrors:
    """By hours of the gap, a number for each: mean error of a slot, kWh."""

    ours_kwh: dict[int, list[float]] = field(default_factory=dict)
    flat_kwh: dict[int, list[float]] = field(default_factory=dict)
    used_kwh: list[float] = field(default_factory=list)  # of a half hour, a number for each city

    def add(self, other: "HomeErrors") -> None:
        """Add the errors of other homes."""
        self.used_kwh += other.used_kwh
        for here, there in ((self.ours_kwh, other.ours_kwh), (self.flat_kwh, other.flat_kwh)):
            for hours, errors in there.items():
                here.setdefault(hours, []).extend(errors)


def score_homes(seed: int, after_days: int, meters: int = METERS) -> HomeErrors:
    """Return what gaps of the homes of a city cost, so many days after the cities' first."""
    begin_ms = START_MS + after_days * DAY_MS
    days = _used_wh(seed, begin_ms, meters)
    found = HomeErrors(used_kwh=[float(days.mean()) / _WH_PER_KWH])
    rng = np.random.default_rng(seed)
    for day in range(HABIT_DAYS, days.shape[1]):
        past = days[:, day - HABIT_DAYS : day]
        for hours in GAPS_H:
            slots = hours * _SLOTS // 24
            first = rng.integers(0, _SLOTS - slots + 1, len(days))
            window = _window(days[:, day], first, slots, begin_ms + day * DAY_MS)
            guess = vee.run(_job(window, past)).import_wh
            part = first[:, None] + np.arange(slots)
            true = np.take_along_axis(days[:, day], part, axis=1)
            flat = true.mean(axis=1, keepdims=True)
            for into, told in (
                (found.ours_kwh, np.take_along_axis(guess, part, axis=1)),
                (found.flat_kwh, flat),
            ):
                errors = np.abs(told - true).mean(axis=1) / _WH_PER_KWH
                into.setdefault(hours, []).extend(errors.tolist())
    return found


def measured(seeds: Sequence[int]) -> Iterator[tuple[str, HomeErrors]]:
    """Yield what cities of these seeds come to in each season."""
    for name, after_days in SEASONS.items():
        total = HomeErrors()
        for one in each(_homes, [(seed, after_days) for seed in seeds]):
            total.add(one)
        yield name, total


def _homes(job: tuple[int, int]) -> HomeErrors:
    return score_homes(*job)


def _used_wh(seed: int, begin_ms: int, meters: int) -> FloatArray:
    """Return what homes without panels use, whole Wh: (homes, days, slots)."""
    layout = build(seed, meters, 0)
    loads = Loads(seed, layout, Weather(seed))
    homes = np.flatnonzero((layout.kind == HOME) & (layout.solar_w == 0))
    used = []
    for day in range(HABIT_DAYS + GAP_DAYS):
        middle_ms = begin_ms + day * DAY_MS + np.arange(0, DAY_MS, SLOT_MS) + SLOT_MS // 2
        watts = loads.at(middle_ms).active_w[homes].reshape(len(homes), _SLOTS, -1)
        used.append(np.rint(watts.mean(axis=2) * _W_TO_SLOT_WH))
    return np.stack(used, axis=1)


def _window(used_wh: FloatArray, first: IntArray, slots: int, start_ms: int) -> Window:
    """Return a day of registers without those within the gaps."""
    window = empty_window(np.arange(len(used_wh)), start_ms, HALF_HOUR_MS, _SLOTS)
    window.import_wh[:, 0] = _FIRST_WH
    window.import_wh[:, 1:] = _FIRST_WH + used_wh.cumsum(axis=1)
    mark = np.arange(_SLOTS + 1)
    window.import_wh[(mark > first[:, None]) & (mark < first[:, None] + slots)] = np.nan
    is_read = np.isfinite(window.import_wh)
    window.export_wh[is_read], window.quality[is_read] = 0, int(Quality.VALID)
    return window


def _job(window: Window, past_wh: FloatArray) -> vee.Job:
    policy = load_policies("vee", VeePolicy).at("vee", window.start_ms)
    calendar = Calendar.of(load_policies("calendar", HolidayYear), "vn-public-holidays")
    day = int(calendar.day(np.array([window.start_ms]))[0])
    history = vee.History(
        day - HABIT_DAYS + np.arange(HABIT_DAYS),
        past_wh.astype(np.float32),
        np.ones(past_wh.shape[:2], np.bool_),
    )
    known = policy.meter.meters(window.meters)
    carry = vee.Carry.nothing(window.meters)
    return vee.Job(window, known, policy, calendar, history, carry, vee.Extra())
