"""What a file of ``gateway/policies/health`` holds; the file explains each number."""

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from gateway.model import FloatArray, IntArray
from gateway.policies import Part, Policy
from gateway.transport.series import RoadClass

HEALTH_DOMAIN = "health"
HEALTH_POLICY = "health"
SAMPLE_S = 30  # of IRIS and PeMS: their limits are of such; shorter rows weigh by their share
RoadName = Literal["unknown", "urban", "expressway", "national"]


class ByRoad(Part):
    """A number for each kind of road."""

    unknown: float = Field(gt=0)
    urban: float = Field(gt=0)
    expressway: float = Field(gt=0)
    national: float = Field(gt=0)

    def of(self, road_class: IntArray) -> FloatArray:
        """Return the number of each lane, by its ``RoadClass``."""
        known = [getattr(self, one.name.lower()) for one in RoadClass]
        found: FloatArray = np.array(known, np.float64)[road_class]
        return found


class Realtime(Part):
    """Row by row."""

    hold_s: int = Field(gt=0)
    hold_rare_s: int = Field(gt=0)
    pcu: tuple[float, float, float, float, float]
    chatter_pcu_per_30s: float = Field(gt=0)
    chatter_slots: int = Field(ge=1)
    locked_occupancy: float = Field(gt=0, le=1)
    locked_s: int = Field(gt=0)
    locked_standstill_s: int = Field(gt=0)
    same_rows: int = Field(ge=2)
    same_rows_without_speed: int = Field(ge=2)
    spike_step: float = Field(gt=0, le=1)
    spike_s: int = Field(gt=0)
    queue_occupancy: float = Field(gt=0, le=1)
    queue_tau_s: float = Field(gt=0)
    spike_classes: tuple[RoadName, ...]
    min_speed_kmh: float = Field(ge=0)
    max_speed_kmh: float = Field(gt=0)
    ghost_count: int = Field(ge=1)
    impossible_rows: float = Field(ge=1)
    impossible_decay: float = Field(ge=0, lt=1)
    hanging_occupancy: float = Field(gt=0, le=1)
    hanging_speed_share: float = Field(gt=0, lt=1)
    hanging_tau_s: float = Field(gt=0)
    hanging_rows: float = Field(gt=0)


class Silence(Part):
    """Who counts nobody, and who says nothing."""

    missed_vehicles: float = Field(gt=0)
    missed_vehicles_alone: float = Field(gt=0)
    min_s: int = Field(ge=0)
    no_hits_h: float = Field(gt=0)
    from_hour: int = Field(ge=0, le=23)
    to_hour: int = Field(ge=1, le=24)
    intact_share: float = Field(gt=0, lt=1)
    silent_intervals: float = Field(ge=1)
    grace_s: int = Field(ge=0)


class UsualLimits(Part):
    """What is learned of good days."""

    keep_per_day: float = Field(gt=0, lt=1)
    min_vehicles: float = Field(gt=0)
    blend_vehicles: float = Field(ge=0)
    min_rows: float = Field(gt=0, le=1)
    free_kmh: ByRoad


class Span(Part):
    """How far a count may be off over a while."""

    quarters: int = Field(ge=1, le=96)
    limit: float = Field(gt=0)


class Balance(Part):
    """Flow conservation (D7) and lane shares (D8)."""

    from_hour: int = Field(ge=0, le=23)
    to_hour: int = Field(ge=1, le=24)
    sigmas: float = Field(gt=0)
    dispersion: float = Field(ge=1)
    min_vehicles: float = Field(gt=0)
    clear_share: float = Field(gt=0, lt=1)
    cross_talk_length: float = Field(gt=0, lt=1)
    span: tuple[Span, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _grows(self) -> "Balance":
        lengths = [span.quarters for span in self.span]
        if lengths != sorted(set(lengths)):
            raise ValueError("spans must grow")
        return self


class Daily(Part):
    """The tests of PeMS over a day."""

    from_hour: int = Field(ge=0, le=23)
    to_hour: int = Field(ge=1, le=24)
    min_samples: float = Field(gt=0, le=1)
    zero_occupancy: ByRoad
    high_occupancy: float = Field(gt=0, lt=1)
    high_share: float = Field(gt=0, le=1)
    covered_share: float = Field(gt=0, le=1)
    ghost_share: float = Field(gt=0, le=1)
    constant_h: float = Field(gt=0)
    constant_step: float = Field(gt=0)


class Prior(Part):
    """What is likelier before anything is known, in nats."""

    power: float
    comms: float
    device: float


class CauseWeights(Part):
    """Weight of each fact, in nats."""

    prior: Prior
    min_confidence: float = Field(ge=0, lt=1)
    window_s: int = Field(gt=0)
    feed_out: float = Field(gt=0)
    feed_gasp: float = Field(gt=0)
    feed_alive: float = Field(lt=0)
    feed_idle: float = Field(gt=0)
    feed_idle_w: float = Field(ge=0)
    feed_silent: float = Field(ge=0)
    cabinet_silent: float = Field(ge=0)
    cabinet_alive: float = Field(le=0)
    uplink_silent: float = Field(ge=0)
    backlog: float = Field(ge=0)
    no_backlog: float = Field(le=0)
    rebooted: float = Field(ge=0)
    status_critical: float = Field(ge=0)


class Events(Part):
    """When a device of single events is not believed; keys are profiles."""

    silent_expected: float = Field(gt=0)
    least_silence_s: float = Field(gt=0)
    first_silence_h: float = Field(gt=0)
    missed_rows: float = Field(ge=2)
    odd_rows: int = Field(ge=2)
    usual_days: int = Field(ge=1, le=60)
    same_rows: dict[str, int]
    same_least_s: dict[str, float]  # of devices that measure by the clock
    same_columns: dict[str, tuple[str, ...]]


class HealthPolicy(Policy):
    """One edition."""

    realtime: Realtime
    silence: Silence
    usual: UsualLimits
    balance: Balance
    daily: Daily
    cause: CauseWeights
    events: Events
