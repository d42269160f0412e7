"""What a VEE policy file holds: every threshold of the rules and of the ladder."""

import numpy as np
from pydantic import Field

from gateway.energy.series import Meters
from gateway.policies import MS_PER_MIN, Part, Policy

VEE_DOMAIN = "vee"
VEE_POLICY = "vee"


class TimeSync(Part):
    """V01."""

    warn_s: float = Field(gt=0)
    fail_s: float = Field(gt=0)
    delay_s: float = Field(ge=0)
    early_share: float = Field(ge=0, lt=1)
    readings: int = Field(ge=1)
    behind_fails: bool


class IntervalSize(Part):
    """V03."""

    tolerance_s: float = Field(ge=0)
    bridge_s: int = Field(default=600, ge=0)  # see the module ``bridging``; 0: never
    longest_min: int = Field(default=60, ge=1, le=1440)  # of an interval that a file tells

    @property
    def bridge_ms(self) -> int:
        """Return the same in milliseconds."""
        return self.bridge_s * 1000

    @property
    def longest_ms(self) -> int:
        """Return the same in milliseconds."""
        return self.longest_min * MS_PER_MIN


class Capability(Part):
    """V07."""

    margin: float = Field(ge=1)
    slack_resolutions: float = Field(ge=0)


class SumCheck(Part):
    """V08."""

    resolutions: float = Field(ge=0)
    share: float = Field(ge=0)


class TouSum(Part):
    """V09."""

    resolutions: float = Field(ge=0)


class Spike(Part):
    """V10."""

    excess: float = Field(gt=0)
    floor_w: float = Field(ge=0)


class HighLow(Part):
    """V11."""

    low: float = Field(ge=0)
    high: float = Field(gt=1)
    days: int = Field(ge=1)


class Zero(Part):
    """V12."""

    hours: float = Field(gt=0)


class FlatLine(Part):
    """V14."""

    intervals: int = Field(ge=2)
    floor_resolutions: float = Field(ge=0)
    gauge_share: float = Field(ge=0)
    still_slots: int = Field(ge=1)
    known_days: int = Field(ge=1)
    known_share: float = Field(ge=0)


class PhaseConsistency(Part):
    """V16 and V17."""

    share: float = Field(ge=0)
    margin: float = Field(ge=1)
    floor_w: float = Field(ge=0)


class NeighbourVoltage(Part):
    """V19."""

    sigmas: float = Field(gt=0)
    floor_v: float = Field(gt=0)
    meters: int = Field(ge=3)
    load_factor: float = Field(gt=0)


class Prolonged(Part):
    """V20."""

    days: float = Field(gt=0)


class Ladder(Part):
    """Estimation."""

    flat_h: float = Field(ge=0)
    pattern_h: float = Field(ge=0, le=24)
    pattern_days: int = Field(ge=1)
    pattern_width: float = Field(gt=0)
    pattern_floor_w: float = Field(gt=0)
    pattern_shift_weight: float = Field(ge=0)
    pattern_other_weight: float = Field(ge=0)
    like_days: int = Field(ge=1)
    other_weight: float = Field(ge=0)
    depth_days: int = Field(ge=7, le=400)
    late_days: int = Field(ge=0, le=60)


class MeterDefaults(Part):
    """What is assumed of a meter of which the registry says nothing."""

    phases: int = Field(ge=1, le=3)
    nominal_v: float = Field(gt=0)
    max_current_a: float = Field(gt=0)
    rollover_wh: float = Field(gt=0)
    resolution_wh: float = Field(gt=0)

    def meters(self, count: int) -> Meters:
        """Return so many meters, connected, no prosumers, under an unknown transformer."""
        return Meters(
            np.full(count, self.phases, np.int64),
            np.full(count, float(self.nominal_v)),
            np.full(count, float(self.max_current_a)),
            np.full(count, float(self.rollover_wh)),
            np.full(count, float(self.resolution_wh)),
            np.zeros(count, np.bool_),
            np.ones(count, np.bool_),
            np.full(count, -1, np.int64),
        )


class VeePolicy(Policy):
    """One edition."""

    time_sync: TimeSync
    interval_size: IntervalSize
    capability: Capability
    sum_check: SumCheck
    tou_sum: TouSum
    spike: Spike
    high_low: HighLow
    zero: Zero
    flat_line: FlatLine
    phase_consistency: PhaseConsistency
    neighbour_voltage: NeighbourVoltage
    prolonged: Prolonged
    ladder: Ladder
    meter: MeterDefaults
