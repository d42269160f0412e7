"""What a file of ``gateway/policies/voltage`` holds."""

from typing import Literal

from pydantic import Field, model_validator

from gateway.policies import Part, Policy

Quantity = Literal["voltage_pu", "frequency_hz", "unbalance", "thd", "plt"]


class Rule(Part):
    """Limits that a share of the values must keep."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    quantity: Quantity
    low: float = float("-inf")
    high: float = float("inf")
    share: float = Field(gt=0, le=1)

    @model_validator(mode="after")
    def _is_band(self) -> "Rule":
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


class VoltagePolicy(Policy):
    """One norm."""

    days: int = Field(gt=0)
    nominal_v: float = Field(gt=0)
    min_coverage: float = Field(gt=0, le=1)
    interruption_pu: float = Field(ge=0, lt=1)
    min_run: int = Field(gt=0)
    bridge: int = Field(ge=0)
    node_share: float = Field(gt=0, le=1)
    sag_pu: float = Field(gt=0, lt=1)
    swell_pu: float = Field(gt=1)
    rule: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_voltage(self) -> "VoltagePolicy":
        if all(rule.quantity != "voltage_pu" for rule in self.rule):
            raise ValueError("one rule at least must be of voltage_pu")
        if len({rule.name for rule in self.rule}) < len(self.rule):
            raise ValueError("two rules have one name")
        return self

    @property
    def voltage(self) -> Rule:
        """Return the first rule of voltage: it says what a violation is."""
        return next(rule for rule in self.rule if rule.quantity == "voltage_pu")
