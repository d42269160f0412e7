"""What a file of ``gateway/policies/logistics`` holds."""

from pydantic import Field

from gateway.policies import Policy


class LogisticsPolicy(Policy):
    """Thresholds of gates, yards and arrivals."""

    longest_dwell_h: float = Field(gt=0)
    dwell_back_h: float = Field(gt=0, le=720)
    fence_iqr: float = Field(gt=0)
    min_pairs: int = Field(ge=4)
    slowest_kmh: float = Field(gt=0)
    longest_eta_h: float = Field(gt=0)
    yard_full_share: float = Field(gt=0, le=1)
