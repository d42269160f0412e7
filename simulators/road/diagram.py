"""What roads and vehicles can do: fundamental diagrams, classes, passenger car units.

Everything a road carries is counted in passenger car units (PCU), since ten motorcycles take the
room of three cars. The diagram is a triangle (Newell 1993) whose free side may bend: speed falls
evenly with density until the road is at capacity, and from there a straight line leads to the jam
density, whose slope is the speed of waves in a queue.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROADS = ("urban", "expressway", "national", "gate")
CLASSES = ("moto", "car", "bus", "truck", "long")
MOTO, CAR, BUS, TRUCK, LONG = range(5)

# TCVN 4054:2005, as docs of the gateway quote it: motorcycle, car, large bus, two-axle truck,
# semi-trailer.
PCU: Floats = np.array((0.3, 1.0, 2.5, 2.0, 3.0))
LENGTH_M: Floats = np.array((1.9, 4.5, 11.0, 8.0, 15.0))
LENGTH_SPREAD: Floats = np.array((0.08, 0.10, 0.08, 0.15, 0.10))
# Speed of a class on an open road over the free speed of the link, and its spread.
PACE: Floats = np.array((0.97, 1.03, 0.95, 0.90, 0.85))
PACE_SPREAD: Floats = np.array((0.13, 0.10, 0.08, 0.08, 0.07))

# Shares of the classes by day. Motorcycles are 80 % of what moves in a Vietnamese city and may
# not enter an expressway; a container gate sees semi-trailers.
MIX: dict[str, Floats] = {
    "urban": np.array((0.79, 0.165, 0.015, 0.02, 0.01)),
    "expressway": np.array((0.0, 0.70, 0.08, 0.12, 0.10)),
    "national": np.array((0.55, 0.26, 0.04, 0.09, 0.06)),
    "gate": np.array((0.0, 0.06, 0.0, 0.14, 0.80)),
}


class Diagram(NamedTuple):
    """One lane: free speed, capacity, jam density and friction; the rest follows."""

    free_kmh: float
    capacity_pcu_h: float
    jam_pcu_km: float
    friction: float = 0.0  # share of the free speed that is lost at capacity, below 0.5

    @property
    def critical_pcu_km(self) -> float:
        """Density at capacity."""
        return self.capacity_pcu_h / (self.free_kmh * (1 - self.friction))

    @property
    def wave_kmh(self) -> float:
        """Speed at which a wave runs back through a queue."""
        return self.capacity_pcu_h / (self.jam_pcu_km - self.critical_pcu_km)

    def free_pcu_km(self, flow_pcu_h: float) -> float:
        """Density of traffic that flows freely: k of q = v k (1 - f k / k_c)."""
        straight = flow_pcu_h / self.free_kmh
        bend = self.friction / self.critical_pcu_km
        return 2 * straight / (1 + math.sqrt(max(0.0, 1 - 4 * bend * straight)))

    def queue_pcu_km(self, flow_pcu_h: float) -> float:
        """Density of a queue that moves at ``flow_pcu_h`` per lane."""
        return self.jam_pcu_km - flow_pcu_h / self.wave_kmh

    def queue_growth_kmh(self, inflow_pcu_h: float, outflow_pcu_h: float) -> float:
        """Speed of the tail of a queue against the traffic (Rankine-Hugoniot)."""
        arriving_pcu_km = self.free_pcu_km(inflow_pcu_h)
        return (inflow_pcu_h - outflow_pcu_h) / (self.queue_pcu_km(outflow_pcu_h) - arriving_pcu_km)


# A standing car takes 7.5 m: 5.0 m and a gap of 2.5 m, the vehicle SUMO assumes; HCM reckons
# 25 ft (7.6 m) for a place in a queue.
_JAM_PCU_KM = 1000 / 7.5
# Capacities: 2,076 pcu/h is what PeMS takes for a freeway lane (173 in five minutes); 1,900 pcu/h
# is the base saturation flow of HCM for a lane at a signal, and its multilane road at 80 km/h.
# Friction: HCM's freeways lose a tenth of their speed; in a city riders weave and enter from
# everywhere, and a queue at a signal leaves at 35 km/h.
DIAGRAM = {
    "urban": Diagram(50, 1900, _JAM_PCU_KM, 0.3),  # waves 24.0 km/h
    "expressway": Diagram(100, 2076, _JAM_PCU_KM, 0.1),  # waves 18.8 km/h
    "national": Diagram(80, 1900, _JAM_PCU_KM, 0.15),  # waves 18.0 km/h
    "gate": Diagram(30, 1500, _JAM_PCU_KM, 0.1),  # 19.3 km/h; a yard road, our choice
}

# Share of its capacity that a carriageway keeps while one lane is blocked, by number of lanes:
# HCM 2010, exhibit 10-17 (as FHWA-HOP-13-042, appendix C, prints it). It is less than the lanes
# that are left, since drivers slow down to look.
ONE_LANE_BLOCKED = {1: 0.0, 2: 0.35, 3: 0.49, 4: 0.58}
