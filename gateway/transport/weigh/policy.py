"""What a file of ``gateway/policies/weigh`` holds."""

from pydantic import Field

from gateway.policies import Part, Policy


class Drift(Part):
    """When the steering axles of semi-trailers say that a scale has drifted."""

    min_axles: int = Field(ge=3)
    share: float = Field(gt=0)
    standard_errors: float = Field(gt=0)
    min_vehicles: int = Field(ge=2)
    recent_days: int = Field(ge=1, le=60)
    before_days: int = Field(ge=1, le=300)


class WeighPolicy(Policy):
    """Limits on weights, and when a weighing is believed."""

    axle_kg: float = Field(gt=0)
    rigid_kg: tuple[float, ...] = Field(min_length=2)  # by number of axles less one; 0 = no limit
    articulated_kg: tuple[float, ...] = Field(min_length=2)
    tolerance: float = Field(ge=0, lt=1)
    serious_excess: float = Field(gt=0)
    critical_excess: float = Field(gt=0)
    sum_share: float = Field(gt=0)
    speed_kmh: tuple[float, float]
    min_axle_kg: float = Field(ge=0)
    drift: Drift
