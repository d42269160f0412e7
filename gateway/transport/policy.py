"""What a file of ``gateway/policies/traffic`` holds."""

from typing import Annotated

import numpy as np
from pydantic import Field

from gateway.model import FloatArray
from gateway.policies import Part, Policy

TRAFFIC_DOMAIN = "traffic"
TRAFFIC_POLICY = "vn-traffic"
_FEWEST, _MOST = 5, 5

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]
Steps = Annotated[tuple[Positive, ...], Field(min_length=_FEWEST, max_length=_MOST)]


class Cars(Part):
    """Passenger car units of each class."""

    moto: Positive
    car: Positive
    bus: Positive
    truck: Positive
    long: Positive
    unclassified: Positive

    def column(self) -> FloatArray:
        """Return them in the order of ``VehicleClass``."""
        return np.array([self.moto, self.car, self.bus, self.truck, self.long])


class OfRoads(Part):
    """A number for each kind of road."""

    unknown: Positive
    urban: Positive
    expressway: Positive
    national: Positive

    def column(self) -> FloatArray:
        """Return them in the order of ``RoadClass``."""
        return np.array([self.unknown, self.urban, self.expressway, self.national])


class Bins(Part):
    """From intervals to bins."""

    min_observed: Share
    speed_min_kmh: Positive
    speed_max_kmh: Positive
    count_max_30_s: Positive
    recover_max_min: Positive


class GFactor(Part):
    """Speed of single loops."""

    default_m: Positive
    low_quantile: Share
    min_samples: int = Field(ge=1)
    smooth_h: int = Field(ge=0)
    weight_veh: Positive
    min_kmh: Positive
    max_share: Positive


class Impute(Part):
    """The ladder of estimates."""

    neighbours: int = Field(ge=1)
    regional_km: Positive
    regional_sources: int = Field(ge=1)
    min_bins: int = Field(ge=2)
    half_life_days: Positive
    min_weeks_bins: Positive


class Los(Part):
    """Upper bounds of levels A to E; beyond the last it is F."""

    density_pcu_km_lane: Steps
    speed_ratio: Steps


class Measures(Part):
    """Travel times, delay, reliability."""

    link_max_km: Positive
    time_window_min: Positive
    slow_kmh: tuple[Positive, ...]
    slow_window_min: tuple[Positive, ...]
    signal_s: float = Field(ge=0)
    delay_kmh: OfRoads
    capacity_pcu_h_lane: Positive
    planning_quantile: Share
    congested_ratio: Share


class Queues(Part):
    """Travel times through queues."""

    slow_share: Share
    usual_weight: Share
    first_noise: Positive
    slack_sigmas: Positive
    count_error: Share
    doubt_sigmas: Positive
    least_pcu: Positive
    calm_share: Share
    calm_slots: int = Field(ge=1)
    warm_slots: int = Field(ge=1)
    memory_slots: Positive
    prior_slots: Positive
    flow_slots: int = Field(ge=1, le=18)
    least_pcu_h: Positive
    lead_s: Positive
    horizon_s: Positive
    jam_pcu_km: Positive
    wave_kmh: Positive


class Bottleneck(Part):
    """Where a jam begins."""

    drop_kmh: Positive
    below_kmh: Positive
    spacing_max_km: Positive
    bins: int = Field(ge=1)
    of_bins: int = Field(ge=1)


class Coverage(Part):
    """How far the eyes of a station reach."""

    reach_km: Positive


class TrafficPolicy(Policy):
    """All of it."""

    pcu: Cars
    free_kmh: OfRoads
    limit_kmh: OfRoads
    bins: Bins
    g_factor: GFactor
    impute: Impute
    los: Los
    measures: Measures
    queues: Queues
    bottleneck: Bottleneck
    coverage: Coverage
