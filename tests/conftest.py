"""What every test may use."""

import os

import pytest

SOAK = os.environ.get("INFRAGATE_SOAK") == "1"


@pytest.fixture
def soak() -> bool:
    """Whether the full counts of the acceptance list are wanted (``make soak``)."""
    return SOAK
