"""Travel times through queues, by hand: vehicles between two stations over those that get out.

Two lanes, a kilometre between stations, cars only. At 90 km/h the way takes 40 s (4/3 of an
interval); ten cars in 30 s come and go, so between the stations are 13.3 of them.
"""

import numpy as np
import pytest

from gateway.model import FloatArray
from gateway.transport import state
from gateway.transport.series import NOWHERE, Road, RoadClass
from gateway.transport.state import QueueState
from tests.unit.transport.rig import EXPRESSWAY, NAN, POLICY, SLOT_MS, URBAN, road_of, window_of

FREE_H = 40 / 3600


def watched(
    road: Road,
    phases: list[tuple[int, list[float], list[float]]],
    begin: QueueState | None = None,
) -> QueueState:
    """Return what is known after phases: intervals, cars of each lane, speed at each lane."""
    known = begin or QueueState.fresh(road, POLICY)
    for slots, cars, kmh in phases:
        for _ in range(slots):
            window = window_of([[one] for one in cars], np.array(kmh)[:, None])
            known = state.queues(window, np.isfinite(window.count), road, known, POLICY)
    return known


def told_s(road: Road, known: QueueState, hours: FloatArray | None = None) -> float:
    base = np.full(len(road.stations), FREE_H) if hours is None else hours
    return float(state.queue_hours(base, known, road, POLICY, SLOT_MS)[0] * 3600)


def two_stations(kind: RoadClass = EXPRESSWAY) -> Road:
    return road_of([2, 2], km=[0, 1.0], kind=kind)


CALM = (150, [5.0, 5.0, 5.0, 5.0], [90.0] * 4)
HELD = [5.0, 5.0, 2.0, 2.0]  # four of ten get out


def test_free_traffic_is_as_fast_as_its_speeds_say() -> None:
    road = two_stations()
    assert told_s(road, watched(road, [CALM])) == pytest.approx(40)


def test_who_comes_to_a_queue_waits_for_all_who_are_before_them() -> None:
    """Both stations are still free. After 20 intervals 20 × 6 = 120 cars are more than usual.

    13.3 more are on the way; those who set out 150 s later (the middle of the next five minutes)
    meet 5 × 6 = 30 more: 163.3 cars, of which four get out in 30 s: 1,225 s.
    """
    road = two_stations()
    known = watched(road, [CALM, (20, HELD, [90.0] * 4)])
    assert known.is_held.tolist() == [True, False]
    assert told_s(road, known) == pytest.approx(1225, rel=0.04)


def test_a_queue_does_not_outgrow_its_way() -> None:
    """At four cars in 30 s (480/h, waves of 18 km/h) a queue has 2 × 133.3 - 26.7 = 240 cars/km."""
    road = two_stations()
    known = watched(road, [CALM, (60, HELD, [90.0] * 4)])
    assert told_s(road, known) == pytest.approx(240 / 4 * 30, rel=0.01)


def test_a_queue_that_has_gone_holds_nobody() -> None:
    road = two_stations()
    known = watched(road, [CALM, (20, HELD, [90.0] * 4), CALM])
    assert not known.is_held.any()
    assert told_s(road, known) == pytest.approx(40)


def test_a_ramp_that_takes_a_third_is_no_queue_once_it_is_known() -> None:
    road = two_stations()
    leaves = [6.0, 6.0, 4.0, 4.0]
    known = watched(road, [(200, leaves, [90.0] * 4)])
    assert not known.is_held.any()
    # and a real queue beside it: of the eight that are due four get out, 20 x 4 = 80 cars more
    held = watched(road, [(20, [6.0, 6.0, 2.0, 2.0], [90.0] * 4)], known)
    # 80 + 8 x 4/3 + 5 x 4 = 110.7 cars, four in 30 s
    assert told_s(road, held) == pytest.approx(830, rel=0.04)


def test_speeds_that_tell_of_more_delay_are_believed() -> None:
    road = two_stations()
    known = watched(road, [CALM, (4, HELD, [20.0] * 4)])
    assert told_s(road, known, np.array([0.5, NAN])) == pytest.approx(1800)


def test_without_a_lane_or_after_a_gap_only_speeds_tell() -> None:
    road = two_stations()
    queue = watched(road, [CALM, (20, HELD, [90.0] * 4)])
    missing = watched(road, [(1, [5.0, NAN, 2.0, 2.0], [90.0] * 4)], queue)
    assert told_s(road, missing) == pytest.approx(40)
    assert told_s(road, queue.after_a_gap()) == pytest.approx(40)


def test_red_lights_are_no_queues() -> None:
    """On a street signals store vehicles every minute: their usual delay is in the link's time."""
    street = two_stations(URBAN)
    assert not watched(street, [CALM, (20, HELD, [30.0] * 4)]).is_held.any()
    hours = state.link_hours(np.array([50.0, 50.0]), street, POLICY.measures)
    assert hours[0] * 3600 == pytest.approx(72 + 5.6)  # a kilometre at 50 km/h, and a green wave


def test_a_queue_further_on_has_grown_when_one_comes_to_it() -> None:
    """Three stations; the second way is held. Who sets out in 150 s reaches it 40 s later."""
    road = road_of([2, 2, 2], km=[0, 1.0, 2.0])
    calm = (150, [5.0] * 6, [90.0] * 6)
    known = watched(road, [calm, (20, [5.0] * 4 + [2.0] * 2, [90.0] * 6)])
    hours = np.full(3, FREE_H)
    found = state.queue_hours(hours, known, road, POLICY, SLOT_MS) * 3600
    assert found[0] == pytest.approx(40)
    # 120 + 13.3 + 190 s at 0.2 cars a second = 171.3 cars
    assert found[1] == pytest.approx(171.3 / 4 * 30, rel=0.04)
    assert road.downstream[2] == NOWHERE
