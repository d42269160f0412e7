"""The California algorithm (Payne and Tignor 1978) with the confirmation by a pair of speeds.

o(i, t) is the occupancy of a station, i + 1 the next downstream. OCCDF = o(i,t) − o(i+1,t),
OCCRDF = OCCDF / o(i,t), DOCCTD = (o(i+1,t−2) − o(i+1,t)) / o(i+1,t−2).
"""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.transport.incidents.policy import California

_BEFORE = 2  # intervals back, of DOCCTD


class CaliforniaState(NamedTuple):
    """Of stations and pairs; survives a restart."""

    occupancy: FloatArray  # (stations, smooth + 2), the newest last
    speed_kmh: FloatArray
    slots: IntArray  # (pairs,) intervals in a row in which all tests held
    is_on: BoolArray  # (pairs,) holds until OCCRDF falls below its threshold

    @classmethod
    def fresh(cls, stations: int, pairs: int, rule: California) -> "CaliforniaState":
        """Return the state of a road that nothing is known of."""
        shape = (stations, rule.smooth_slots + _BEFORE)
        return cls(
            np.full(shape, np.nan),
            np.full(shape, np.nan),
            np.zeros(pairs, np.int64),
            np.zeros(pairs, np.bool_),
        )


def california(
    measured: tuple[FloatArray, FloatArray],
    state: CaliforniaState,
    pairs: tuple[IntArray, IntArray],
    rule: California,
) -> CaliforniaState:
    """Go on by one interval.

    Args:
        measured: occupancy and speed of stations, NaN where unknown.
        state: before it.
        pairs: stations upstream and downstream of each pair.
        rule: thresholds.

    Where a speed or an occupancy is not known no test holds.
    """
    up, down = pairs
    occupancy, speed = (
        np.concatenate((old[:, 1:], new[:, None]), axis=1)
        for old, new in zip(state[:2], measured, strict=True)
    )
    now = occupancy[:, -rule.smooth_slots :].mean(axis=1)
    before = occupancy[:, : rule.smooth_slots].mean(axis=1)
    kmh = speed[:, -rule.smooth_slots :].mean(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        occdf = now[up] - now[down]
        occrdf = occdf / now[up]
        docctd = (before[down] - now[down]) / before[down]
        slow = (kmh[up] < rule.speed_kmh) & (kmh[down] - kmh[up] >= rule.drop_kmh)
        holds = (occdf >= rule.occupancy) & (occrdf >= rule.relative) & slow
        # the third test is of the begin: behind an incident the road empties once
        holds &= (docctd >= rule.downstream) | (state.slots > 0)
        stays = state.is_on & (occrdf >= rule.relative)
    slots = np.where(holds, state.slots + 1, 0)
    return CaliforniaState(occupancy, speed, slots, stays | (slots >= rule.slots))
