"""What a scenario's truth says must be in the data, by the stated amount, and only there."""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from typing_extensions import override

from simulators.city.frame import LANES_PER_CABINET, NULL, Ints, Readings, Span, Supply, Truth
from simulators.road.orders import KINDS
from simulators.road.world import Road

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MONDAY_MS = 1_795_305_600_000 + DAY_MS - 7 * HOUR_MS  # local midnight
START_MS = MONDAY_MS + 7 * HOUR_MS
SEED, LANES = 5, 60
RUN = Span(START_MS, START_MS + 5 * HOUR_MS // 4)
COUNT, REGISTER, OCC, SPEED = 0, 1, 2, 3

Play = tuple[dict[str, Readings], Sequence[Truth]]


def play(kind: str | None, **wish: float | str) -> Play:
    """Run the city with one scenario, or none."""
    return _play(kind, tuple(sorted(wish.items())))


@cache
def _play(kind: str | None, wish: tuple[tuple[str, object], ...]) -> Play:
    road = Road(SEED, LANES)
    if kind is not None:
        road.apply([road.draw(kind, RUN, 1, dict(wish))])
    step = road.step(*RUN)
    return {r.profile: r for r in step.readings}, road.truth()


def plain() -> dict[str, Readings]:
    return play(None)[0]


def of(readings: Readings, name: str) -> tuple[Ints, Ints]:
    mine = readings.device == list(readings.names).index(name)
    return readings.at_ms[mine], readings.values[mine]


def during(at_ms: Ints, truth: Truth) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Rows whose interval is within the scenario."""
    return np.asarray((at_ms > truth.from_ms) & (at_ms <= truth.to_ms))


def magnitude(truth: Truth, name: str) -> float:
    value = truth.magnitude[name]
    assert not isinstance(value, str)
    return value


def all_at_once(seed: int) -> Play:
    road = Road(seed, LANES)
    road.apply([road.draw(kind, RUN, k, {}) for k, kind in enumerate(sorted(KINDS))])
    return {r.profile: r for r in road.step(*RUN).readings}, road.truth()


def test_the_same_seed_gives_the_same_bytes_with_every_scenario() -> None:
    first, again, other = all_at_once(SEED), all_at_once(SEED), all_at_once(SEED + 1)
    for profile, readings in first[0].items():
        same = again[0][profile]
        assert readings.values.tobytes() == same.values.tobytes()
        assert readings.at_ms.tobytes() == same.at_ms.tobytes()
        assert readings.device.tobytes() == same.device.tobytes()
        assert readings.values.tobytes() != other[0][profile].values.tobytes()
    assert first[1] == again[1]
    assert {truth.kind for truth in first[1]} == KINDS


@pytest.mark.parametrize("kind", sorted(KINDS - {"road_comms_outage"}))
def test_a_scenario_is_to_be_seen_and_its_truth_names_what_exists(kind: str) -> None:
    first = play(kind)
    (truth,) = first[1]
    assert truth.kind == kind
    assert RUN.from_ms <= truth.from_ms < truth.to_ms <= RUN.to_ms
    assert truth.where in truth.touches
    road = Road(SEED, LANES)
    known = {row.id for row in road.nodes()} | {row.id for row in road.devices()}
    assert set(truth.touches) <= known
    differs = [p for p, r in first[0].items() if r.values.tobytes() != plain()[p].values.tobytes()]
    assert differs


@pytest.mark.parametrize(
    "kind", sorted(k for k in KINDS - {"detector_dead"} if k.startswith("detector_"))
)
def test_a_detector_fault_changes_that_detector_and_no_other(kind: str) -> None:
    readings, (truth,) = play(kind)
    loops, healthy = readings["tl1"], plain()["tl1"]
    for name in loops.names:
        at_ms, values = of(loops, name)
        _, usual = of(healthy, name)
        if name != truth.where:
            assert (values == usual).all()
            continue
        fault = during(at_ms, truth)
        assert values[fault, COUNT].sum() == magnitude(truth, "counted_vehicles")
        assert usual[fault, COUNT].sum() == magnitude(truth, "true_vehicles")
        assert (values[~fault][:, 2:] == usual[~fault][:, 2:]).all()
        # the register is what the detector counted, right or wrong
        assert (np.diff(values[:, REGISTER]) == values[1:, COUNT]).all()
        assert (values[:, 5:].sum(axis=1) == values[:, COUNT]).all()
    for profile in ("pv1", "etc1", "wim1", "env1"):
        assert readings[profile].values.tobytes() == plain()[profile].values.tobytes()


def faulty(kind: str, **wish: float) -> tuple[Ints, Ints, Truth]:
    readings, (truth,) = play(kind, **wish)
    at_ms, values = of(readings["tl1"], truth.where)
    _, usual = of(plain()["tl1"], truth.where)
    fault = during(at_ms, truth)
    return values[fault], usual[fault], truth


@pytest.mark.parametrize(
    ("kind", "factor"), [("detector_over_count", 3.0), ("detector_under_count", 0.7)]
)
def test_a_miscalibrated_loop_is_off_by_its_factor_to_the_vehicle(kind: str, factor: float) -> None:
    values, usual, truth = faulty(kind)
    assert truth.magnitude["factor"] == factor
    assert values[:, COUNT].sum() == pytest.approx(factor * usual[:, COUNT].sum(), abs=5)
    # and it is as plausible as a good one: never a count without occupancy
    assert ((values[:, COUNT] > 0) == (values[:, OCC] > 0)).all()


def ratio(readings: Readings) -> float:
    """Return the count of a station over the mean of its neighbours, no ramp between them."""
    at = {
        k: sum(
            int(of(readings, name)[1][:, COUNT].sum())
            for name in readings.names
            if name.startswith(f"loop-ex-01-{k:02}-")
        )
        for k in (4, 5, 6)
    }
    return 2 * at[5] / (at[4] + at[6])


def test_neighbours_on_an_expressway_show_a_loop_that_misses_vehicles() -> None:
    """Healthy stations agree; a lane of three that misses 30 % is 10 % of its station."""
    assert ratio(plain()["tl1"]) == pytest.approx(1.0, abs=0.01)
    times = {"from_ms": RUN.from_ms, "to_ms": RUN.to_ms}
    readings, (truth,) = play("detector_under_count", where="loop-ex-01-05-2", **times)
    missed = magnitude(truth, "true_vehicles") - magnitude(truth, "counted_vehicles")
    assert ratio(readings["tl1"]) == pytest.approx(ratio(plain()["tl1"]) * 0.9, abs=0.02)
    assert missed > 300


def test_a_stuck_loop_is_occupied_and_counts_nobody() -> None:
    values, usual, _ = faulty("detector_stuck")
    assert (values[:, OCC] == 1000).all()
    assert (values[:, COUNT] == 0).all()
    assert (values[:, SPEED] == NULL).all()
    assert usual[:, COUNT].sum() > 100


def test_a_card_that_is_off_says_the_road_is_empty() -> None:
    values, usual, _ = faulty("detector_card_off")
    assert not values[:, [COUNT, OCC]].any()
    assert usual[:, COUNT].sum() > 100


def test_chatter_adds_its_pulses_to_every_interval() -> None:
    values, usual, _ = faulty("detector_chatter", extra_per_window=60)
    assert (values[:, COUNT] - usual[:, COUNT] == 60).all()
    assert (values[:, OCC] >= usual[:, OCC]).all()


def test_a_constant_loop_repeats_one_row() -> None:
    values, _, _ = faulty("detector_constant")
    assert np.unique(values[:, [0, 2, 3, 4, 5, 6, 7, 8, 9]], axis=0).shape[0] == 1
    assert values[0, OCC] > 0


def test_a_hanging_loop_holds_its_call_in_the_stated_windows() -> None:
    values, usual, truth = faulty("detector_hanging", share=0.2)
    held = (values[:, COUNT] == 0) & (values[:, OCC] >= 300) & (usual[:, COUNT] > 0)
    assert held.sum() == pytest.approx(magnitude(truth, "windows"), abs=1)
    assert held.mean() == pytest.approx(0.2, abs=0.12)
    same = values[:, OCC] == usual[:, OCC]
    assert (values[same][:, 5:] == usual[same][:, 5:]).all()


def test_cross_talk_adds_a_share_of_the_neighbour() -> None:
    values, usual, truth = faulty("detector_cross_talk", share=0.5)
    section, lane = truth.where.rsplit("-", 1)
    neighbour = f"{section}-{2 if lane == '1' else int(lane) - 1}"
    at_ms, next_values = of(plain()["tl1"], neighbour)
    heard = next_values[during(at_ms, truth), COUNT].sum()
    assert values[:, COUNT].sum() - usual[:, COUNT].sum() == magnitude(truth, "heard_vehicles")
    assert magnitude(truth, "heard_vehicles") == pytest.approx(0.5 * heard, abs=5)


def station_speeds(readings: Mapping[str, Readings], section: str, truth: Truth) -> float:
    speeds = []
    for name in readings["tl1"].names:
        if name.startswith(f"loop-{section}-"):
            at_ms, values = of(readings["tl1"], name)
            mine = values[during(at_ms, truth), SPEED]
            speeds.append(np.median(mine[mine != NULL]))
    return float(np.mean(speeds)) / 10


def upstream_of(section: str) -> str:
    corridor, number = section.rsplit("-", 1)
    return f"{corridor}-{int(number) - 1:02}"


def test_a_stalled_vehicle_lets_through_what_its_truth_says() -> None:
    times = {"from_ms": START_MS + 15 * 60_000, "to_ms": START_MS + 45 * 60_000}
    readings, (truth,) = play("stalled_vehicle", where="ex-01-05", **times)
    assert magnitude(truth, "capacity_share") == 0.49  # one of three lanes, HCM
    expected_pcu_h = 0.49 * 3 * 2076
    assert magnitude(truth, "outflow_pcu_h") == pytest.approx(expected_pcu_h, rel=0.02)
    assert magnitude(truth, "queue_max_m") > 500
    # in the data: the station before it crawls, the one after it sees the outflow
    assert station_speeds(plain(), "ex-01-05", truth) > 85
    assert station_speeds(readings, "ex-01-05", truth) < 40
    assert station_speeds(readings, "ex-01-06", truth) > 85
    pcu = np.array((0.3, 1.0, 2.5, 2.0, 3.0))
    passed = 0.0
    for name in readings["tl1"].names:
        if name.startswith("loop-ex-01-06-"):
            at_ms, values = of(readings["tl1"], name)
            late = during(at_ms, truth) & (at_ms > truth.from_ms + 300_000)
            passed += float(values[late][:, 5:].sum(axis=0) @ pcu)
    # nobody leaves or enters between the two links
    assert passed / (25 / 60) == pytest.approx(expected_pcu_h, rel=0.06)
    assert "loop-ex-01-05-1" in truth.touches
    assert "loop-ex-01-04-1" in truth.touches  # the queue reached it
    assert START_MS + 45 * 60_000 < magnitude(truth, "queue_until_ms") <= RUN.to_ms


def test_a_closed_lane_is_empty_and_the_others_carry_its_traffic() -> None:
    readings, (truth,) = play("lane_closure", where="ex-01-03", lane=2)
    at_ms, values = of(readings["tl1"], "loop-ex-01-03-2")
    assert values[during(at_ms, truth), COUNT].sum() == 0
    assert truth.magnitude["lane_from_kerb"] == 2
    kerb, usual = (of(r["tl1"], "loop-ex-01-03-1")[1] for r in (readings, plain()))
    closed = during(at_ms, truth)
    assert kerb[closed, COUNT].sum() > 1.1 * usual[closed, COUNT].sum()
    assert magnitude(truth, "queue_max_m") > 300
    assert station_speeds(readings, "ex-01-02", truth) < 70


def test_a_blocked_exit_fills_the_links_before_it() -> None:
    times = {"from_ms": START_MS + 15 * 60_000, "to_ms": START_MS + 45 * 60_000}
    readings, (truth,) = play("queue_spillback", where="ur-01-04", share=0.1, **times)
    reached = magnitude(truth, "links_reached")
    assert reached >= 3
    assert magnitude(truth, "queue_max_m") > 700
    for back in range(int(reached) - 1):
        assert f"st-ur-01-{4 - back:02}" in truth.touches
    for section in ("ur-01-04", "ur-01-03"):  # which it fills for most of the time
        calm = station_speeds(plain(), section, truth)
        assert station_speeds(readings, section, truth) < 0.75 * calm
    assert "st-ur-02-01" not in truth.touches


def test_water_on_the_road_is_measured_and_stops_the_traffic() -> None:
    readings, (truth,) = play("road_flood", where="ex-01-03", depth_m=0.3)
    at_ms, values = of(readings["env1"], "env-ex-01-03")
    wet = (at_ms > truth.from_ms) & (at_ms <= truth.to_ms)
    assert (values[wet, 2] == 300).all()  # mm
    assert (values[~wet, 2] < 0).all()
    assert (values[wet, 1] >= 700).all()  # 70 mm/h
    _, usual = of(plain()["env1"], "env-ex-01-03")
    assert values[-1, 0] - usual[-1, 0] == pytest.approx(700 * wet.sum() / 6, abs=2)
    assert station_speeds(readings, "ex-01-03", truth) < 40
    assert "env-ex-01-03" in truth.touches


def test_a_wrong_way_driver_passes_the_stations_against_the_traffic() -> None:
    readings, (truth,) = play("wrong_way", where="radar-ex-01-06", speed_kmh=60)
    stations = int(magnitude(truth, "stations"))
    assert stations == 6
    ghosts = readings["pv1"].values[:, 3] == 2
    seen = readings["pv1"].device[ghosts], readings["pv1"].at_ms[ghosts]
    names = [readings["pv1"].names[k] for k in seen[0]]
    assert names == ["radar-ex-01-06", "radar-ex-01-02"]
    # sixteen cells of 5 s at 100 km/h, now at 60 km/h
    assert seen[1][1] - seen[1][0] == pytest.approx(
        4 * 4 * (100 / 3.6 * 5) * 3.6 / 60 * 1000, abs=5
    )
    assert (readings["pv1"].values[ghosts][:, 0] == 600).all()
    more = 0
    for name in readings["tl1"].names:
        values, usual = (of(r["tl1"], name)[1] for r in (readings, plain()))
        more += int((values[:, COUNT] - usual[:, COUNT]).sum())
    assert more == stations  # each loop at the median counted it once


def test_a_toll_reader_that_fails_reads_no_tag() -> None:
    readings, (truth,) = play("toll_reader_failure")
    at_ms, values = of(readings["etc1"], truth.where)
    failing = (at_ms >= truth.from_ms) & (at_ms < truth.to_ms)
    assert (values[failing, 0] == 4).all()
    assert failing.sum() == magnitude(truth, "passages") == magnitude(truth, "read_failures")
    assert (values[failing, 5] == NULL).all()
    assert (values[~failing, 0] == 4).mean() < 0.05
    half, (truth,) = play("toll_reader_failure", where=truth.where, share=0.5)
    at_ms, values = of(half["etc1"], truth.where)
    failing = (at_ms >= truth.from_ms) & (at_ms < truth.to_ms)
    failed = int((values[failing, 0] == 4).sum())
    assert failed == magnitude(truth, "read_failures")
    assert failed / failing.sum() == pytest.approx(0.5, abs=0.03)


def test_an_overloaded_truck_weighs_what_the_truth_says() -> None:
    readings, (truth,) = play("overload_truck", axle_kg=14_000)
    values = readings["wim1"].values
    too_heavy = (values[:, 2:8] > 10_000).any(axis=1)
    assert too_heavy.sum() == 1
    (row,) = values[too_heavy]
    assert row[2:8].max() == 14_000
    assert row[0] == row[2:8][row[2:8] != NULL].sum() == magnitude(truth, "gvw_kg")
    assert readings["wim1"].at_ms[too_heavy] == truth.from_ms


def test_a_truck_that_never_came_is_not_in_the_truth() -> None:
    road = Road(SEED, LANES)
    order = road.draw("overload_truck", RUN, 1, {"from_ms": START_MS, "to_ms": START_MS + 30_000})
    road.apply([order._replace(where="wim-na-01-01")])
    readings = road.step(*RUN).readings
    heavy = next(r for r in readings if r.profile == "wim1")
    at_ms, values = of(heavy, "wim-na-01-01")
    came = ((at_ms < START_MS + 30_000) & (values[:, 10] >= 4)).any()
    assert len(road.truth()) == int(came)


@pytest.mark.parametrize(
    ("kind", "wish"),
    [
        ("stalled_vehicle", {"where": "nowhere"}),
        ("detector_stuck", {"where": "st-ur-01-01"}),
        ("lane_closure", {"where": "ex-01-03", "lane": 4}),
        ("queue_spillback", {"share": 1.5}),
        ("road_flood", {"depth_m": "deep"}),
        ("road_flood", {"where": "ur-01-01"}),  # nothing measures water there
        ("wrong_way", {"where": "ex-01-01"}),
        ("detector_stuck", {"factor": 2}),
        ("detector_stuck", {"from_ms": START_MS, "to_ms": START_MS}),
        ("theft", {}),
    ],
)
def test_what_cannot_be_is_refused(kind: str, wish: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Road(SEED, LANES).draw(kind, RUN, 1, wish)


def test_two_orders_of_a_kind_are_at_two_places() -> None:
    road = Road(SEED, LANES)
    where = {road.draw("detector_stuck", RUN, ordinal, {}).where for ordinal in range(8)}
    assert len(where) > 4


def test_how_the_time_is_cut_into_steps_changes_nothing() -> None:
    orders = ["stalled_vehicle", "detector_under_count", "toll_reader_failure"]
    whole, cut = Road(SEED, LANES), Road(SEED, LANES)
    for road in (whole, cut):
        road.apply([road.draw(kind, RUN, k, {}) for k, kind in enumerate(orders)])
    first = {r.profile: r for r in whole.step(*RUN).readings}
    parts: dict[str, list[Readings]] = {}
    edges = [RUN.from_ms, RUN.from_ms + 30_000, RUN.from_ms + 20 * 60_000, RUN.to_ms]
    for begin, end in pairwise(edges):
        for r in cut.step(begin, end).readings:
            parts.setdefault(r.profile, []).append(r)
    for profile, readings in first.items():
        values = np.concatenate([r.values for r in parts[profile]])
        assert values.tobytes() == readings.values.tobytes()
    assert whole.truth() == cut.truth()


class Cut(Supply):
    """A grid that cuts the power of one cabinet for half an hour."""

    span = Span(START_MS + 30 * 60_000 + 7000, START_MS + 60 * 60_000 + 11_000)

    @override
    def feeds(self, cabinet: int) -> str:
        return "tba-0001"

    @override
    def dark(self, cabinet: int) -> Sequence[Span]:
        return [self.span] if cabinet == 1 else []


def test_a_cabinet_without_power_darkens_its_detectors_and_no_other() -> None:
    road = Road(SEED, LANES, Cut())
    readings = {r.profile: r for r in road.step(*RUN).readings}
    dark = {a.device for a in road.absences()}
    loops = readings["tl1"]
    assert {n for n in dark if n in loops.names} == set(
        loops.names[LANES_PER_CABINET : 2 * LANES_PER_CABINET]
    )
    assert {a.span for a in road.absences()} == {Cut.span}
    (truth,) = road.truth()
    assert (truth.kind, truth.where) == ("cabinet_dark", "tba-0001")
    assert (truth.from_ms, truth.to_ms) == Cut.span
    assert set(truth.touches) == {"tba-0001", *dark}
    assert truth.magnitude["detectors"] == len(dark) >= LANES_PER_CABINET
    for profile, spoken in readings.items():
        usual = plain()[profile]
        for name in spoken.names:
            at_ms, values = of(spoken, name)
            at_usual, usual_values = of(usual, name)
            if name not in dark:
                assert values.tobytes() == usual_values.tobytes()
                continue
            assert not ((at_ms >= Cut.span.from_ms) & (at_ms < Cut.span.to_ms)).any()
            lit = (at_usual < Cut.span.from_ms) | (at_usual >= Cut.span.to_ms)
            assert (at_ms == at_usual[lit]).all()
    name = loops.names[LANES_PER_CABINET]
    at_ms, values = of(loops, name)
    at_usual, usual_values = of(plain()["tl1"], name)
    # the register stood still: what passed in the dark is missing, and nothing else
    missed = (at_usual > Cut.span.from_ms) & (at_usual <= Cut.span.to_ms)
    gap = usual_values[-1, REGISTER] - values[-1, REGISTER]
    assert usual_values[missed, COUNT].sum() <= gap
    assert gap <= usual_values[missed, COUNT].sum() + 40
    back = int(np.flatnonzero(at_ms >= Cut.span.to_ms)[0])
    assert values[back, COUNT] < usual_values[list(at_usual).index(at_ms[back]), COUNT]
    assert values[back + 1, COUNT] == usual_values[list(at_usual).index(at_ms[back + 1]), COUNT]


def test_vehicles_are_conserved_in_every_scenario_at_once() -> None:
    road = Road(SEED, LANES)
    road.apply([road.draw(kind, RUN, k, {}) for k, kind in enumerate(sorted(KINDS))])
    for begin in range(RUN.from_ms, RUN.to_ms, 600_000):
        road.step(begin, begin + 600_000)
        account = road.balance()["road"]
        assert account["arrived"] == sum(account[k] for k in ("on_the_road", "waiting", "left"))
    assert road.balance()["road"]["left"] > 10_000


def test_a_demo_may_ask_for_bins_of_five_seconds() -> None:
    road = Road(SEED, 12, interval_ms=5000)
    readings = {r.profile: r for r in road.step(START_MS, START_MS + 60_000).readings}
    assert road.slot_ms == 5000
    assert readings["tl1"].values.shape[0] == 12 * 12
    assert readings["env1"].values.shape[0] == 12 * len(readings["env1"].names)
    assert {row.interval_ms for row in road.devices()} == {0, 5000}


def test_a_lost_link_keeps_words_away_and_loses_none() -> None:
    road = Road(SEED, LANES)
    road.apply([road.draw("road_comms_outage", RUN, 1, {"where": "st-ex-01-02"})])
    readings = {r.profile: r for r in road.step(*RUN).readings}
    for profile, spoken in readings.items():
        assert spoken.values.tobytes() == plain()[profile].values.tobytes()
    gone, (truth,) = road.absences(), road.truth()
    assert {(a.span, a.reason) for a in gone} == {((truth.from_ms, truth.to_ms), "cut off")}
    modem, *devices = truth.touches[1:]
    assert modem.startswith("modem-")
    assert {a.device for a in gone} == set(devices)
    assert magnitude(truth, "devices") == len(gone) >= LANES_PER_CABINET


def test_a_dead_detector_makes_no_rows_and_counts_nobody() -> None:
    readings, (truth,) = play("detector_dead")
    loops, healthy = readings["tl1"], plain()["tl1"]
    for name in loops.names:
        at_ms, values = of(loops, name)
        at_usual, usual = of(healthy, name)
        alive = np.full(at_usual.size, fill_value=True)
        if name == truth.where:
            # also not of the interval in which it came back
            alive = (at_usual < truth.from_ms) | (at_usual > truth.to_ms)
            assert alive.sum() < at_usual.size - 1
        assert (at_ms == at_usual[alive]).all()
        assert (values[:, 2:] == usual[alive][:, 2:]).all()
    assert magnitude(truth, "true_vehicles") > 0
    assert magnitude(truth, "counted_vehicles") == 0
