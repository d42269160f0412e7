"""What every test may use."""

import os

import pytest
from hypothesis import HealthCheck, settings

# A shared machine may take a second over what a quiet one does in a millisecond; that is no fault
# of the code, and a test that fails for it teaches people to look away.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

SOAK = os.environ.get("INFRAGATE_SOAK") == "1"


@pytest.fixture
def soak() -> bool:
    """Whether the full counts of the acceptance list are wanted (``make soak``)."""
    return SOAK
