"""Speed from detectors that only count and cover: the g-factor of PeMS.

A loop is covered for (vehicle length + loop length) / speed by each vehicle. When traffic is free
its speed is known, and the occupancy gives the effective length g; in a jam g gives the speed.
"""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.transport.policy import GFactor
from gateway.transport.series import Bins

HOURS = 24
_METRES = 1000.0


class Lengths(NamedTuple):
    """What is known of lanes without a speed of their own."""

    g_m: FloatArray  # (lanes, 24): effective length by the local hour of the day
    last_kmh: FloatArray  # (lanes,): the smoothed speed at the end of the bins before

    @classmethod
    def nothing(cls, free_kmh: FloatArray, policy: GFactor) -> "Lengths":
        """Return what holds before anything is measured."""
        return cls(np.full((len(free_kmh), HOURS), policy.default_m), free_kmh.copy())


def effective_lengths(
    week: Bins, hour: IntArray, free_kmh: FloatArray, policy: GFactor
) -> FloatArray:
    """Return the effective length of each lane by the hour of the day, metres.

    Args:
        week: measured bins, best of a week; a day will do.
        hour: local hour of the day of each bin.
        free_kmh: of each lane.
        policy: what is free flow, and how much is needed to believe it.
    """
    count, occupancy = week.count, week.occupancy
    is_seen = (count > 0) & (occupancy > 0) & week.is_observed()
    is_low = is_seen & (occupancy < _quantile(occupancy, is_seen, policy.low_quantile)[:, None])
    run_m = free_kmh[:, None] * _METRES * week.hours
    each_m = np.divide(occupancy * run_m, count, out=np.zeros(count.shape), where=is_low)
    by_hour = np.zeros((len(count), HOURS))
    samples = np.zeros((len(count), HOURS))
    for one in np.unique(hour).tolist():
        samples[:, one] = is_low[:, hour == one].sum(axis=1)
        by_hour[:, one] = each_m[:, hour == one].sum(axis=1)
    is_enough = samples >= policy.min_samples
    mean_m = np.divide(by_hour, samples, out=np.zeros(by_hour.shape), where=is_enough)
    around = range(-policy.smooth_h, policy.smooth_h + 1)
    total_m = sum((np.roll(mean_m, shift, axis=1) for shift in around), np.zeros(mean_m.shape))
    hours = sum((np.roll(is_enough, shift, axis=1) for shift in around), np.zeros(mean_m.shape))
    default_m = np.full(mean_m.shape, policy.default_m)
    found: FloatArray = np.divide(total_m, hours, out=default_m, where=hours > 0)
    return found


def speeds(
    found: Bins, hour: IntArray, lengths: Lengths, free_kmh: FloatArray, policy: GFactor
) -> tuple[FloatArray, Lengths]:
    """Return the speed in each bin, NaN where nothing was measured, and what the next needs.

    The fewer vehicles a bin has, the more the speed before it counts.
    """
    shown = np.full(found.count.shape, np.nan)
    last = lengths.last_kmh
    lowest, highest = policy.min_kmh, free_kmh * policy.max_share
    for slot in range(found.slots):
        count, occupancy = found.count[:, slot], found.occupancy[:, slot]
        run_h_m = occupancy * found.hours * _METRES
        is_seen = (count > 0) & (run_h_m > 0)
        raw = np.divide(count * lengths.g_m[:, hour[slot]], run_h_m, out=last.copy(), where=is_seen)
        share = np.where(is_seen, count / (count + policy.weight_veh), 0.0)
        last = np.clip(share * raw + (1 - share) * last, lowest, highest)
        shown[:, slot] = np.where(np.isfinite(count) & np.isfinite(occupancy), last, np.nan)
    return shown, Lengths(lengths.g_m, last)


def _quantile(values: FloatArray, is_seen: BoolArray, share: float) -> FloatArray:
    """Return the quantile of what is seen in each row, infinity where nothing is."""
    ordered = np.sort(np.where(is_seen, values, np.inf), axis=1)
    rank = np.maximum(np.ceil(share * is_seen.sum(axis=1)).astype(np.int64) - 1, 0)
    found: FloatArray = ordered[np.arange(len(values)), rank]
    return found
