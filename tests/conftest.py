"""What every test may use."""

import gc
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer

from tests.support.behind import Behind

# A shared machine may take a second over what a quiet one does in a millisecond; that is no fault
# of the code, and a test that fails for it teaches people to look away.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

# What a script starts in the background ignores Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

SOAK = os.environ.get("INFRAGATE_SOAK") == "1"


@pytest.fixture(scope="module", autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    """Close what tests have left to the collector, files above all.

    A command that runs in the test's own process freezes what is loaded, and with it garbage that
    holds files; paho's ``select`` knows none above 1,023, and a whole run got there. What is alive
    then is frozen: the firmware collects at every turn of its loop, and each time would walk
    through the thousands of tests that were collected as well.
    """
    yield
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Behind | None:
    """Give pure computation to the worker behind the others, where there is one."""
    return Behind(config, log) if "nice=" in "".join(config.option.tx or ()) else None


def pytest_collection_finish() -> None:
    """Freeze what the tests themselves are made of, before the first of them."""
    gc.freeze()


@pytest.fixture
def soak() -> bool:
    """Whether the full counts of the acceptance list are wanted (``make soak``)."""
    return SOAK
