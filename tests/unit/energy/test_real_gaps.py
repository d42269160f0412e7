"""Estimates of gaps in recorded homes, against the true mean of each gap and the study's method.

How far a home is from the mean of a gap says how hard it is to guess, so homes of any size, and the
homes of the domain study, can be compared by the share of that which the ladder still errs. The
study's method, up to two hours, is that mean; beyond, it is the mean of three like days in the
gap, brought to what the register says.
"""

import csv
from typing import NamedTuple

import numpy as np
import pytest

from gateway.energy import vee
from gateway.energy.series import empty_window
from gateway.model import FloatArray, Quality
from tests.shared import SHARED, needs_shared
from tests.unit.energy.rig import MONDAY_MS, job_of, past_days

pytestmark = needs_shared
DAY_MS = 86_400_000
HABIT_DAYS, MOMENTS = 14, 12
THURSDAY = 3  # the first whole day of both recordings: 1 February 2007, 2 April 2020


class Errors(NamedTuple):
    """Per slot, as a share of the mean slot."""

    ladder: float
    true_mean: float
    like_days: float


def _errors(days: FloatArray, hours: int, each: int) -> Errors:
    """Return what gaps of some hours cost, at some moments of every ``each``-th day."""
    rng = np.random.default_rng(hours)
    per_day = days.shape[1]
    slots = hours * per_day // 24
    ladder, true_mean, like_days = [], [], []
    for day in range(HABIT_DAYS, len(days), each):
        firsts = rng.permutation(per_day - slots + 1)[:MOMENTS]
        start_ms = MONDAY_MS + (THURSDAY + day) * DAY_MS
        window = empty_window(np.arange(firsts.size), start_ms, DAY_MS // per_day, per_day)
        window.import_wh[:] = 1000 + np.concatenate([[0], days[day].cumsum()])
        for row, first in enumerate(firsts):
            window.import_wh[row, first + 1 : first + slots] = np.nan
        is_read = np.isfinite(window.import_wh)
        window.export_wh[is_read], window.quality[is_read] = 0, int(Quality.VALID)
        past = np.repeat(days[None, day - HABIT_DAYS : day], firsts.size, axis=0)
        found = vee.run(job_of(window, history=past_days(start_ms, HABIT_DAYS, past))).import_wh
        like = days[_like(day)].mean(axis=0)
        for row, first in enumerate(firsts):
            gap = slice(first, first + slots)
            guess, true, shape = found[row, gap], days[day, gap], like[gap]
            ladder.append(np.abs(guess - true).mean())
            true_mean.append(np.abs(true.mean() - true).mean())
            like_days.append(np.abs(shape * (true.sum() / shape.sum()) - true).mean())
    return Errors(*(float(np.mean(one) / days.mean()) for one in (ladder, true_mean, like_days)))


def _like(day: int) -> list[int]:
    """Return the last three days of the same kind: Monday to Friday, Saturday, Sunday."""
    kind = [max(0, (THURSDAY + one) % 7 - 4) for one in range(day + 1)]
    return [one for one in range(day) if kind[one] == kind[day]][-3:]


@pytest.mark.parametrize("hours", [1, 2, 4, 12, 24])
def test_gaps_of_a_french_home_of_half_hours(hours: int) -> None:
    assert SHARED is not None
    with (SHARED / "data/meters/uci_household_2007-02.csv").open() as file:
        text = [row["global_active_power"] for row in csv.DictReader(file)]
    minutes = np.array([np.nan if one == "NA" else float(one) for one in text])  # two are missing
    days = np.rint(np.nanmean(minutes.reshape(-1, 30), axis=1) * 500).reshape(-1, 48)
    found = _errors(days, hours, 1)
    assert found.ladder < found.true_mean
    assert found.ladder < found.like_days


@pytest.mark.parametrize("hours", [2, 4, 12, 24])
def test_gaps_of_a_british_home_of_hours(hours: int) -> None:
    assert SHARED is not None
    with (SHARED / "data/meters/uk-hourly-sample-0.csv").open() as file:
        used = np.array([float(row["value"]) for row in csv.DictReader(file)][23:])
    days = np.rint(used[: used.size // 24 * 24].reshape(-1, 24) * 1000)
    found = _errors(days, hours, 10)
    assert found.ladder < found.true_mean
    assert found.ladder < found.like_days
