"""What a file of ``gateway/policies/assets`` holds."""

from pydantic import Field, model_validator

from gateway.policies import Part, Policy

ASSETS_DOMAIN = "assets"
ASSETS_POLICY = "assets"


class Action(Part):
    """What is to be done, and how much it matters."""

    action: str = Field(min_length=3)
    weight: float = Field(gt=0)


class Work(Action):
    """What a fault asks for."""

    fault: str = Field(pattern=r"^[a-z][a-z_]{0,31}$")


class ByCause(Part):
    """What a silence asks for, by what is gone."""

    power: Action
    comms: Action
    device: Action


class AssetPolicy(Policy):
    """One edition."""

    min_gap_s: int = Field(ge=0)
    importance_veh_day: float = Field(gt=0)
    urgent_after_days: float = Field(gt=0)
    most_age_factor: float = Field(ge=1)
    target_availability: float = Field(gt=0, le=1)
    work: tuple[Work, ...]
    cause: ByCause

    @model_validator(mode="after")
    def _names_once(self) -> "AssetPolicy":
        names = [one.fault for one in self.work]
        if len(set(names)) < len(names):
            raise ValueError("two entries of work for one fault")
        return self

    def of(self, fault: str, cause: str) -> Action | None:
        """Return what is to be done, None where nothing is."""
        known: dict[str, Action] = {
            "power": self.cause.power,
            "comms": self.cause.comms,
            "device": self.cause.device,
        }
        if cause in known:
            return known[cause]
        return next((one for one in self.work if one.fault == fault), None)
