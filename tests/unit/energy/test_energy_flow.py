"""A process that keeps VEE going, in small: readings come late, in any order, across midnights.

Whatever the order, in the end every slot, grade and reason is what it would be had all come
in time.
"""

import numpy as np
import pytest

from gateway.energy import vee
from gateway.model import FloatArray, IntArray
from tests.faults import quick_or_soak
from tests.unit.energy.homes import homes
from tests.unit.energy.rig import (
    DAY,
    HALF_HOUR_MS,
    MONDAY_MS,
    job_of,
    past_days,
    registers_of,
    window_of,
)

DAYS, METERS, PAST = 5, 8, 20


class Process:
    """Steps 1 to 3 of ``gateway.energy.vee``."""

    def __init__(self, history: vee.History) -> None:
        self.shown = np.full((METERS, DAYS * DAY + 1), np.nan)
        self.history = history
        self.carries = [vee.Carry.nothing(METERS)]  # by day
        self.wh = np.full((METERS, DAYS * DAY), np.nan)
        self.quality, self.reasons = (np.zeros((METERS, DAYS * DAY), np.int64) for _ in range(2))

    def step(self, mark: int, arrived: list[tuple[int, int]]) -> None:
        """An interval has closed; readings of (meter, mark) have come since the last one."""
        day = (mark - 1) // DAY
        found = self._run(np.arange(METERS), day, mark)
        again: dict[int, int] = {}
        rows, since_ms = vee.reach_back(found, self.carries[day])
        for row, since in zip(rows.tolist(), since_ms.tolist(), strict=True):
            again[row] = _day(since)
        for row, at in arrived:
            again[row] = min(again.get(row, day), max(0, at - 1) // DAY)
        for row, first_day in again.items():
            if first_day < day:
                self._again(np.array([row]), first_day, mark)

    def _again(self, rows: IntArray, day: int, mark: int) -> None:
        found = self._run(rows, day, mark)
        older, since_ms = vee.reach_back(found, self.carries[day].take(rows))
        if len(older):
            self._again(rows, _day(int(since_ms[0])), mark)

    def _run(self, rows: IntArray, day: int, mark: int) -> vee.Intervals:
        first = day * DAY
        window = window_of(self.shown[rows, first : mark + 1], MONDAY_MS + first * HALF_HOUR_MS)
        job = job_of(window, history=self.history.take(rows), carry=self.carries[day].take(rows))
        found = vee.run(job)
        self.wh[rows, first:mark] = found.import_wh
        self.quality[rows, first:mark] = found.quality
        self.reasons[rows, first:mark] = found.reasons
        grown = vee.remember(job, found)
        if len(rows) == METERS:
            self.history = grown
        else:
            self.history.put(rows, grown)
        for later, carry in enumerate(found.midnights, day + 1):
            if later == len(self.carries):
                self.carries.append(vee.Carry.nothing(METERS))
            self.carries[later].put(rows, carry)
        return found


def _day(time_ms: int) -> int:
    return (time_ms - MONDAY_MS) // HALF_HOUR_MS // DAY


def _truth(rng: np.random.Generator) -> tuple[FloatArray, vee.History]:
    use = homes(rng, METERS, PAST + DAYS)
    past, used = use[:, : PAST * DAY].reshape(METERS, PAST, DAY), use[:, PAST * DAY :]
    used[1, 60:130] = 0
    used[2, 90:100] = 333
    used[3, 100] = 9000
    used[4, 2 * DAY : 3 * DAY] *= 4
    used[5, 3 * DAY : 4 * DAY] *= 0.1
    return np.array([registers_of(row) for row in used]), past_days(MONDAY_MS, PAST, past)


@pytest.mark.parametrize("seed", range(quick_or_soak(6, 60)))
def test_late_readings_end_where_readings_in_time_end(seed: int) -> None:
    rng = np.random.default_rng(seed)
    registers, history = _truth(rng)
    marks = registers.shape[1]
    delay = np.where(rng.random(registers.shape) < 0.15, rng.integers(1, 90, registers.shape), 0)
    for row in range(METERS):  # and one long silence of each meter, made up for at its end
        begin = int(rng.integers(1, marks - 80))
        length = int(rng.integers(5, 75))
        delay[row, begin : begin + length] = length - np.arange(length)
    lost = rng.random(registers.shape) < 0.02
    lost[:, [0, -1]] = False
    delay[:, 0] = 0
    arrival = np.minimum(np.arange(marks) + delay, marks - 1)
    process = Process(history._replace(energy_wh=history.energy_wh.copy()))
    process.shown[:, 0] = registers[:, 0]
    for mark in range(1, marks):
        now = np.argwhere((arrival == mark) & ~lost)
        for row, at in now.tolist():
            process.shown[row, at] = registers[row, at]
        process.step(mark, [(row, at) for row, at in now.tolist()])
    in_time = vee.run(job_of(window_of(np.where(lost, np.nan, registers)), history=history))
    assert np.array_equal(process.wh, in_time.import_wh, equal_nan=True)
    assert np.array_equal(process.quality, in_time.quality)
    assert np.array_equal(process.reasons, in_time.reasons)
    assert process.wh.sum() == pytest.approx((registers[:, -1] - registers[:, 0]).sum(), abs=1e-3)
