"""What a file of ``gateway/policies/warnings`` holds."""

from typing import Literal

from pydantic import Field, model_validator

from gateway.policies import Part, Policy


class Limit(Part):
    """Levels of one warning; the last is the gravest."""

    kind: str
    measure: Literal["rain_1h_mm", "level_m", "gust_kmh", "visibility_m"]
    levels: tuple[float, ...] = Field(min_length=1)
    is_below: bool = False  # grave is little: sight

    @model_validator(mode="after")
    def _rises(self) -> "Limit":
        if list(self.levels) != sorted(self.levels, reverse=self.is_below):
            raise ValueError(f"{self.kind}: levels must become graver")
        return self


class WarningPolicy(Policy):
    """When weather and water are warned of."""

    max_age_s: int = Field(gt=0)
    clear_share: float = Field(gt=0, le=1)
    clear_slots: int = Field(ge=1)
    limit: tuple[Limit, ...] = Field(min_length=1)
