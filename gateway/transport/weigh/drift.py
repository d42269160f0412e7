"""Drift of a scale: the steering axles of semi-trailers, week against week.

What a semi-trailer carries rests on its other axles; the steering axle stays within a band (FHWA
class 9: 8.5 to 12 kip), so that its mean over many vehicles is a weight that everybody brings.
"""

from math import sqrt
from typing import NamedTuple

import numpy as np

from gateway.model import FloatArray
from gateway.transport.weigh.checks import Weighed, faults
from gateway.transport.weigh.policy import WeighPolicy

_LONG = 5


class SteeringTally(NamedTuple):
    """Steering axles of each scale; tallies of days add up, and a day can be counted again."""

    vehicles: FloatArray
    sum_kg: FloatArray
    sum_kg2: FloatArray

    def plus(self, other: "SteeringTally") -> "SteeringTally":
        """Return both together."""
        return SteeringTally._make(a + b for a, b in zip(self, other, strict=True))


class Drift(NamedTuple):
    """A scale that weighs otherwise than before."""

    scale: int
    share: float  # +0.06: weighs 6 % more
    standard_errors: float
    vehicles: int  # of the recent time


def tally(vehicles: Weighed, scales: int, policy: WeighPolicy) -> SteeringTally:
    """Count the steering axles of sound weighings of semi-trailers."""
    chosen = (vehicles.kind == _LONG) & (vehicles.axles >= policy.drift.min_axles)
    chosen &= faults(vehicles, policy) == 0
    scale, load_kg = vehicles.scale[chosen], vehicles.axle_kg[chosen, 0]
    weights = (np.ones(load_kg.size), load_kg, load_kg**2)
    return SteeringTally._make(
        np.bincount(scale, weights=one, minlength=scales).astype(np.float64) for one in weights
    )


def drifts(before: SteeringTally, recent: SteeringTally, policy: WeighPolicy) -> list[Drift]:
    """Compare the recent time with the time since the last calibration.

    Welch's test says whether it is chance, and the policy's share whether it matters.
    """
    rule = policy.drift
    found = []
    for scale in range(before.vehicles.size):
        counts = float(before.vehicles[scale]), float(recent.vehicles[scale])
        if min(counts) < rule.min_vehicles:
            continue
        (mean, variance), (now, spread) = _moments(before, scale), _moments(recent, scale)
        error_kg = sqrt(variance / counts[0] + spread / counts[1])
        share = now / mean - 1
        errors = abs(now - mean) / error_kg if error_kg else float("inf")
        if abs(share) >= rule.share and errors >= rule.standard_errors:
            found.append(Drift(scale, share, errors, round(counts[1])))
    return found


def _moments(tally_of: SteeringTally, scale: int) -> tuple[float, float]:
    """Return mean and variance of one scale."""
    count = float(tally_of.vehicles[scale])
    mean = float(tally_of.sum_kg[scale]) / count
    spread = float(tally_of.sum_kg2[scale]) - count * mean**2
    return mean, max(spread, 0.0) / (count - 1)
