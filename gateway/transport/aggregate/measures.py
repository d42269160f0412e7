"""What follows from a bin alone."""

import numpy as np

from gateway.model import FloatArray
from gateway.transport.aggregate.folding import ratio
from gateway.transport.policy import Cars
from gateway.transport.series import Bins


def pcu(found: Bins, cars: Cars) -> FloatArray:
    """Return passenger car units; vehicles that no class counts are ``cars.unclassified``."""
    classes = np.nan_to_num(found.class_count)
    rest = np.maximum(found.count - classes.sum(axis=0), 0.0)
    units: FloatArray = np.tensordot(cars.column(), classes, 1) + rest * cars.unclassified
    return units


def density_veh_km(found: Bins) -> FloatArray:
    """Return density: flow over space-mean speed; an empty road has none."""
    density: FloatArray = np.divide(found.flow_veh_h(), found.space_kmh)
    return np.where(found.count == 0, 0.0, density)


def headway_s(found: Bins) -> FloatArray:
    """Return the mean headway, NaN where nobody passed."""
    return ratio(np.full(found.count.shape, found.interval_ms / 1000), found.count)
