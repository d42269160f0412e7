"""Vehicles on the fluid: none is made, none lost, and they travel as the traffic does."""

import numpy as np
import pytest

from simulators.road.diagram import CAR, CLASSES, MOTO, PCU
from simulators.road.layout import Layout, Station
from simulators.road.network import NOWHERE, Link, Network, Signal
from simulators.road.sensors import Loops
from simulators.road.traffic import WINDOW_MS, Traffic

MONDAY_0630_MS = 1_795_305_600_000 + 86_400_000 - 30 * 60_000


def town(chains: int = 4, length: int = 5) -> Network:
    links = []
    for k in range(chains * length):
        head = k % length == 0
        follows = k + 1 if k % length < length - 1 else NOWHERE
        link = Link(f"u{k}", "urban", 2, 5, 3, 1500 if head else 250, follows, 0.85)
        links.append(link._replace(signal=Signal(90, 45, k * 17 % 90)))
    return Network(links)


def test_every_vehicle_is_somewhere_exactly_once() -> None:
    traffic = Traffic(town(), 1)
    passed = np.zeros(20, dtype=np.int64)
    for k in range(120):
        window = traffic.window(MONDAY_0630_MS + k * WINDOW_MS)
        passed += np.bincount(window.stations.link, minlength=20)
        people = traffic.vehicles
        inside = np.bincount(people.crowd["kind"], minlength=len(CLASSES))
        assert (people.arrived == people.gone + inside).all()
        assert np.unique(people.crowd["number"]).size == people.crowd.size
        assert np.bincount(window.stations.vehicle["number"]).max(initial=0) <= 2  # two stations
    assert traffic.vehicles.gone.sum() > 2000
    assert passed.min() > 100


def test_between_two_stations_are_exactly_those_who_passed_one_and_not_the_other() -> None:
    """On a road without ramps, counts of two detectors differ by what is between them."""
    links = [
        Link("a", "expressway", 3, 4, 2, 4000, 1, 1.0),
        Link("b", "expressway", 3, 4, 2),
    ]
    traffic = Traffic(Network(links), 7)
    seen: list[set[int]] = [set(), set()]
    for k in range(120):
        if k == 40:
            traffic.cells.open_share[6] = 0.3  # a jam must not change it
        window = traffic.window(MONDAY_0630_MS + k * WINDOW_MS)
        for link in (0, 1):
            here = window.stations.vehicle["number"][window.stations.link == link]
            assert not seen[link] & set(here)
            seen[link] |= set(here)
        assert seen[1] <= seen[0]
        crowd = traffic.vehicles.crowd
        between = set(crowd["number"]) & (seen[0] - seen[1])
        assert between == seen[0] - seen[1]
    assert len(seen[0]) - len(seen[1]) > 50  # the jam holds them


@pytest.mark.parametrize(
    ("road", "most_pcu_h"), [("expressway", 3000), ("expressway", 600), ("national", 2500)]
)
def test_vehicles_live_through_what_detectors_see(road: str, most_pcu_h: float) -> None:
    """In free flow the way of ten cells takes what the speeds at its two ends say."""
    links = [Link("a", road, 2, 10, 2, most_pcu_h, 1, 1.0), Link("b", road, 2, 10, 2)]
    layout = Layout(Network(links), (_station(0), _station(2)), 4)
    traffic, loops = Traffic(layout.network, 7), Loops(layout)
    at_s: list[dict[int, float]] = [{}, {}]
    pace_s_m: list[float] = []
    for k in range(60):
        hits = loops.hits(traffic.window(MONDAY_0630_MS + k * WINDOW_MS))
        pace_s_m += (3.6 / hits.kmh).tolist()
        for link, number, time_s in zip(
            hits.link, hits.vehicle["number"], hits.seconds + k * 30, strict=True
        ):
            at_s[int(link)][int(number)] = float(time_s)
    taken_s = [at_s[1][number] - at_s[0][number] for number in at_s[1] if number in at_s[0]]
    assert len(taken_s) > 100
    way_m = 10 * links[0].cell_m
    assert np.mean(taken_s) == pytest.approx(way_m * float(np.mean(pace_s_m)), rel=0.02)
    if most_pcu_h > 1000:  # a busy road is slower than an empty one, for all of them
        assert min(taken_s) > 50.0


def _station(first: int) -> Station:
    names = (f"loop-{first}", f"loop-{first + 1}")
    return Station("c", f"s-{first}", f"st-{first}", (21.0, 105.0), names, first, 0)


def test_nobody_overtakes_in_the_fluid_and_nobody_stays_behind() -> None:
    traffic = Traffic(town(chains=1, length=2), 3)
    for k in range(60):
        traffic.window(MONDAY_0630_MS + k * WINDOW_MS)
    traffic.network.source_pcu_s[:] = 0.0
    for k in range(60, 80):
        traffic.window(MONDAY_0630_MS + k * WINDOW_MS)
    assert traffic.vehicles.crowd.size == 0
    assert (traffic.vehicles.arrived == traffic.vehicles.gone).all()


def test_riders_are_the_fluid_of_their_link() -> None:
    """What vehicles weigh in PCU is what the cells hold, but for the packets on the rims."""
    traffic = Traffic(Network([Link("a", "national", 2, 40, 20, 3600)]), 7)
    traffic.cells.open_share[35] = 0.5
    for k in range(120):
        traffic.window(MONDAY_0630_MS + k * WINDOW_MS)
    crowd = traffic.vehicles.crowd
    on_road = crowd[crowd["place"] == 0]
    assert PCU[on_road["kind"]].sum() == pytest.approx(traffic.cells.inside()[0], abs=6)


def test_motorcycles_dominate_the_city_and_are_not_on_the_expressway() -> None:
    links = [Link("a", "urban", 2, 5, 3, 1500), Link("b", "expressway", 3, 5, 3, 4000)]
    traffic = Traffic(Network(links), 7)
    kinds = np.zeros((2, len(CLASSES)), dtype=np.int64)
    for k in range(60):
        stations = traffic.window(MONDAY_0630_MS + k * WINDOW_MS).stations
        np.add.at(kinds, (stations.link, stations.vehicle["kind"]), 1)
    share = kinds / kinds.sum(axis=1, keepdims=True)
    assert share[0, MOTO] == pytest.approx(0.79, abs=0.02)
    assert share[1, MOTO] == 0
    assert share[1, CAR] == pytest.approx(0.70, abs=0.03)


def test_at_every_end_of_a_link_the_same_share_goes_on() -> None:
    links = [
        Link(f"u{k}", "urban", 2, 5, 3, 0.0 if k else 1500, k + 1 if k < 5 else NOWHERE, 0.8)
        for k in range(6)
    ]
    traffic = Traffic(Network(links), 7)
    passed = np.zeros(6)
    for k in range(120):
        stations = traffic.window(MONDAY_0630_MS + k * WINDOW_MS).stations
        passed += np.bincount(stations.link, minlength=6)
    np.testing.assert_allclose(passed[1:] / passed[:-1], 0.8, atol=0.03)


def test_the_same_seed_brings_the_same_vehicles_whatever_happens_on_the_road() -> None:
    plain, blocked, other = Traffic(town(), 1), Traffic(town(), 1), Traffic(town(), 2)
    blocked.cells.open_share[7] = 0.0
    for traffic in (plain, blocked, other):
        for k in range(20):
            traffic.window(MONDAY_0630_MS + k * WINDOW_MS)
    assert (plain.vehicles.arrived == blocked.vehicles.arrived).all()
    assert (plain.vehicles.arrived != other.vehicles.arrived).any()
    assert plain.vehicles.crowd.size < blocked.vehicles.crowd.size
    again = Traffic(town(), 1)
    for k in range(20):
        again.window(MONDAY_0630_MS + k * WINDOW_MS)
    assert again.vehicles.crowd.tobytes() == plain.vehicles.crowd.tobytes()
