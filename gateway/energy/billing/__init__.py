"""Billing determinants: one small record of each day, and the sum of a cycle's days.

``of_day`` makes the record of a local day from VEE's slots; made again for the same slots it is
the same, so a day that late data changed is simply replaced. ``close`` adds the days of a cycle up.
``progress`` tells how fast meters became ready for their bills.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
from pydantic import Field

from gateway.energy.billing.absence import Absences, Absent, edged, either, registers
from gateway.energy.billing.days import DayFigures, without
from gateway.energy.calendar import DAY_MS, Calendar, day_number
from gateway.energy.series import Window
from gateway.energy.tariff import RateShares
from gateway.energy.vee.types import Intervals, Method
from gateway.model import BoolArray, FloatArray, IntArray, Quality
from gateway.policies import MS_PER_MIN, Policy
from gateway.validate.rules import ROLLOVER_FROM, ROLLOVER_TO

__all__ = [
    "BILLING_DOMAIN",
    "HELD",
    "NOT_YET_MS",
    "Absences",
    "Absent",
    "BillingPolicy",
    "DayFigures",
    "Determinants",
    "close",
    "edged",
    "either",
    "month",
    "of_day",
    "progress",
    "ready_since",
    "without",
]

BILLING_DOMAIN = "billing"
GRADES = len(Quality)
NOT_YET_MS = 1 << 62
_MS_PER_H = 3_600_000
_DECEMBER = 12
HELD = (int(Quality.SUSPECT), int(Quality.FAILED))
# Whose power is that of the slot: half an hour of an hour has the hour's mean, which is as fine as
# it is known. What was estimated, by us or by who wrote a file, makes no demand.
_DEMAND = (Method.MEASURED, Method.BACKLOG, Method.EDITED, Method.SPLIT, Method.SOURCE_FINAL)


class BillingPolicy(Policy):
    """How determinants are made."""

    demand_block_min: int = Field(ge=1, le=1440)
    power_factor_least: float = Field(gt=0, le=1)
    progress_h: tuple[int, ...] = Field(min_length=1)


class Determinants(NamedTuple):
    """What a bill is made of, for one cycle of many meters."""

    first_day: int
    stop_day: int  # not part of it
    rates: tuple[str, ...]
    by_rate_wh: FloatArray
    import_wh: FloatArray
    export_wh: FloatArray
    demand_w: FloatArray
    demand_ms: IntArray
    register_start_wh: FloatArray
    register_end_wh: FloatArray
    reactive_varh: FloatArray  # NaN where the meter does not tell
    power_factor: FloatArray  # mean cos φ of the cycle
    is_low_factor: BoolArray
    grades: IntArray
    missing_days: IntArray
    open_slots: IntArray
    held_slots: IntArray
    is_ready: BoolArray


def of_day(
    intervals: Intervals,
    window: Window,
    day: int,
    calendar: Calendar,
    shares: RateShares,
    policy: BillingPolicy,
) -> DayFigures:
    """Return the record of a local day, which may not be over yet.

    Args:
        intervals: from ``vee.run``, covering the day as far as it has come.
        window: that the run was of, for the reactive registers.
        day: local day number.
        calendar: local days.
        shares: rates of all slots of ``intervals``.
        policy: the edition of the day.
    """
    start = (calendar.start_ms(day) - intervals.start_ms) // intervals.interval_ms
    if start < 0 or start >= intervals.slots:
        raise ValueError(f"day {day} does not begin in the window")
    whole = DAY_MS // intervals.interval_ms
    stop = min(start + whole, intervals.slots)
    part = slice(start, stop)
    use = np.nan_to_num(intervals.import_wh[:, part])
    demand_w, demand_slot = _demand(intervals, part, policy)
    grades = np.stack(
        [(intervals.quality[:, part] == k).sum(axis=1) for k in range(GRADES)], axis=1
    )
    open_slots = whole - intervals.is_final[:, part].sum(axis=1)
    reactive = window.reactive_import_varh
    unknown = np.full(len(use), np.nan)
    return DayFigures(
        day,
        shares.rates,
        use @ shares.share[:, part].T,
        use.sum(axis=1),
        _fed_in(intervals.export_wh[:, part], intervals.register_wh[:, start : stop + 1]),
        demand_w,
        intervals.start_ms + (start + demand_slot) * intervals.interval_ms,
        intervals.register_wh[:, start],
        intervals.register_wh[:, stop] if stop - start == whole else unknown,
        unknown if reactive is None else reactive[:, start],
        unknown if reactive is None or stop - start < whole else reactive[:, stop],
        grades,
        open_slots,
        np.isin(intervals.quality[:, part], HELD).sum(axis=1),
    )


def close(
    days: Sequence[DayFigures],
    first_day: int,
    stop_day: int,
    rollover_varh: float,
    policy: BillingPolicy,
    is_out: Absent | None = None,
) -> Determinants:
    """Add up the days of a cycle, [first_day, stop_day); it need not be over.

    Args:
        days: records of the same meters, in any order, each day once.
        first_day: local day number.
        stop_day: the day behind the last.
        rollover_varh: where reactive registers begin anew at zero, inf where they never do.
        policy: the edition of the last day.
        is_out: who was not in service, and so misses nothing; None = nobody.
    """
    inside = sorted(
        (one for one in days if first_day <= one.day < stop_day), key=lambda one: one.day
    )
    if not inside:
        raise ValueError("no day of the cycle is known")
    unknown = {*range(first_day, stop_day)} - {one.day for one in inside}
    missing = np.full(len(inside[0].import_wh), len(unknown))
    if is_out is not None:
        missing -= np.sum([is_out(day) for day in unknown], axis=0, dtype=np.int64)
        inside = [_excused(one, is_out(one.day)) for one in inside]
    import_wh = _total([one.import_wh for one in inside])
    demand_w = np.stack([one.demand_w for one in inside])
    is_any = np.isfinite(demand_w).any(axis=0)
    best = np.argmax(np.nan_to_num(demand_w, nan=-1.0), axis=0)
    meters = np.arange(len(import_wh))
    demand_ms = np.stack([one.demand_ms for one in inside])[best, meters]
    reactive = _risen(inside, rollover_varh)
    apparent = np.hypot(import_wh, reactive)
    factor = np.divide(import_wh, apparent, out=np.full_like(apparent, np.nan), where=apparent > 0)
    open_slots = np.sum([one.open_slots for one in inside], axis=0)
    held_slots = np.sum([one.held_slots for one in inside], axis=0)
    shown = np.stack([each for one in inside for each in _registers(one)], axis=1)
    return Determinants(
        first_day,
        stop_day,
        inside[0].rates,
        _total([one.by_rate_wh for one in inside]),
        import_wh,
        _fed_in(np.stack([one.export_wh for one in inside], axis=1), shown),
        np.where(is_any, demand_w[best, meters], np.nan),
        np.where(is_any, demand_ms, 0),
        *registers(inside, shown, is_out),
        reactive,
        factor,
        factor < policy.power_factor_least,
        np.sum([one.grades for one in inside], axis=0),
        missing,
        open_slots,
        held_slots,
        (open_slots == 0) & (held_slots == 0) & (missing == 0),
    )


def month(year: int, number: int) -> tuple[int, int]:
    """Return first day and the day behind the last of a calendar month."""
    following = (year + 1, 1) if number == _DECEMBER else (year, number + 1)
    return day_number(date(year, number, 1)), day_number(date(*following, 1))


def ready_since(before_ms: IntArray, is_ready: BoolArray, now_ms: int) -> IntArray:
    """Return since when each meter has been ready; ``NOT_YET_MS`` for those that are not.

    A meter that late data made unready again begins anew.
    """
    since = np.where(before_ms == NOT_YET_MS, now_ms, before_ms)
    return np.where(is_ready, since, NOT_YET_MS)


def progress(since_ms: IntArray, at_ms: IntArray) -> FloatArray:
    """Return the share of meters that were ready at moments."""
    ready = np.searchsorted(np.sort(since_ms), at_ms, side="right")
    share: FloatArray = ready / max(1, len(since_ms))
    return share


def _demand(
    intervals: Intervals, part: slice, policy: BillingPolicy
) -> tuple[FloatArray, IntArray]:
    """Return the highest mean power of complete measured blocks, and the slot it begins at.

    Where a slot is longer than a block, the slot is the block: nothing finer is known.
    """
    of_block = max(1, policy.demand_block_min * MS_PER_MIN // intervals.interval_ms)
    method = intervals.method[:, part]
    is_told = np.isin(method, _DEMAND)
    is_told &= ~np.isin(intervals.quality[:, part], HELD)
    use = np.where(is_told, intervals.import_wh[:, part], np.nan)
    count = use.shape[1] // of_block
    blocks = use[:, : count * of_block].reshape(len(use), count, of_block).sum(axis=2)
    power = blocks / (of_block * intervals.interval_ms / _MS_PER_H)
    if not count:
        return np.full(len(use), np.nan), np.zeros(len(use), np.int64)
    best = np.argmax(np.nan_to_num(power, nan=-1.0), axis=1)
    return power[np.arange(len(use)), best], best * of_block


def _fed_in(export_wh: FloatArray, register_wh: FloatArray) -> FloatArray:
    """Return sums over columns of what was fed in, NaN where a part is not known.

    What no register tells a file does: of that the sum is that of the file, whatever is missing.
    """
    is_told = np.isnan(register_wh).all(axis=1) & np.isfinite(export_wh).any(axis=1)
    total: FloatArray = np.where(is_told, np.nansum(export_wh, axis=1), export_wh.sum(axis=1))
    return total


def _registers(day: DayFigures) -> tuple[FloatArray, FloatArray]:
    return day.register_start_wh, day.register_end_wh


def _excused(day: DayFigures, is_out: BoolArray) -> DayFigures:
    """Return a day on which meters that were not in service, nor told of any slot, miss nothing."""
    is_out = is_out & (day.grades.sum(axis=1) == 0)
    return day._replace(
        open_slots=np.where(is_out, 0, day.open_slots),
        export_wh=np.where(is_out, 0.0, day.export_wh),
    )


def _risen(days: Sequence[DayFigures], rollover_varh: float) -> FloatArray:
    """Return by how much reactive registers rose; NaN where nobody knows.

    That is where one was not read at an end of the cycle, or fell without rolling over, as when
    a meter is exchanged: what went before is not in the new one.
    """
    shown = [each for one in days for each in (one.reactive_start_varh, one.reactive_end_varh)]
    newest, risen = shown[0], np.zeros(len(shown[0]))
    for now in shown[1:]:
        is_over = (newest > ROLLOVER_FROM * rollover_varh) & (now < ROLLOVER_TO * rollover_varh)
        step = now - newest + np.where(is_over, rollover_varh, 0.0)
        risen = np.where(np.isnan(now), risen, risen + np.where(step < 0, np.nan, step))
        newest = np.where(np.isnan(now), newest, now)
    return np.where(np.isnan(shown[-1]), np.nan, risen)


def _total(parts: Sequence[FloatArray]) -> FloatArray:
    total: FloatArray = np.sum(parts, axis=0)
    return total
