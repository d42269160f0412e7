"""Three weeks of a street: theft fires where it is, and nothing does in the weeks before.

The baseline of a transformer takes two weeks (docs/energy.md), so this is a play of its own.
"""

import asyncio

import pytest

from simulators.city.city import Order, Size, parse_ms
from simulators.city.frame import Span
from tests.boards.conftest import by_itself, started
from tests.support.boards.city import Play, in_memory, play, sinks_of
from tests.support.boards.panes import HOUR_MS
from tests.support.boards.rules import Guard

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(900), by_itself]

DAY_MS = 24 * HOUR_MS
FROM_MS = parse_ms("2026-06-01T00:00:00+07:00")
THEFT_MS, TO_MS = FROM_MS + 18 * DAY_MS, FROM_MS + 23 * DAY_MS
METERS = 60  # the thief, a workshop, has 11 % of the street, and hides half of it
THIEF = Order("theft", {"where": "em3-00048", "share": 0.5, "from_ms": THEFT_MS, "to_ms": TO_MS})


def test_theft_fires_within_two_days_at_its_transformer_and_nothing_before() -> None:
    what = Play(
        *(Size(7, METERS, 0), Span(FROM_MS, TO_MS), [THIEF]),
        fine_from_ms=TO_MS,
        coarse_ms=DAY_MS,
        looks=5,
        report_ms=6 * HOUR_MS,
    )
    with started() as twins, in_memory() as folder:
        guard = Guard(twins, {"loss"})
        asyncio.run(play(folder, what, sinks_of(twins), guard.look))
    for found in guard.fired:
        assert [dict(one.labels) for one in found] == [{"place": "tba-0001"}]
        assert THEFT_MS < found[0].at_ms <= THEFT_MS + 2 * DAY_MS + 6 * HOUR_MS
