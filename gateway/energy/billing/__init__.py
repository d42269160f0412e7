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

from gateway.energy.calendar import DAY_MS, Calendar, day_number
from gateway.energy.series import Window
from gateway.energy.tariff import RateShares
from gateway.energy.vee.types import Intervals, Method
from gateway.model import BoolArray, FloatArray, IntArray, Quality
from gateway.policies import MS_PER_MIN, Policy

BILLING_DOMAIN = "billing"
GRADES = len(Quality)
NOT_YET_MS = 1 << 62
_MS_PER_H = 3_600_000
_DECEMBER = 12
_HELD = (int(Quality.SUSPECT), int(Quality.FAILED))


class BillingPolicy(Policy):
    """How determinants are made."""

    demand_block_min: int = Field(ge=1, le=1440)
    power_factor_least: float = Field(gt=0, le=1)
    progress_h: tuple[int, ...] = Field(min_length=1)


class DayFigures(NamedTuple):
    """One local day of many meters; shape (meters,) unless said otherwise."""

    day: int  # local day number
    rates: tuple[str, ...]
    by_rate_wh: FloatArray  # (meters, rates)
    import_wh: FloatArray
    export_wh: FloatArray  # NaN where a register is missing
    demand_w: FloatArray  # highest mean of a block, measured slots only; NaN without one
    demand_ms: IntArray  # beginning of that block
    register_start_wh: FloatArray  # as shown at the midnights, NaN unknown
    register_end_wh: FloatArray
    reactive_start_varh: FloatArray
    reactive_end_varh: FloatArray
    grades: IntArray  # (meters, grades): slots of each model.Quality
    open_slots: IntArray  # not final, or not there yet
    held_slots: IntArray  # suspect or failed: a person must look


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
    missing_days: int
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
        intervals.export_wh[:, part].sum(axis=1),
        demand_w,
        intervals.start_ms + (start + demand_slot) * intervals.interval_ms,
        intervals.register_wh[:, start],
        intervals.register_wh[:, stop] if stop - start == whole else unknown,
        unknown if reactive is None else reactive[:, start],
        unknown if reactive is None or stop - start < whole else reactive[:, stop],
        grades,
        open_slots,
        np.isin(intervals.quality[:, part], _HELD).sum(axis=1),
    )


def close(
    days: Sequence[DayFigures],
    first_day: int,
    stop_day: int,
    rollover_varh: FloatArray,
    policy: BillingPolicy,
) -> Determinants:
    """Add up the days of a cycle, [first_day, stop_day); it need not be over.

    Args:
        days: records of the same meters, in any order, each day once.
        first_day: local day number.
        stop_day: the day behind the last.
        rollover_varh: (meters,) where reactive registers begin anew.
        policy: the edition of the last day.
    """
    inside = sorted(
        (one for one in days if first_day <= one.day < stop_day), key=lambda one: one.day
    )
    if not inside:
        raise ValueError("no day of the cycle is known")
    missing = stop_day - first_day - len(inside)
    import_wh = _total([one.import_wh for one in inside])
    demand_w = np.stack([one.demand_w for one in inside])
    is_any = np.isfinite(demand_w).any(axis=0)
    best = np.argmax(np.nan_to_num(demand_w, nan=-1.0), axis=0)
    meters = np.arange(len(import_wh))
    demand_ms = np.stack([one.demand_ms for one in inside])[best, meters]
    reactive = np.mod(inside[-1].reactive_end_varh - inside[0].reactive_start_varh, rollover_varh)
    apparent = np.hypot(import_wh, reactive)
    factor = np.divide(import_wh, apparent, out=np.full_like(apparent, np.nan), where=apparent > 0)
    open_slots = np.sum([one.open_slots for one in inside], axis=0)
    held_slots = np.sum([one.held_slots for one in inside], axis=0)
    return Determinants(
        first_day,
        stop_day,
        inside[0].rates,
        _total([one.by_rate_wh for one in inside]),
        import_wh,
        _total([one.export_wh for one in inside]),
        np.where(is_any, demand_w[best, meters], np.nan),
        np.where(is_any, demand_ms, 0),
        inside[0].register_start_wh,
        inside[-1].register_end_wh,
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
    is_told = (method <= int(Method.BACKLOG)) | (method == int(Method.EDITED))
    is_told &= ~np.isin(intervals.quality[:, part], _HELD)
    use = np.where(is_told, intervals.import_wh[:, part], np.nan)
    count = use.shape[1] // of_block
    blocks = use[:, : count * of_block].reshape(len(use), count, of_block).sum(axis=2)
    power = blocks / (of_block * intervals.interval_ms / _MS_PER_H)
    if not count:
        return np.full(len(use), np.nan), np.zeros(len(use), np.int64)
    best = np.argmax(np.nan_to_num(power, nan=-1.0), axis=1)
    return power[np.arange(len(use)), best], best * of_block


def _total(parts: Sequence[FloatArray]) -> FloatArray:
    total: FloatArray = np.sum(parts, axis=0)
    return total
