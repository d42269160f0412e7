"""What drivers before a queue should be told: how far it is, and how fast to come to it."""

from math import sqrt
from typing import NamedTuple

import numpy as np

from gateway.model import FloatArray
from gateway.transport.incidents.life import NOT_YET, Incident
from gateway.transport.incidents.policy import Advice as Rule
from gateway.transport.series import NOWHERE, Road

_KMH = 3.6  # of a metre a second


class Advice(NamedTuple):
    """For the drivers at one station."""

    station: int
    incident: int  # number
    ahead_km: float  # to the tail of the queue
    speed_kmh: float


def advise(
    incidents: list[Incident],
    speed_kmh: FloatArray,
    usual_kmh: FloatArray,
    road: Road,
    rule: Rule,
) -> list[Advice]:
    """Return advice for stations upstream of open incidents, the nearest first.

    Speeds rise with the distance d from the tail as they do when a driver slows down evenly:
    v² = v_queue² + 2 a d, rounded down to a step.

    Args:
        incidents: those at hand; what is over needs no advice.
        speed_kmh: of each station now, NaN unknown.
        usual_kmh: of each station.
        road: where they are.
        rule: reach and steps.
    """
    found: list[Advice] = []
    for one in incidents:
        if one.cleared != NOT_YET:
            continue
        tail = one.reached[-1] if one.reached else one.station
        queue_kmh = float(np.nan_to_num(speed_kmh[tail])) if one.reached else rule.least_kmh
        station = int(road.upstream[tail])
        while station != NOWHERE:
            ahead_km = float(road.km[tail] - road.km[station])
            if not ahead_km <= rule.reach_km:
                break
            kmh = _eased(queue_kmh, ahead_km, rule)
            if kmh <= float(usual_kmh[station]) - rule.below_usual_kmh:
                found.append(Advice(station, one.number, ahead_km, kmh))
            station = int(road.upstream[station])
    return found


def _eased(queue_kmh: float, ahead_km: float, rule: Rule) -> float:
    squared = (queue_kmh / _KMH) ** 2 + 2 * rule.deceleration_m_s2 * ahead_km * 1000
    kmh = sqrt(squared) * _KMH // rule.step_kmh * rule.step_kmh
    return max(kmh, rule.least_kmh)
