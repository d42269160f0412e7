"""A radar at a street of Moers, 48 hours: its quiet spells are quiet, and no outage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from gateway.model import FloatArray
from gateway.transport.health import (
    Fault,
    Knowledge,
    Quarters,
    Usual,
    judge,
    learn,
    new_state,
    nothing_usual,
    quarters,
    rates,
)
from gateway.transport.series import NOWHERE, Road, RoadClass, Window
from tests.shared import SHARED, needs_shared
from tests.unit.transport.health_rig import HALF_MIN_MS, POLICY, road, window

pytestmark = needs_shared
# The radar's clock is that of Moers; its local hours are what matters, so they are taken for ours.
_LOCAL = timedelta(minutes=POLICY.utc_offset_min)
_DAY = 2880


def _passages() -> list[tuple[int, int]]:
    """Return time and direction of every vehicle."""
    assert SHARED is not None
    file = next((SHARED / "data/traffic/moers-radar").glob("roemerstrasse*.txt"))
    found = []
    for line in file.read_text("latin-1").splitlines():
        when, _, _, _, direction = line.split(";")
        moment = datetime.strptime(when, "%d.%m.%y %H:%M:%S").replace(tzinfo=UTC) - _LOCAL
        found.append((round(moment.timestamp() * 1000), int(direction)))
    return found


def _days(passages: list[tuple[int, int]], first_ms: int, days: int) -> FloatArray:
    """Return counts of 30 s: direction 0, direction 1."""
    counts = np.zeros((2, days * _DAY))
    for at_ms, direction in passages:
        slot = (at_ms - first_ms) // HALF_MIN_MS
        if 0 <= slot < counts.shape[1]:
            counts[direction, slot] += 1
    return counts


def _street() -> Road:
    """Return two stations of one lane: the directions know nothing of each other."""
    nowhere = np.full(2, NOWHERE)
    one = road(1, 1, road_class=RoadClass.URBAN)
    return replace(one, upstream=nowhere, downstream=nowhere)


def _recorded() -> tuple[Window, int]:
    """Return 25 October, and when it began."""
    passages = _passages()
    midnight = datetime(2016, 10, 25, tzinfo=UTC) - _LOCAL
    first_ms = round(midnight.timestamp() * 1000)
    return window(_days(passages, first_ms, 1), start_ms=first_ms, speed_kmh=28.0), first_ms


def test_the_longest_quiet_spell_is_no_outage() -> None:
    passages = _passages()
    times = np.sort(np.array([at for at, _ in passages]))
    gaps = np.diff(times)
    assert gaps.max() == 1_438_000
    quiet_ms = int(times[gaps.argmax()])
    made, first_ms = _recorded()
    assert first_ms < quiet_ms < made.end_ms
    where = _street()
    for usual in (nothing_usual(where), _usual(where, made)):
        known = Knowledge.of(usual, where, POLICY)
        found = judge(new_state(2), made, where, known, POLICY)
        assert not [c for c in found.changes if c.fault in {Fault.NO_HITS, Fault.NO_DATA}]
        assert not found.reasons.any()


def test_the_same_silence_by_day_is_one() -> None:
    made, _ = _recorded()
    where = _street()
    known = Knowledge.of(_usual(where, made), where, POLICY)
    dead = made.part(0, _DAY)
    eight = 8 * 120
    for lane in (0, 1):
        dead.count[lane, eight : eight + 240] = 0.0
        dead.occupancy[lane, eight : eight + 240] = 0.0
        dead.speed_kmh[lane, eight : eight + 240] = np.nan
    found = judge(new_state(2), dead, where, known, POLICY)
    raised = [(c.fault, c.lane) for c in found.changes if not c.cleared_ms]
    # some 350 an hour pass in direction 1: 300 are missed within the first hour
    assert (Fault.NO_HITS, 1) in raised


def _usual(where: Road, made: Window) -> Usual:
    """Learn the recorded day itself."""
    day: Quarters = quarters(made, np.zeros(made.count.shape, np.int64), POLICY)
    usual = learn(nothing_usual(where), day, where, np.zeros(2, np.bool_), POLICY)
    # 10-25, 07 h: 346 in direction 1 (expected.json)
    assert rates(usual)[1, 7] == 346
    return usual
