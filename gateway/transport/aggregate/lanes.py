"""Lanes: from intervals to bins, and from bins to longer ones."""

import numpy as np
from numpy.typing import NDArray

from gateway.model import BoolArray, FloatArray, IntArray, Quality, Reason
from gateway.transport.aggregate.folding import folded, mean, per_bin, total, weighted
from gateway.transport.policy import Bins as BinPolicy
from gateway.transport.series import Bins, Method, Window

_PERIOD_MS = 30_000  # of the policy's largest count
_ROLLOVER = float(1 << 32)  # of cum_count, profiles/tl1.toml
_ESTIMATES = [int(Quality.ESTIMATED_FLAT), int(Quality.ESTIMATED_LIKE_DAY), int(Quality.IMPUTED)]
_RESETS = int(Reason.REGISTER_RESET | Reason.REGISTER_BACKWARDS | Reason.METER_EXCHANGE)
# What a value is worth by where it comes from, in the order of ``Method``
_GRADES = np.array(
    [
        Quality.VALID,
        Quality.RECOVERED,
        *[Quality.IMPUTED] * (int(Method.TIME_OF_WEEK) - int(Method.FOREIGN) + 1),
        Quality.MISSING,
    ],
    np.int64,
)


def is_trusted(window: Window, policy: BinPolicy, is_bad: BoolArray | None = None) -> BoolArray:
    """Return which slots may be summed up: the sample filters of PeMS and what health says.

    Args:
        window: rows as they came.
        policy: what a detector can mean.
        is_bad: slots, or lanes as a column, of detectors that health flags.
    """
    quality, count, occupancy = window.quality, window.count, window.occupancy
    most = _most_vehicles(window, policy)
    trusted = (quality != int(Quality.FAILED)) & (quality != int(Quality.MISSING))
    trusted &= (count >= 0) & (count <= most)
    trusted &= np.isnan(occupancy) | ((occupancy >= 0) & (occupancy <= 1))
    if is_bad is not None:
        trusted &= ~is_bad
    found: BoolArray = trusted
    return found


def is_covered(window: Window, trusted: BoolArray) -> BoolArray:
    """Return slots without a row whose time the rows on either side have measured all the same.

    Rows of a detector that sends every 5.2 s leave one slot of 5 s in 25 without a row, and none
    is lost: those beside it are nearer to each other than an interval and a half. Beyond the
    edges of the window its last row tells for both sides.
    """
    two_ms = np.where(window.beside_ms != 0, window.beside_ms, window.offset_ms)
    first_ms, last_ms = (
        np.pad(pick(window.offset_ms, two_ms), ((0, 0), (1, 1)))
        for pick in (np.minimum, np.maximum)
    )
    last_ms[:, 0], first_ms[:, -1] = -first_ms[:, 2], -last_ms[:, -3]
    is_there = np.pad(trusted, ((0, 0), (1, 1)), constant_values=True)
    apart_ms = 2 * window.interval_ms + first_ms[:, 2:] - last_ms[:, :-2]
    found: BoolArray = ~window.is_present() & is_there[:, 2:] & is_there[:, :-2]
    found &= 2 * apart_ms < 3 * window.interval_ms
    return found


def recovered(window: Window, trusted: BoolArray, policy: BinPolicy) -> FloatArray:
    """Return counts of slots without a trusted row that the running counter tells, else NaN.

    A lost message costs resolution, not vehicles: between two rows of the counter everything that
    passed is known. It is spread evenly. A counter that began anew tells nothing.
    """
    slots = np.arange(window.slots)
    is_known = trusted & np.isfinite(window.cumulative)
    before = np.maximum.accumulate(np.where(is_known, slots, -1), axis=1)
    after = np.where(is_known, slots, window.slots)
    after = np.minimum.accumulate(after[:, ::-1], axis=1)[:, ::-1]
    row, slot = np.nonzero(~is_known & (before >= 0) & (after < window.slots))
    found = np.full(window.count.shape, np.nan)
    if not len(row):
        return found
    low, high = before[row, slot], after[row, slot]
    passed = (window.cumulative[row, high] - window.cumulative[row, low]) % _ROLLOVER
    passed -= window.count[row, high] + window.surplus[row, high]
    length = high - low - 1
    most = _most_vehicles(window, policy)
    is_reset = window.reasons[row, high] & _RESETS != 0
    is_short = length * window.interval_ms <= policy.recover_max_min * 60_000
    is_told = is_short & ~is_reset & (passed >= 0) & (passed <= most * length)
    found[row, slot] = np.where(is_told, passed / length, np.nan)
    return found


def bins(
    window: Window, interval_ms: int, policy: BinPolicy, is_bad: BoolArray | None = None
) -> Bins:
    """Return the bins of lanes; the window must begin and end at one.

    Args:
        window: of lanes that measure at one interval.
        interval_ms: of the bins, a multiple of the window's.
        policy: how much of a bin must be measured.
        is_bad: what health flags; see ``is_trusted``.

    Raises:
        ValueError: bins do not consist of whole intervals.
    """
    per = per_bin(window.interval_ms, interval_ms, window.slots)
    trusted = is_trusted(window, policy, is_bad)
    seen = folded(trusted | is_covered(window, trusted), per).sum(axis=2) / per
    scale = np.divide(1.0, seen, out=np.full(seen.shape, np.nan), where=seen >= policy.min_observed)
    can_be = window.surplus <= _most_vehicles(window, policy)
    counted = window.count + np.where(can_be, window.surplus, 0.0)
    shown, count = (
        total(np.where(trusted, one, np.nan), per) * scale for one in (window.count, counted)
    )
    told = recovered(window, trusted, policy)
    full = folded(np.where(trusted, counted, told), per).sum(axis=2)
    is_told = np.isfinite(full) & (seen < 1)
    speeds = _speeds(window, trusted, policy, per)
    occupancy = mean(np.where(trusted, window.occupancy, np.nan), per)
    classes = np.stack(
        [total(np.where(trusted, one, np.nan), per) * scale for one in window.class_count]
    )
    classes *= np.divide(count, shown, out=np.ones(count.shape), where=shown > 0)
    is_enough = seen >= policy.min_observed
    foreign = np.isin(window.quality, _ESTIMATES) & trusted
    is_foreign = folded(foreign, per).any(axis=2)
    method = np.full(count.shape, int(Method.NOTHING), np.int8)
    method[is_told] = int(Method.RECOVERED)
    method[is_enough] = int(Method.OBSERVED)
    method[is_enough & is_foreign] = int(Method.FOREIGN)
    quality = grades(method)
    quality[is_told] = int(Quality.RECOVERED)
    time_mean, space_mean, v85 = (np.where(is_enough, speed, np.nan) for speed in speeds)
    return Bins(
        window.start_ms,
        interval_ms,
        np.where(is_told, full, count),
        np.where(is_enough, occupancy, np.nan),
        time_mean,
        space_mean,
        v85,
        classes,
        seen,
        method,
        quality,
    )


def coarser(fine: Bins, interval_ms: int, policy: BinPolicy) -> Bins:
    """Return longer bins; ``fine`` must begin and end at one.

    Raises:
        ValueError: the longer bins do not consist of whole ones.
    """
    per = per_bin(fine.interval_ms, interval_ms, fine.slots)
    is_there = np.isfinite(fine.count)
    share = folded(is_there, per).sum(axis=2) / per
    is_enough = share >= policy.min_observed
    scale = np.divide(1.0, share, out=np.full(share.shape, np.nan), where=is_enough)
    weight = np.nan_to_num(fine.count)
    worst = folded(np.where(is_there, fine.method, 0), per).max(axis=2)
    method = np.where(is_enough, worst, int(Method.NOTHING)).astype(np.int8)
    quality = grades(method)
    return Bins(
        fine.start_ms,
        interval_ms,
        total(fine.count, per) * scale,
        mean(fine.occupancy, per),
        weighted(fine.speed_kmh, weight, per),
        1 / weighted(1 / fine.space_kmh, weight, per),
        weighted(fine.v85_kmh, weight, per),
        np.stack([total(one, per) * scale for one in fine.class_count]),
        folded(fine.observed, per).mean(axis=2),
        method,
        quality,
    )


def grades(method: NDArray[np.int8]) -> IntArray:
    """Return the grade of values by ``Method``."""
    found: IntArray = _GRADES[method]
    return found


def grade_of_observed(share: FloatArray, policy: BinPolicy) -> IntArray:
    """Return the grade of values that come with PeMS's ``% Observed``, as a share."""
    grades = np.where(share >= policy.min_observed, int(Quality.VALID), int(Quality.IMPUTED))
    return grades.astype(np.int64)


def _most_vehicles(window: Window, policy: BinPolicy) -> float:
    """Return what a lane can count in an interval."""
    return policy.count_max_30_s * max(1.0, window.interval_ms / _PERIOD_MS)


def _speeds(
    window: Window, trusted: BoolArray, policy: BinPolicy, per: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    kmh = window.speed_kmh
    is_real = (kmh >= policy.speed_min_kmh) & (kmh <= policy.speed_max_kmh) & trusted
    weight = np.where(is_real, window.count, 0.0)
    return (
        weighted(kmh, weight, per),
        1 / weighted(1 / kmh, weight, per),
        weighted(window.v85_kmh, weight, per),
    )
