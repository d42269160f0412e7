"""What a file of ``gateway/policies/loss`` holds."""

from pydantic import Field

from gateway.policies import Part, Policy


class Corroboration(Part):
    """What events add to a suspicion, in standard errors."""

    tamper: float = Field(ge=0)
    zero_use: float = Field(ge=0)
    negative_use: float = Field(ge=0)
    tamper_codes: tuple[int, ...]
    tamper_days_before: int = Field(ge=0)


class Wiring(Part):
    """When a voltage says that a meter hangs on another transformer."""

    days: int = Field(gt=0)
    min_slots: int = Field(gt=3)
    min_gain_nats: float = Field(gt=0)
    most_moves: int = Field(gt=0)
    min_samples: int = Field(gt=2)
    min_correlation: float = Field(gt=0, lt=1)
    min_lead: float = Field(gt=0, lt=1)
    min_agreement: float = Field(gt=0, lt=1)


class LossPolicy(Policy):
    """Thresholds of the loss room."""

    baseline_days: int = Field(gt=0)
    min_baseline_days: int = Field(gt=0)
    min_coverage: float = Field(gt=0, le=1)
    min_slots: int = Field(gt=0)
    cusum_slack: float = Field(ge=0)
    false_alarm_days: float = Field(gt=1)
    slack_share: float = Field(ge=0)
    uncovered_share: float = Field(ge=0)
    alarm_share: float = Field(ge=0)
    sigma_floor_share: float = Field(gt=0)
    cusum_cap: float = Field(ge=1)
    max_gain_error: float = Field(gt=0)
    max_idle_share: float = Field(gt=0)
    suspect_days: int = Field(gt=0)
    suspect_max: int = Field(gt=0)
    min_confidence: float = Field(ge=0)
    corroboration: Corroboration
    wiring: Wiring
