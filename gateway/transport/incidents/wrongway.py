"""Drivers against the traffic, as radars over the road see them (profile ``pv1``)."""

from typing import NamedTuple

import numpy as np

from gateway.model import IntArray
from gateway.transport.incidents.policy import WrongWay
from gateway.transport.series import Vehicles

_WITH, _AGAINST = 1, 2  # codes of the profile
_NEVER_MS = -(1 << 62)


class RadarState(NamedTuple):
    """What is known of each radar; survives a restart."""

    known: IntArray  # vehicles with a direction
    against: IntArray
    last_ms: IntArray  # the last one that was told

    @classmethod
    def fresh(cls, radars: int) -> "RadarState":
        """Return the state of radars that nothing is known of."""
        zeros = np.zeros(radars, np.int64)
        return cls(zeros, zeros, np.full(radars, _NEVER_MS))


class WrongWayDriver(NamedTuple):
    """Somebody drives against the traffic."""

    radar: int  # row
    time_ms: int
    speed_kmh: float
    kind: int  # code of the profile
    lane: int  # from the kerb, 0 unknown
    is_serious: bool


def wrong_way(
    seen: Vehicles, radar: IntArray, state: RadarState, rule: WrongWay
) -> tuple[list[WrongWayDriver], RadarState]:
    """Go on with vehicles in order of time.

    Args:
        seen: what radars saw.
        radar: row of each of them, −1 for others.
        state: before it.
        rule: thresholds. A radar that sees many against the lane looks at both carriageways.
    """
    known, against, last_ms = (column.copy() for column in state)
    found: list[WrongWayDriver] = []
    is_ours = (radar >= 0) & (seen.direction > 0)
    odd = np.flatnonzero(is_ours & (seen.direction == _AGAINST))
    usual = np.flatnonzero(is_ours & (seen.direction == _WITH))
    before = 0
    for at in odd.tolist():
        here, time_ms = int(radar[at]), int(seen.time_ms[at])
        upto = int(np.searchsorted(usual, at))
        np.add.at(known, radar[usual[before:upto]], 1)
        before = upto
        most = max(rule.few, rule.two_way_share * known[here])
        is_believed = known[here] >= rule.min_known and against[here] <= most
        known[here] += 1
        against[here] += 1
        is_fast = seen.speed_kmh[at] >= rule.min_speed_kmh
        if not (is_believed and is_fast):
            continue
        if time_ms - int(last_ms[here]) > rule.same_s * 1000:
            kind = int(seen.kind[at])
            found.append(
                WrongWayDriver(
                    *(here, time_ms, float(seen.speed_kmh[at]), kind, int(seen.lane[at])),
                    kind in rule.serious_kinds,
                )
            )
        last_ms[here] = time_ms
    np.add.at(known, radar[usual[before:]], 1)
    return found, RadarState(known, against, last_ms)
