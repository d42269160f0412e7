"""What a stretch of road has done and what it lost: PeMS's measures."""

from typing import NamedTuple

import numpy as np

from gateway.model import FloatArray
from gateway.transport.aggregate import pcu
from gateway.transport.aggregate.folding import ratio
from gateway.transport.policy import TrafficPolicy
from gateway.transport.series import Bins, Road
from gateway.transport.state.travel import lengths_km


class Work(NamedTuple):
    """Of each station's stretch and bin, (stations, slots)."""

    length_km: FloatArray  # (stations,): half of the way to either neighbour
    vkt: FloatArray  # vehicle kilometres travelled
    vht: FloatArray  # vehicle hours travelled
    delay_veh_h: FloatArray  # beyond what the policy's speed takes
    lost_lane_km_h: FloatArray  # capacity that a jam did not let through

    def speed_kmh(self) -> FloatArray:
        """Return Q, the speed of the traffic as a whole."""
        return ratio(self.vkt, self.vht)

    def tti(self, free_kmh: FloatArray) -> FloatArray:
        """Return the travel time index; ``free_kmh`` of each station."""
        index: FloatArray = free_kmh[:, None] / self.speed_kmh()
        return index


def work(found: Bins, road: Road, policy: TrafficPolicy) -> Work:
    """Return the measures of each station's stretch."""
    kind = road.class_of_stations()
    length_km = stretches_km(road)
    length = length_km[:, None]
    passed = found.count
    speed = found.space_kmh
    target = policy.measures.delay_kmh.column()[kind][:, None]
    vkt = passed * length
    is_empty = passed == 0
    vht = np.where(is_empty, 0.0, vkt / speed)
    delay = np.where(is_empty, 0.0, np.maximum(0.0, vkt * (1 / speed - 1 / target)))
    lanes = np.maximum(road.lanes, 1)[:, None]
    used = pcu(found, policy.pcu) / found.hours / lanes / policy.measures.capacity_pcu_h_lane
    lost = np.where(speed < target, np.maximum(0.0, 1 - used), 0.0)
    return Work(length_km, vkt, vht, delay, lost * length * lanes * found.hours)


def stretches_km(road: Road) -> FloatArray:
    """Return how much road each station stands for."""
    onward = lengths_km(road)
    behind = np.where(road.upstream >= 0, onward[road.upstream], np.nan)
    halves = np.stack([onward, behind]) / 2
    is_known = np.isfinite(halves)
    total: FloatArray = np.where(is_known, halves, 0.0).sum(axis=0)
    return np.where(is_known.any(axis=0), total, np.nan)
