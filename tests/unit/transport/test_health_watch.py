"""The whole watch over days: it learns by night, and time may be cut as one likes."""

import numpy as np
import pytest

from gateway.model import Reason
from gateway.transport.health import Change, Fault, new_health, shares, watch
from gateway.transport.series import Window
from tests.unit.transport.health_rig import POLICY, START_MS, road, window

DAY_SLOTS = 2880
LIKE = np.array([4.0, 2.0, 2.0, 4.0, 3.0, 3.0])
CHAIN = road(2, 2, 2)


def _days(days: int, seed: int = 3) -> Window:
    """Return days of traffic: six vehicles in 30 s at each of three stations, give or take."""
    rng = np.random.default_rng(seed)
    mean = np.repeat(LIKE[:, None], days * DAY_SLOTS, axis=1)
    return window(rng.poisson(mean).astype(np.float64), start_ms=START_MS)


def test_a_day_is_learned_at_midnight_and_a_third_too_few_is_found_on_the_next() -> None:
    ten = DAY_SLOTS + 10 * 120
    count = _days(2).count
    count[3, ten:] = np.floor(count[3, ten:] * 0.66)
    made = window(count, start_ms=START_MS)
    state = new_health(CHAIN)
    first = watch(state, made.part(0, DAY_SLOTS), CHAIN, POLICY)
    assert not first.changes
    np.testing.assert_allclose(shares(first.state.usual, POLICY)[:, 9], LIKE / 6, atol=0.02)
    second = watch(first.state, made.part(DAY_SLOTS, 2 * DAY_SLOTS), CHAIN, POLICY)
    assert [(c.fault, c.lane) for c in second.changes] == [(Fault.UNDER_COUNT, 3)]
    found = second.changes[0]
    assert found.value == pytest.approx(0.56, abs=0.06)  # floor takes half a vehicle more
    began = made.start_ms + ten * made.interval_ms
    assert abs(found.since_ms - began) <= 2 * 900_000
    assert found.found_ms - began <= 4 * 3_600_000
    marked = np.flatnonzero(second.reasons[3] & int(Reason.D7_FLOW_CONSERVATION))
    slot = (found.found_ms - second.state.end_ms) // made.interval_ms + DAY_SLOTS
    assert marked[0] == slot
    assert not second.reasons[[0, 1, 2, 4, 5]].any()


def test_windows_of_any_length_bring_the_same() -> None:
    made = _days(1).part(0, 600)
    made.count[1, 300:] = 0.0
    made.occupancy[1, 300:] = 1.0
    whole = watch(new_health(CHAIN), made, CHAIN, POLICY)
    state, changes, reasons, first = new_health(CHAIN), list[Change](), [], 0
    for length in (1, 7, 22, 61, 109, 100, 300):
        part = watch(state, made.part(first, first + length), CHAIN, POLICY)
        state, first = part.state, first + length
        changes += part.changes
        reasons.append(part.reasons)
    assert changes == whole.changes
    assert changes
    np.testing.assert_array_equal(np.concatenate(reasons, axis=1), whole.reasons)
    assert state.newest is not None
    assert whole.state.newest is not None
    np.testing.assert_array_equal(state.newest.vehicles, whole.state.newest.vehicles)
    np.testing.assert_array_equal(state.newest.is_whole, whole.state.newest.is_whole)
    np.testing.assert_allclose(state.newest.metres, whole.state.newest.metres)


def test_late_data_is_judged_by_going_back() -> None:
    made = _days(1).part(0, 240)
    before = watch(new_health(CHAIN), made.part(0, 120), CHAIN, POLICY).state
    late = made.part(120, 240)
    late.count[0], late.occupancy[0], late.speed_kmh[0] = 0.0, 1.0, np.nan
    wrong = watch(before, late, CHAIN, POLICY)
    assert wrong.changes
    right = watch(before, _days(1).part(120, 240), CHAIN, POLICY)
    assert not right.changes


def test_a_window_must_follow() -> None:
    made = _days(1)
    state = watch(new_health(CHAIN), made.part(0, 30), CHAIN, POLICY).state
    with pytest.raises(ValueError, match="does not follow"):
        watch(state, made.part(31, 60), CHAIN, POLICY)
