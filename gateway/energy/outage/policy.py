"""What a file of ``gateway/policies/outage`` holds."""

from pydantic import Field

from gateway.policies import Part, Policy


class Weights(Part):
    """Weight of evidence for power against communications; the file explains each."""

    prior: float
    power_word: float = Field(gt=0)
    power_word_max: float
    no_gasp: float = Field(le=0)
    no_gasp_max: float
    uplink_silent: float = Field(le=0)
    uplink_silent_max: float
    uplink_alive: float = Field(ge=0)
    uplink_alive_max: float
    uplink_lost: float = Field(le=0)
    more_uplinks: float = Field(ge=0)
    more_uplinks_max: float
    cabinet_dark: float = Field(ge=0)
    cabinet_dark_max: float
    cabinet_alive: float = Field(le=0)
    cabinet_alive_max: float
    feeder_cabinet_dark: float = Field(ge=0)
    feeder_cabinet_dark_max: float
    feeder_cabinet_alive: float = Field(le=0)
    feeder_cabinet_alive_max: float


class OutagePolicy(Policy):
    """Thresholds of the outage room."""

    momentary_max_s: int = Field(gt=0)
    settle_s: int = Field(ge=0)
    window_s: int = Field(gt=0)
    silence_intervals: float = Field(ge=1)
    silence_grace_s: int = Field(ge=0)
    skew_s: int = Field(ge=0)
    will_delay_s: int = Field(ge=0)
    collapse_pu: float = Field(gt=0, lt=1)
    min_members: int = Field(ge=2)
    min_share: float = Field(gt=0, le=1)
    restored_share: float = Field(gt=0, le=1)
    horizon_h: int = Field(ge=1)
    weights: Weights
