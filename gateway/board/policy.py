"""From where on the board colours a number: dated files, as every other limit."""

from pydantic import Field

from gateway.policies import Policies, Policy, load_policies

DOMAIN, NAME = "board", "default"


class BoardPolicy(Policy):
    """One edition."""

    good_coverage: float = Field(gt=0, le=1)
    full_disk: float = Field(gt=0, lt=1)


def load_board_policies() -> Policies[BoardPolicy]:
    """Read them.

    Raises:
        ConfigError: names the file and the key.
    """
    return load_policies(DOMAIN, BoardPolicy)
