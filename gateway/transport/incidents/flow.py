"""Where traffic is slow, judged by what is usual at each station."""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.transport.incidents.policy import Slow

_FIRST_SPREAD_KMH = 10.0  # of single vehicles, before anything is known
_FIRST_VEHICLES = 5.0  # that make a first usual speed


class FlowState(NamedTuple):
    """Of each station; survives a restart."""

    usual_kmh: FloatArray  # NaN before the first vehicles
    spread: FloatArray  # variance of the speeds of single vehicles
    low: IntArray  # slots in a row that were low
    high: IntArray  # ... that were free
    is_slow: BoolArray

    @classmethod
    def fresh(cls, stations: int) -> "FlowState":
        """Return the state of stations that nothing is known of."""
        zeros = np.zeros(stations, np.int64)
        spread = np.full(stations, _FIRST_SPREAD_KMH**2)
        return cls(np.full(stations, np.nan), spread, zeros, zeros, np.zeros(stations, np.bool_))

    def without(self, which: BoolArray) -> "FlowState":
        """Return a state in which some stations are not slow, as nobody can say so."""
        if not which.any():
            return self
        low, high = (np.where(which, 0, one) for one in (self.low, self.high))
        return self._replace(low=low, high=high, is_slow=self.is_slow & ~which)


class Slot(NamedTuple):
    """What stations measured in one interval."""

    vehicles: FloatArray  # NaN where a lane is missing
    occupancy: FloatArray
    speed_kmh: FloatArray  # NaN where nobody passed

    @property
    def is_seen(self) -> BoolArray:
        """Return which stations measured anything."""
        return np.asarray(np.isfinite(self).any(axis=0))


def judge(slot: Slot, state: FlowState, seconds: float, slots: IntArray, rule: Slow) -> FlowState:
    """Go on by one interval of ``seconds``; ``slots`` low ones in a row make a station slow.

    A slow station does not change what is usual. An interval without vehicles says nothing,
    unless the loops are covered.
    """
    count = np.nan_to_num(slot.vehicles)
    known = np.isfinite(slot.speed_kmh) & (count > 0)
    deviation = slot.speed_kmh - state.usual_kmh
    noise_kmh = rule.sigmas * np.sqrt(state.spread / np.maximum(count, 1.0))
    with np.errstate(invalid="ignore"):
        low = known & (deviation < -np.maximum(noise_kmh, rule.share * state.usual_kmh))
        low |= (count == 0) & (slot.occupancy >= rule.standing_occupancy)
        high = known & (slot.speed_kmh >= rule.free_share * state.usual_kmh)
    silent = ~known & ~low
    lows = np.where(low, state.low + 1, np.where(silent, state.low, 0))
    highs = np.where(high, state.high + 1, np.where(silent, state.high, 0))
    is_slow = np.where(state.is_slow, highs < rule.slots, lows >= slots)
    learns = known & ~low & ~is_slow
    weight = np.where(learns, 1 - 0.5 ** (seconds / rule.usual_half_life_s), 0.0)
    is_new = np.isnan(state.usual_kmh) & known & (count >= _FIRST_VEHICLES)
    usual = np.where(is_new, slot.speed_kmh, state.usual_kmh)
    usual = np.where(learns & ~is_new, usual + weight * np.nan_to_num(deviation), usual)
    error = count * np.nan_to_num(deviation) ** 2 - state.spread
    spread = np.where(learns & ~is_new, state.spread + weight * error, state.spread)
    return FlowState(usual, spread, lows, highs, is_slow)
