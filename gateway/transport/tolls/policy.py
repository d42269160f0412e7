"""What a file of ``gateway/policies/tolls`` holds."""

from pydantic import Field

from gateway.policies import Part, Policy


class Reader(Part):
    """A sequential test of the share of passages that a lane does not read."""

    healthy_share: float = Field(gt=0, lt=1)
    failed_share: float = Field(gt=0, lt=1)
    evidence: float = Field(gt=0)
    clear_reads: int = Field(ge=1)


class TollPolicy(Policy):
    """Thresholds of the toll room."""

    duplicate_s: int = Field(ge=0)
    silent_expected: float = Field(gt=0)
    reader: Reader
