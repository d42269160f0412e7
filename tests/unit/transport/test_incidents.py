"""Incidents: each sign by hand, the life of a queue, and a corridor that is blocked and freed."""

from itertools import pairwise

import numpy as np
import pytest

from gateway.model import FloatArray, Quality
from gateway.policies import load_policies
from gateway.transport.engine.live import Live
from gateway.transport.engine.policies import TransportPolicies
from gateway.transport.incidents import Incident, IncidentPolicy, IncidentWatch, Sign, WatchState
from gateway.transport.incidents.advice import Advice, advise
from gateway.transport.incidents.california import CaliforniaState, california
from gateway.transport.incidents.flow import FlowState, Slot, judge
from gateway.transport.incidents.lanes import LaneNow, LaneState, judge_lanes
from gateway.transport.incidents.life import NOT_YET, Candidate, Rules, Scene, advance
from gateway.transport.incidents.spans import spans_of
from gateway.transport.incidents.storage import Now, StorageState, Stored, store
from gateway.transport.series import RoadClass, Window
from tests.unit.transport.rig import MONDAY_MS, road_of, window_of

POLICY = load_policies("incidents", IncidentPolicy).at("default", MONDAY_MS)
ROAD = road_of([1, 1, 1, 1])
NAN = np.nan


# -- slow --


def judged(state: FlowState, count: float, occupancy: float, kmh: float) -> FlowState:
    slot = Slot(np.array([count]), np.array([occupancy]), np.array([kmh]))
    return judge(slot, state, 30, np.array([2]), POLICY.slow)


def usual_90() -> FlowState:
    state = FlowState.fresh(1)
    for _ in range(10):
        state = judged(state, 25, 0.1, 90)
    assert state.usual_kmh[0] == pytest.approx(90)
    return state


def test_slow_is_below_usual_by_five_sigmas_and_a_fifth() -> None:
    # 25 vehicles of spread 10 km/h: the mean's sigma is 2, five are 10; a fifth of 90 is 18
    state = judged(usual_90(), 25, 0.1, 73)  # 17 below
    assert state.low[0] == 0
    state = judged(usual_90(), 25, 0.1, 71)  # 19 below
    assert (state.low[0], state.is_slow[0]) == (1, False)
    assert judged(state, 25, 0.1, 71).is_slow[0]
    # 4 vehicles: five sigmas are about 25 km/h
    assert judged(usual_90(), 4, 0.1, 67).low[0] == 0


def test_what_is_usual_is_not_learnt_from_a_jam() -> None:
    state = usual_90()
    for _ in range(200):
        state = judged(state, 10, 0.5, 12)
    assert state.usual_kmh[0] == pytest.approx(90)
    state = judged(state, 25, 0.2, 76)  # 85 % of 90 is 76.5
    assert state.high[0] == 0
    state = judged(judged(state, 25, 0.2, 77), 25, 0.2, 77)
    assert not state.is_slow[0]


def test_a_covered_loop_that_counts_nobody_is_a_standing_queue_and_an_empty_road_is_nothing() -> (
    None
):
    state = judged(judged(usual_90(), 0, 0.9, NAN), 0, 0.9, NAN)
    assert state.is_slow[0]
    assert judged(state, 0, 0.0, NAN).is_slow[0]  # it says nothing, so it stays
    assert not judged(judged(usual_90(), 0, 0.0, NAN), 0, 0.0, NAN).is_slow[0]


# -- stored vehicles --


def flowing(counts: FloatArray, tau_slots: float) -> list[Stored]:
    """Let stations count and return what is said of the spans after each slot."""
    road = road_of([1] * len(counts))
    spans = spans_of(road)
    state = StorageState.fresh(len(counts), spans, POLICY.storage)
    found = []
    for column in counts.T:
        now = Now(column, tau_slots * spans.km / 0.5, np.ones(spans.first.size, bool), 30.0)
        said, state = store(now, state, spans, POLICY.storage)
        found.append(said)
    return found


def test_spans_have_witnesses_before_and_after() -> None:
    spans = spans_of(ROAD)
    assert list(zip(spans.first, spans.last, strict=True)) == [
        *((0, 1), (1, 2), (2, 3)),  # pairs
        *((0, 2), (1, 3)),  # from the station before the pairs (1, 2) and (2, 3)
        *((0, 2), (1, 3)),  # to the station after the pairs (0, 1) and (1, 2)
    ]
    assert spans.witness.tolist() == [[NOT_YET, 5], [3, 6], [4, NOT_YET]]
    assert spans.km.tolist() == [0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0]


def test_vehicles_that_do_not_arrive_are_stored() -> None:
    counts = np.full((2, 1000), 10.0)
    counts[1, 990:] = 4.0
    found = flowing(counts, 0.5)
    # 10 came and 10 went: nothing is stored, and no noise is learnt. Then 6 an interval stay, less
    # the slack: 0.35 sigma of the least noise, sqrt(0.02 x 10), is 0.157; 2 % of 10 count more
    assert found[989].vehicles[0] == pytest.approx(0, abs=1e-9)
    assert found[990].vehicles[0] == pytest.approx(5.8, abs=0.01)
    assert found[991].vehicles[0] == pytest.approx(11.6, abs=0.05)
    # the threshold is the least there is, 8 vehicles: passed with the second interval
    assert found[990].ratio[0] < 1 < found[991].ratio[0]
    assert found[991].since[0] == 2


def test_a_travel_time_shifts_what_came() -> None:
    # one wave of 20 instead of 10 comes 1.5 intervals later: half of it in each of two intervals
    counts = np.full((2, 200), 10.0)
    counts[0, 190] = 20.0
    counts[1, [191, 192]] = 15.0
    assert max(said.vehicles[0] for said in flowing(counts, 1.5)[150:]) < 0.5


def test_a_lane_not_measured_stops_the_sum() -> None:
    counts = np.full((2, 1000), 10.0)
    counts[1, 990:] = 4.0
    counts[1, 991:] = NAN
    found = flowing(counts, 0.5)
    assert found[999].vehicles[0] == found[990].vehicles[0]
    assert not found[999].is_known[0]


def test_noise_that_adds_up_needs_more_than_noise_of_edges() -> None:
    rng = np.random.default_rng(1)
    base = rng.poisson(20, 3000).astype(float)
    edge = rng.integers(-2, 3, 3001)
    shifted = base + edge[:-1] - edge[1:]  # vehicles early or late, none lost
    ramps = base + rng.normal(0, 2, 3000)  # as much noise an interval, and it stays
    quiet = flowing(np.stack([base, shifted]), 0.0)[-1]
    noisy = flowing(np.stack([base, ramps]), 0.0)[-1]
    for said in (quiet, noisy):
        assert said.ratio[0] < 1
    limit = [said.vehicles[0] / said.ratio[0] for said in (quiet, noisy) if said.ratio[0] > 0]
    assert all(one >= 8 for one in limit)


# -- California --


def test_the_three_tests_of_payne_and_tignor() -> None:
    rule = POLICY.california
    state = CaliforniaState.fresh(2, 1, rule)
    pair = (np.array([0]), np.array([1]))
    for _ in range(4):
        state = california((np.array([0.1, 0.12]), np.array([90.0, 90.0])), state, pair, rule)
    assert not state.is_on[0]
    jam = (np.array([0.4, 0.05]), np.array([20.0, 95.0]))
    # after one interval the means of two are 0.25 and 0.085, 55 and 92.5 km/h:
    # OCCDF 0.165 >= 0.08, OCCRDF 0.66 >= 0.5, DOCCTD (0.12 - 0.085) / 0.12 = 0.29 >= 0.15
    state = california(jam, state, pair, rule)
    assert (state.slots[0], state.is_on[0]) == (1, False)
    state = california(jam, state, pair, rule)
    assert (state.slots[0], state.is_on[0]) == (2, True)
    # DOCCTD is of the begin only; the alarm stays until OCCRDF falls below its threshold
    for _ in range(5):
        state = california(jam, state, pair, rule)
    assert state.is_on[0]
    state = california((np.array([0.1, 0.1]), np.array([60.0, 60.0])), state, pair, rule)
    assert state.is_on[0]  # means 0.25 and 0.075
    state = california((np.array([0.1, 0.1]), np.array([80.0, 90.0])), state, pair, rule)
    assert not state.is_on[0]


def test_an_occupied_road_that_flows_is_no_incident() -> None:
    rule = POLICY.california
    state = CaliforniaState.fresh(2, 1, rule)
    pair = (np.array([0]), np.array([1]))
    for down in (0.12, 0.12, 0.12, 0.12, 0.05, 0.05, 0.05):
        measured = (np.array([0.4, down]), np.array([70.0, 95.0]))  # 70 km/h: not below 64
        state = california(measured, state, pair, rule)
    assert not state.is_on[0]


# -- closed lanes --

WIDE = road_of([3, 3])


def lanes_after(here: list[float], there: list[float], slots: int) -> list[bool]:
    """Return whether lane 1 of the first station is closed, slot by slot, after a usual time."""
    state = LaneState.fresh(6)

    def step(counts: list[float]) -> bool:
        nonlocal state
        now = LaneNow(np.array(counts), np.ones(2), 0.003, POLICY.lane.warm_slots)
        closed, state = judge_lanes(now, state, WIDE, POLICY.lane)
        return bool(closed[0])

    for _ in range(200):
        assert not step([6.0] * 6)
    return [step(here + there) for _ in range(slots)]


def test_a_lane_is_closed_when_the_others_carry_its_traffic() -> None:
    # 10 are due in each interval (20 x 1/3 over 2/3): 20 nats after the second. In it the next
    # station counted 20, as many as the other lanes an interval before; a dead input would make
    # it 30, and 30 - 20 = 10 is more than 1.5 sqrt(30) = 8.2
    assert lanes_after([0, 10, 10], [7, 7, 6], 3) == [False, True, True]


def test_a_dead_input_is_no_closed_lane() -> None:
    # the others count 12, the next station 18: just what a third more would be
    assert lanes_after([0, 6, 6], [6, 6, 6], 10) == [False] * 10


# -- the life of an incident --

RULES = Rules(clear_slots=4, hold_slots=10)


def scene(now: int, slow: set[int], *signs: Candidate, stored: bool = False) -> Scene:
    up, down = [-1, 0, 1, 2], [1, 2, 3, -1]
    return Scene(
        now, [at in slow for at in range(4)], up, down, list(signs), {2: 9.0} if stored else {}
    )


def sign(station: int, what: Sign = Sign.SLOW, since: int = 0) -> Candidate:
    return Candidate(station, what, since, NOT_YET, 0.0)


def test_one_queue_is_one_incident_from_its_head_to_its_last_wave() -> None:
    one: list[Incident] = advance(
        [], scene(5, set(), sign(2, Sign.STORAGE, 4), stored=True), RULES, 0
    )
    assert [(i.station, i.began, i.found, i.cleared) for i in one] == [(2, 4, 5, NOT_YET)]
    # its queue reaches the station, and the one before; the head of the queue is still the incident
    one = advance(one, scene(6, {2}, sign(2), stored=True), RULES, 1)
    one = advance(one, scene(7, {2, 1}, sign(2), stored=True), RULES, 1)
    assert [(i.number, i.reached, i.signs) for i in one] == [(0, (2, 1), Sign.STORAGE | Sign.SLOW)]
    assert (one[0].spilled, one[0].first, one[0].began) == (7, Sign.STORAGE, 4)
    # freed: the head is free first, the wave runs back; station 1, then 0, look like heads
    one = advance(one, scene(8, {1}, sign(1)), RULES, 1)
    one = advance(one, scene(9, {0}, sign(0)), RULES, 1)
    assert [(i.number, i.reached, i.cleared) for i in one] == [(0, (2, 1, 0), NOT_YET)]


def test_what_is_over_is_over_since_its_last_sign_and_holds_its_waves_for_a_while() -> None:
    one = advance([], scene(0, {2}, sign(2)), RULES, 0)
    for now in range(1, 5):
        one = advance(one, scene(now, set()), RULES, 1)
    assert [i.cleared for i in one] == [1]  # four calm intervals, 1 to 4
    assert len(advance(one, scene(10, {1}, sign(1)), RULES, 1)) == 1  # a wave
    late = advance(one, scene(15, {1}, sign(1)), RULES, 1)  # held up to 14
    assert [(i.number, i.station) for i in late] == [(1, 1)]


def test_of_two_heads_the_one_downstream_is_the_incident() -> None:
    found = advance([], scene(0, {1, 3}, sign(1), sign(3)), RULES, 0)
    assert [i.station for i in found] == [3, 1]  # station 2 between them is free: two queues
    found = advance([], scene(0, {2, 3}, sign(2), sign(3)), RULES, 0)
    assert [(i.station, i.reached) for i in found] == [(3, (3, 2))]


# -- all of it --


def corridor(seed: int, *, block: bool = True) -> Window:
    """Six stations, 10 vehicles in 15 s between them; from slot 400 on 5 of 10 come past station 3.

    The queue reaches station 3 after 6 intervals, 2 after 18, 1 after 32: 30, 60 and 70 vehicles
    stand between them. From slot 440 on 15 an interval leave; the first 30 of them, 10 more than
    come, are gone after 3 intervals, and so on upstream. At 480 all have caught up.
    """
    rng = np.random.default_rng(seed)
    slots = 600
    came = rng.poisson(10, slots + 1).astype(float)
    count = np.stack([(came[1:] + came[:-1]) / 2] * 6)
    speed = 90 + rng.normal(0, 2, (6, slots))
    occupancy = np.full((6, slots), 0.08)
    if block:
        count[4:, 400:440] = 5.0
        count[4:, 440:480] = 15.0
        for station, first, last in ((3, 406, 443), (2, 418, 449), (1, 432, 456)):
            count[station, first:last] = 5.0
            count[station, last:480] = 15.0
            speed[station, first:last] = 12.0
            occupancy[station, first:last] = 0.5
    return window_of(count, speed, occupancy)


LONG = road_of([1] * 6)


def watched(window: Window, parts: tuple[int, ...] = ()) -> tuple[list[Incident], WatchState]:
    watch = IncidentWatch(LONG, POLICY)
    state, seen = watch.fresh(), dict[int, Incident]()
    edges = [0, *parts, window.slots]
    for first, stop in pairwise(edges):
        found, state = watch.run(window.part(first, stop), state)
        seen.update((one.number, one) for one in found)
    return list(seen.values()), state


@pytest.mark.clause("749.VIII.5-1")
@pytest.mark.parametrize("seed", range(5))
def test_a_blocked_road_is_one_incident_before_its_queue_reaches_a_detector(seed: int) -> None:
    found, _ = watched(corridor(seed))
    assert [one.station for one in found] == [3]
    (one,) = found
    assert 400 <= one.found <= 404
    assert one.reached == (3, 2, 1)
    assert {Sign.STORAGE, Sign.SLOW} <= set(one.signs)
    assert 455 <= one.cleared <= 460


@pytest.mark.parametrize("seed", range(5))
def test_a_free_road_has_none(seed: int) -> None:
    assert watched(corridor(seed, block=False))[0] == []


def test_a_state_goes_on_where_it_was() -> None:
    window = corridor(7)
    whole, end = watched(window)
    parts, other = watched(window, (100, 402, 403, 445))
    assert parts == whole
    for one, same in zip(end[1:5], other[1:5], strict=True):
        for column, twin in zip(one, same, strict=True):
            np.testing.assert_array_equal(np.asarray(column, object), np.asarray(twin, object))


@pytest.mark.parametrize(("station", "factor"), [(3, 3.0), (2, 0.5), (3, 0.0)])
def test_a_detector_that_miscounts_is_no_incident(station: int, factor: float) -> None:
    window = corridor(3, block=False)
    window.count[station, 300:] *= factor
    assert watched(window)[0] == []


def test_lanes_that_are_not_trusted_are_not_heard() -> None:
    window = corridor(4, block=False)
    window.speed_kmh[2, 300:] = 5.0
    watch = IncidentWatch(LONG, POLICY)
    assert [one.station for one in watch.run(window, watch.fresh())[0]] == [2]
    is_good = np.ones(window.count.shape, np.bool_)
    is_good[2, 300:] = False
    assert watch.run(window, watch.fresh(), is_good)[0] == []


# -- silence --


def darkened(window: Window, stations: list[int], first: int, stop: int) -> Window:
    """Take the rows of stations away, as of a cabinet without power."""
    for column in (window.count, window.speed_kmh, window.occupancy):
        column[stations, first:stop] = NAN
    return window


@pytest.mark.parametrize("stations", [[2], [3], [2, 3], [3, 4, 5], [0, 1, 2, 3, 4, 5]])
@pytest.mark.parametrize("factor", [0.4, 1.0, 2.5])
def test_a_dark_cabinet_is_no_incident_whatever_traffic_has_become(
    stations: list[int], factor: float, *, soak: bool
) -> None:
    """Two hours, after which there is less traffic, as much, or two and a half times as much."""
    for seed in range(3 if soak else 1):
        rng = np.random.default_rng(seed)
        rate = np.where(np.arange(1001) < 600, 10, 10 * factor)
        came = rng.poisson(rate).astype(float)
        count = np.stack([(came[1:] + came[:-1]) / 2] * 6)
        window = window_of(count, 90 + rng.normal(0, 2, count.shape), 0.08)
        assert watched(darkened(window, stations, 500, 740))[0] == []


def test_the_first_row_of_a_detector_that_boots_is_of_a_part_of_its_interval() -> None:
    rng = np.random.default_rng(1)
    came = rng.poisson(20, 401).astype(float)
    window = window_of(np.stack([(came[1:] + came[:-1]) / 2] * 6), 90.0, 0.08)
    darkened(window, [2, 3, 4], 200, 260)
    window.quality[[2, 3, 4], 200:260] = int(Quality.MISSING)
    window.count[[2, 3, 4], 260] *= 0.1  # three seconds of thirty
    live, seen = Live(LONG, TransportPolicies.load()), []
    live.start(window.start_ms)
    for at in range(window.slots):
        seen += live.run(window.part(at, at + 1)).incidents
    assert seen == []


def test_a_jam_in_the_dark_is_over_after_three_minutes() -> None:
    # blocked at 400, and all of its queue dark from 420 on; for two minutes …
    found, _ = watched(darkened(corridor(1), [1, 2, 3, 4], 420, 424))
    assert [(one.station, one.cleared > 440) for one in found] == [(3, True)]
    # … or only after the road has been free for an hour: nothing of it is left
    found, _ = watched(darkened(corridor(1), [1, 2, 3, 4], 420, 560))
    (one,) = found
    # as it was for 6 intervals of 30 s; without a sign from then on
    assert one.cleared == 426


def test_red_lights_are_no_incident() -> None:
    # a queue of four intervals at a signal is usual in a city, and an incident on an expressway
    window = corridor(5, block=False)
    window.speed_kmh[2, 300:304] = 10.0
    city = road_of([1] * 6, kind=RoadClass.URBAN)
    for road, count in ((LONG, 1), (city, 0)):
        watch = IncidentWatch(road, POLICY)
        assert len(watch.run(window, watch.fresh())[0]) == count


# -- advice --


def test_drivers_are_told_how_fast_to_come_to_a_queue() -> None:
    road = road_of([1] * 5, km=[0.0, 1.0, 2.0, 3.0, 4.5])
    jam = Incident(0, 3, 0, 0, NOT_YET, Sign.SLOW, Sign.SLOW, NOT_YET, 0.0, (3,), NOT_YET, 0, 0)
    speed, usual = np.array([90, 90, 90, 18.0, 95]), np.full(5, 95.0)
    # v^2 = 5^2 + 2 x 0.13 x d: after 1 km 16.9 m/s (60.8 km/h), 2 km 23.3 (84.0), 3 km 28.4 (102)
    assert advise([jam], speed, usual, road, POLICY.advice) == [
        Advice(2, 0, 1.0, 60.0),
        Advice(1, 0, 2.0, 80.0),
    ]
    over = jam._replace(cleared=5)
    assert advise([over], speed, usual, road, POLICY.advice) == []


@pytest.mark.parametrize(
    ("kind", "needed"),
    [(RoadClass.EXPRESSWAY, 1), (RoadClass.URBAN, POLICY.slow.urban_slots - 1)],
    ids=["open road", "signals"],
)
def test_what_is_slow_now_says_so_at_once_but_not_beside_a_signal(
    kind: RoadClass, needed: int
) -> None:
    watch = IncidentWatch(road_of([1, 1], kind=kind), POLICY)
    _, state = watch.run(window_of(np.full((2, 20), 25.0), 90.0), watch.fresh())
    assert not watch.slow_now(state).any()
    for more in range(1, needed + 1):
        _, state = watch.run(window_of(np.full((2, 1), 10.0), 12.0), state)
        assert watch.slow_now(state).all() == (more == needed)
