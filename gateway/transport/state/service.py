"""Level of service: HCM by density on open roads, by speed in the city."""

from enum import IntEnum

import numpy as np

from gateway.model import FloatArray, IntArray
from gateway.transport.aggregate import pcu
from gateway.transport.policy import TrafficPolicy
from gateway.transport.series import Bins, Road, RoadClass

_DECIMALS = 9  # a density that is the bound but for its last bit belongs to the better level


class Level(IntEnum):
    """A is free, F has broken down."""

    UNKNOWN = -1
    A = 0
    B = 1
    C = 2
    D = 3
    E = 4
    F = 5


def density_pcu_km_lane(found: Bins, road: Road, policy: TrafficPolicy) -> FloatArray:
    """Return the density of stations in passenger cars per kilometre and lane."""
    flow = pcu(found, policy.pcu) / found.hours / np.maximum(road.lanes, 1)[:, None]
    density: FloatArray = np.round(flow / found.space_kmh, _DECIMALS)
    return np.where(found.count == 0, 0.0, density)


def levels(found: Bins, road: Road, policy: TrafficPolicy) -> IntArray:
    """Return the level of each station and bin: ``Level``."""
    density = density_pcu_km_lane(found, road, policy)
    by_density = np.searchsorted(policy.los.density_pcu_km_lane, density, side="left")
    kind = road.class_of_stations()
    free_kmh = policy.free_kmh.column()[kind][:, None]
    ratio = np.where(found.count == 0, 1.0, np.round(found.speed_kmh / free_kmh, _DECIMALS))
    bounds = -np.array(policy.los.speed_ratio)
    by_speed = np.searchsorted(bounds, -ratio, side="right")
    is_urban = (kind == int(RoadClass.URBAN))[:, None]
    known = np.where(is_urban, np.isfinite(ratio), np.isfinite(density))
    level = np.where(is_urban, by_speed, by_density)
    return np.where(known, level, int(Level.UNKNOWN)).astype(np.int64)
