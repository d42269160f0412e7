"""What a file of ``gateway/policies/load`` holds."""

from pydantic import Field

from gateway.policies import Policy


class LoadPolicy(Policy):
    """When a transformer or feeder asks for something."""

    loading_quantile: float = Field(gt=0, lt=1)
    uprate_at: float = Field(gt=0)
    overload_at: float = Field(gt=0)
    overload_slots: int = Field(gt=0)
    bridge: int = Field(ge=0)
    power_factor: float = Field(gt=0, le=1)
    imbalance: float = Field(gt=0)
    min_loading: float = Field(ge=0)
    tap_step_pu: float = Field(gt=0)
    tap_steps: int = Field(ge=1)
    voltage_low_pu: float = Field(gt=0, lt=1)
    voltage_high_pu: float = Field(gt=1)
    voltage_share: float = Field(gt=0, lt=1)
    min_coverage: float = Field(gt=0, le=1)
    confirm_within_s: int = Field(gt=0)
