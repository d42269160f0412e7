"""The fluid against numbers worked out by hand: capacity, jams, shock waves, spill-back."""

import numpy as np
import pytest

from simulators.road.cells import Cells
from simulators.road.diagram import DIAGRAM, Diagram
from simulators.road.network import NOWHERE, STEP_S, Link, Network, Signal

# Round numbers for pencil and paper: 20 m/s, one vehicle in 2 s, 8 m each in a queue: from the
# triangle, critical density 25/km, waves at 1800 / (125 − 25) = 18 km/h = 5 m/s, cells of 100 m.
ROUND = Diagram(free_kmh=72, capacity_pcu_h=1800, jam_pcu_km=125)


def corridor(cells: int = 40, **more: object) -> Link:
    plain = Link("one", "national", 1, cells, cells // 2, diagram=ROUND)
    return plain._replace(**more)  # type: ignore[arg-type]


def run(cells: Cells, seconds: int, inflow_pcu_h: float, start_s: int = 0) -> None:
    arriving = np.zeros(cells.network.last.size)
    arriving[0] = inflow_pcu_h / 3600 * STEP_S
    for time_s in range(start_s, start_s + seconds, STEP_S):
        cells.step(time_s, arriving)


def test_the_diagram_by_hand() -> None:
    assert ROUND.critical_pcu_km == 25
    assert ROUND.wave_kmh == pytest.approx(18)
    assert ROUND.queue_pcu_km(900) == pytest.approx(75)  # 125 − 900/18
    # 1440 arrive, 900 leave: 540 more an hour, between 20/km arriving and 75/km in the queue
    assert ROUND.queue_growth_kmh(1440, 900) == pytest.approx(540 / 55)


def test_the_bent_side_of_the_diagram_by_hand() -> None:
    """A fifth is lost at capacity: 1800 / 57.6 = 31.25/km there, speed 72 (1 - k / 156.25)."""
    bent = ROUND._replace(friction=0.2)
    assert bent.critical_pcu_km == pytest.approx(31.25)
    # 20/km drive 72 (1 - 0.128) = 62.784 km/h and are 1255.68 an hour
    assert bent.free_pcu_km(1255.68) == pytest.approx(20)
    assert bent.free_pcu_km(1800) == pytest.approx(31.25)
    assert ROUND.free_pcu_km(1440) == pytest.approx(20)


def test_busy_traffic_drives_as_fast_as_its_density_says_and_capacity_stays() -> None:
    bent = ROUND._replace(friction=0.2)
    cells = Cells(Network([corridor(diagram=bent)]))
    run(cells, 1800, inflow_pcu_h=1255.68)
    np.testing.assert_allclose(cells.pcu, 2.0, rtol=1e-3)  # 20/km in 100 m
    moved_m = cells.moved_m[0]
    run(cells, 60, inflow_pcu_h=1255.68, start_s=1800)
    assert (cells.moved_m[0] - moved_m) / 60 * 3.6 == pytest.approx(62.784, rel=1e-3)
    full = Cells(Network([corridor(diagram=bent)]))
    run(full, 1800, inflow_pcu_h=5000)
    before = full.left[0]
    run(full, 1800, inflow_pcu_h=5000, start_s=1800)
    assert full.left[0] - before == pytest.approx(900, rel=1e-6)


@pytest.mark.parametrize(
    ("road", "wave_kmh"), [("urban", 24.0), ("expressway", 18.8), ("national", 18.0)]
)
def test_waves_in_queues_are_as_slow_as_on_real_roads(road: str, wave_kmh: float) -> None:
    assert DIAGRAM[road].wave_kmh == pytest.approx(wave_kmh, abs=0.1)


def test_free_flow_arrives_after_the_travel_time_and_keeps_its_shape() -> None:
    cells = Cells(Network([corridor(cells=10)]))
    cells.step(0, np.array([2.0]))
    for step in range(1, 11):
        assert cells.left[0] == 0
        assert cells.pcu[step - 1] == 2.0  # one cell a step: no smear
        cells.step(step * STEP_S, np.array([0.0]))
    assert cells.left[0] == 2.0


def test_capacity_is_what_leaves_a_queue() -> None:
    cells = Cells(Network([corridor()]))
    run(cells, 1800, inflow_pcu_h=5000)
    before = cells.left[0]
    run(cells, 1800, inflow_pcu_h=5000, start_s=1800)
    assert cells.left[0] - before == pytest.approx(900)  # 1800/h for half an hour
    assert cells.waiting[0] == pytest.approx(3600 / 3600 * (5000 - 1800))


def test_a_blocked_road_fills_to_its_jam_density_and_no_further() -> None:
    cells = Cells(Network([corridor(cells=10)]))
    cells.exit_share[:] = 0.0
    run(cells, 7200, inflow_pcu_h=1800)
    assert cells.pcu.max() <= 12.5  # 125/km in 100 m
    np.testing.assert_allclose(cells.pcu, 12.5, rtol=1e-6)
    assert cells.left[0] == 0


def test_a_queue_grows_as_the_shock_wave_says() -> None:
    """1440/h arrive, a block halves 1800/h: the tail runs back at 540/55 = 9.82 km/h."""
    cells = Cells(Network([corridor(cells=60)]))
    run(cells, 600, inflow_pcu_h=1440)
    cells.open_share[49] = 0.5
    tails_m = []
    for minute in range(10, 25):
        run(cells, 60, inflow_pcu_h=1440, start_s=minute * 60)
        queued_pcu = np.clip(cells.pcu[:50] - 2.0, 0, None).sum()  # beyond 20/km arriving
        tails_m.append(queued_pcu / 5.5 * 100)  # 55/km more than that in the queue
    growth_m_s = np.polyfit(np.arange(15) * 60.0, tails_m, 1)[0]
    assert growth_m_s * 3.6 == pytest.approx(540 / 55, rel=0.005)
    in_queue = cells.pcu[46:50] * 10
    np.testing.assert_allclose(in_queue, 75, rtol=0.01)
    # the place of the tail itself, not only what it holds
    tail = int(np.flatnonzero(cells.pcu > 4.75)[0])
    assert (50 - tail) * 100 == pytest.approx(9.82 / 3.6 * 900, abs=150)


def test_when_the_block_goes_the_wave_of_starting_runs_back_at_wave_speed() -> None:
    cells = Cells(Network([corridor(cells=60)]))
    run(cells, 600, inflow_pcu_h=1440)
    cells.open_share[49] = 0.0
    run(cells, 900, inflow_pcu_h=1440, start_s=600)
    cells.open_share[49] = 1.0
    tail = int(np.flatnonzero(cells.pcu > 10)[0])
    reach = 49 - tail - 3  # a place well inside of the standing queue
    start_s = 1500
    while cells.pcu[49 - reach] > (12.5 + 2.5) / 2:  # halfway to the density at capacity
        run(cells, STEP_S, inflow_pcu_h=1440, start_s=start_s)
        start_s += STEP_S
    assert (start_s - 1500) == pytest.approx(reach * 100 / 5, rel=0.1)  # 5 m/s


def test_a_queue_spills_back_into_the_link_before() -> None:
    road = [corridor(cells=10, next=1, onward=1.0), corridor(cells=5)]
    cells = Cells(Network(road))
    run(cells, 300, inflow_pcu_h=1440)
    cells.exit_share[1] = 0.25
    run(cells, 120, inflow_pcu_h=1440, start_s=300)
    assert cells.pcu[9] == pytest.approx(2.0)  # not there yet
    run(cells, 180, inflow_pcu_h=1440, start_s=420)
    queue_pcu = ROUND.queue_pcu_km(450) / 10
    assert cells.pcu[9] == pytest.approx(queue_pcu, rel=0.05)
    before = cells.left[0]
    run(cells, 600, inflow_pcu_h=1440, start_s=600)
    assert cells.left[0] - before == pytest.approx(450 / 6, rel=0.01)


def test_a_full_link_is_shared_between_the_road_and_its_ramp() -> None:
    road = [corridor(cells=10, next=1, onward=1.0), corridor(cells=10)]
    cells = Cells(Network(road))
    for step in range(720):
        cells.step(step * STEP_S, np.array([1800, 900]) / 3600 * STEP_S)
    late = cells.entered.copy(), cells.released.copy()
    for step in range(720, 1440):
        cells.step(step * STEP_S, np.array([1800, 900]) / 3600 * STEP_S)
    assert cells.entered[1] - late[0][1] == pytest.approx(1800, rel=0.001)
    assert cells.released[1] - late[1][1] == pytest.approx(0.25 * 1800, rel=0.01)


def test_who_leaves_before_the_next_link_is_not_in_it() -> None:
    road = [corridor(cells=10, next=1, onward=0.8), corridor(cells=10)]
    cells = Cells(Network(road))
    run(cells, 3600, inflow_pcu_h=1000)
    assert cells.entered[1] == pytest.approx(0.8 * cells.left[0])


@pytest.mark.parametrize(("cycle_s", "green_s"), [(90, 45), (60, 22), (75, 31)])
def test_a_signal_lets_through_its_share_of_the_capacity(cycle_s: float, green_s: float) -> None:
    cells = Cells(Network([corridor(cells=10, signal=Signal(cycle_s, green_s, 13))]))
    run(cells, 1800, inflow_pcu_h=1800)
    before = cells.left[0]
    run(cells, 4500, inflow_pcu_h=1800, start_s=1800)
    assert cells.left[0] - before == pytest.approx(1800 * 1.25 * green_s / cycle_s, rel=0.001)


def test_nothing_is_made_and_nothing_lost_in_any_mess() -> None:
    """Signals, ramps, exits, blocks and floods at random for two hours of overload."""
    chance = np.random.default_rng(3)
    links = [
        corridor(
            cells=int(chance.integers(3, 9)),
            station_cell=2,
            lanes=int(chance.integers(1, 4)),
            next=k + 1 if k % 5 != 4 else NOWHERE,
            onward=float(chance.uniform(0.5, 1)),
            signal=Signal(60, float(chance.uniform(20, 60)), 0) if k % 2 else None,
        )
        for k in range(25)
    ]
    cells = Cells(Network(links))
    came = np.zeros(25)
    for step in range(1440):
        if step % 60 == 0:
            cells.open_share[:] = chance.choice((0.0, 0.5, 1.0, 1.0), cells.pcu.size)
            cells.speed_share[:] = chance.choice((0.3, 1.0), 25)
            cells.exit_share[:] = chance.choice((0.0, 0.2, 1.0), 25)
        arriving = chance.poisson(3.0, 25).astype(float)
        came += arriving
        cells.step(step * STEP_S, arriving)
        assert cells.pcu.min() >= -1e-9
        assert (cells.pcu <= cells.network.jam_pcu + 1e-9).all()
    net = cells.network
    stays = np.zeros(25)
    stays[net.ahead] = cells.left[net.behind] * net.onward[net.behind]
    np.testing.assert_allclose(cells.entered, cells.released + stays, rtol=1e-9)
    np.testing.assert_allclose(cells.released + cells.waiting, came, rtol=1e-9)
    np.testing.assert_allclose(cells.entered - cells.left, cells.inside(), rtol=1e-6, atol=1e-6)
