"""What detectors say must agree with itself, with the vehicles, and with the profiles."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from simulators.city.frame import NULL, Ints, Readings
from simulators.road.layout import build
from simulators.road.sensors import Loops
from simulators.road.sky import Sky
from simulators.road.traffic import WINDOW_MS, Traffic
from simulators.road.world import Road

HOUR_MS = 3_600_000
MONDAY_MS = 1_795_305_600_000 + 86_400_000 - 7 * HOUR_MS  # local midnight
PROFILES = Path(__file__).resolve().parents[3] / "gateway" / "profiles"
LENGTH_M = (1.9, 4.5, 11.0, 8.0, 15.0)


def run(road: Road, from_h: float, to_h: float) -> dict[str, Readings]:
    start, end = (MONDAY_MS + round(h * HOUR_MS) for h in (from_h, to_h))
    return {r.profile: r for r in road.step(start, end).readings}


@pytest.fixture(scope="module")
def morning() -> dict[str, Readings]:
    return run(Road(1, 100), 6.5, 8.5)


def lanes(readings: Readings) -> Ints:
    """windows × loops × columns"""
    size = len(readings.names)
    assert (readings.device.reshape(-1, size) == np.arange(size)).all()
    return readings.values.reshape(-1, size, readings.values.shape[1])


def test_every_value_fits_its_profile(morning: dict[str, Readings]) -> None:
    assert set(morning) == {"tl1", "pv1", "etc1", "wim1", "env1"}
    for name, readings in morning.items():
        profile = tomllib.loads((PROFILES / f"{name}.toml").read_text())
        columns = profile["column"]
        assert readings.values.shape[1] == len(columns)
        assert readings.values.shape[0] > 0
        for k, column in enumerate(columns):
            present = readings.values[:, k][readings.values[:, k] != NULL]
            scaled = present * column.get("scale", 1)
            assert scaled.min() >= column["min"], (name, column["name"])
            assert scaled.max() <= column["max"], (name, column["name"])
            if column["kind"] == "code" and "codes" in column:
                assert {str(v) for v in present} <= set(column["codes"])


def test_rows_are_in_order_of_time_and_on_the_grid(morning: dict[str, Readings]) -> None:
    for name, readings in morning.items():
        assert (np.diff(readings.at_ms) >= 0).all()
        assert readings.at_ms.min() >= MONDAY_MS + 6.5 * HOUR_MS
        grid_ms = {"tl1": 30_000, "env1": 600_000}.get(name, 1)
        assert (readings.at_ms % grid_ms == 0).all()


def test_classes_sum_to_the_count_and_counts_to_the_register(morning: dict[str, Readings]) -> None:
    values = lanes(morning["tl1"])
    assert (values[..., 5:].sum(axis=2) == values[..., 0]).all()
    assert (np.diff(values[..., 1], axis=0) == values[1:, :, 0]).all()


def test_occupancy_is_what_the_vehicles_cover(morning: dict[str, Readings]) -> None:
    """With traffic moving, count × (length + 2 m) / speed; riders abreast cover it together."""
    values = lanes(morning["tl1"])[:, :30]  # an expressway, without motorcycles
    moving = (values[..., 0] > 3) & (values[..., 3] > 600)
    covered_m = (values[..., 5:] * (np.array(LENGTH_M) + 2)).sum(axis=2)
    expected = covered_m[moving] / (values[..., 3][moving] / 36) / 30 * 1000
    assert values[..., 2][moving].sum() == pytest.approx(expected.sum(), rel=0.05)
    nobody = values[..., 0] == 0
    assert (values[nobody][:, 3:5] == NULL).all()
    assert (values[~nobody][:, 3] != NULL).all()
    assert (values[~nobody][:, 2] > 0).all()


def test_v85_is_above_the_mean_and_one_vehicle_has_one_speed(morning: dict[str, Readings]) -> None:
    values = lanes(morning["tl1"])
    one, many = values[..., 0] == 1, values[..., 0] > 8
    assert (values[one][:, 3] == values[one][:, 4]).all()
    # one fast rider behind a queue of crawlers lifts the mean only
    assert (values[many][:, 4] >= values[many][:, 3]).mean() > 0.99


def test_the_rush_hour_is_denser_and_slower_than_the_night() -> None:
    road = Road(1, 20)
    night, day = run(road, 2, 3), run(road, 7, 8)
    urban = slice(10, 20)
    rush, calm = lanes(day["tl1"])[:, urban], lanes(night["tl1"])[:, urban]
    assert rush[..., 0].sum() > 8 * calm[..., 0].sum()
    assert rush[..., 5].sum() > 0.7 * rush[..., 0].sum()  # motorcycles
    speed = [np.mean(v[..., 3][v[..., 3] != NULL]) for v in (rush, calm)]
    assert speed[0] < 0.95 * speed[1]


def test_a_loop_under_a_standing_vehicle_is_covered_until_it_goes() -> None:
    layout = build(1, 1)  # one urban lane
    traffic, loops = Traffic(layout.network, 1), Loops(layout)
    occupancy, counts = [], []
    for k in range(60):
        traffic.cells.exit_share[0] = 0.0 if 20 <= k < 40 else 1.0
        window = traffic.window(MONDAY_MS + 7 * HOUR_MS + k * WINDOW_MS)
        bins = loops.bins(window, loops.hits(window), np.zeros(1))
        occupancy.append(float(bins.occupancy[0]))
        counts.append(int(bins.counts[0].sum()))
    assert max(counts[32:40]) <= 2  # the queue stands over the loop
    standing = [o for o, n in zip(occupancy[32:40], counts[32:40], strict=True) if n == 0]
    assert standing
    assert set(standing[1:]) <= {0.0, 1.0}  # somebody stands on it, or over the gap nobody
    assert sum(counts[40:46]) > 40  # and goes off at once
    assert max(occupancy[46:]) < 1.0


def test_radars_see_the_vehicles_that_the_loops_count(morning: dict[str, Readings]) -> None:
    radar, loops = morning["pv1"], morning["tl1"]
    values = lanes(loops)
    for k, name in enumerate(radar.names):
        if "gate" in name:
            continue
        section = name.removeprefix("radar-")
        here = [i for i, n in enumerate(loops.names) if n.startswith(f"loop-{section}-")]
        mine = radar.values[radar.device == k]
        assert mine.shape[0] == values[:, here, 0].sum()
        for lane, loop in enumerate(here):
            of_lane = mine[mine[:, 6] == lane + 1]
            assert of_lane.shape[0] == values[:, loop, 0].sum()
            classes = np.bincount(of_lane[:, 2], minlength=6)[1:]
            assert (classes == values[:, loop, 5:].sum(axis=0)).all()
        assert (mine[:, 3] == 1).all()


def test_gaps_are_from_rear_to_front_in_the_same_lane(morning: dict[str, Readings]) -> None:
    radar = morning["pv1"]
    checked = 0
    for k in range(len(radar.names)):
        for lane in range(1, 4):
            mine = (radar.device == k) & (radar.values[:, 6] == lane)
            at_ms, rows = radar.at_ms[mine], radar.values[mine]
            rear_ms = at_ms[:-1] + rows[:-1, 5]
            expected = np.maximum(at_ms[1:] - rear_ms, 0)
            assert (rows[1:, 4] == expected).all()  # also over the ends of windows
            checked += expected.size
    assert checked > 1000


def test_toll_lanes_pass_whoever_leaves_their_link(morning: dict[str, Readings]) -> None:
    tolls = morning["etc1"].values
    assert (np.bincount(morning["etc1"].device) > 100).all()  # all lanes are used
    share = np.bincount(tolls[:, 0], minlength=6) / tolls.shape[0]
    assert share[0] == pytest.approx(0.965, abs=0.01)
    assert share[4] == pytest.approx(0.008, abs=0.004)
    unread = np.isin(tolls[:, 0], (2, 4, 5))
    assert (tolls[unread][:, 5] == NULL).all()
    assert (tolls[~unread][:, 5] >= 0).all()
    assert np.unique(tolls[~unread][:, 5]).size == (~unread).sum()  # a tag passes once


def test_axles_sum_to_the_gross_weight_and_healthy_trucks_are_legal(
    morning: dict[str, Readings],
) -> None:
    rows = morning["wim1"].values
    axles = np.where(rows[:, 2:8] == NULL, 0, rows[:, 2:8])
    assert (axles.sum(axis=1) == rows[:, 0]).all()
    assert ((axles > 0).sum(axis=1) == rows[:, 1]).all()
    assert axles.max() < 10_000
    assert set(rows[:, 10]) <= {3, 4, 5}


def test_rain_is_a_register_and_the_air_is_that_of_the_city() -> None:
    sky = Sky(build(3, 30), 3)
    values = np.stack([sky.rows(MONDAY_MS + k * 600_000).values for k in range(10 * 144)])
    for mine in values.transpose(1, 0, 2):
        assert (np.diff(mine[:, 0]) % 100_000 >= 0).all()
        fallen = (np.diff(mine[:, 0]) % 100_000).sum()
        assert fallen > 10
        assert fallen == pytest.approx(mine[1:, 1].sum() / 6, rel=0.02, abs=20)
        assert (mine[:, 2] < 0).all()  # no water on the road
        assert 150 < mine[:, 3].mean() < 300


def test_rain_begins_again_where_the_profile_says() -> None:
    column = tomllib.loads((PROFILES / "env1.toml").read_text())["column"][0]
    sky = Sky(build(1, 20), 1)
    before = sky.rows(0).values[:, 0]
    steps, most = 0, round(column["rollover"] / column["scale"])
    sky.more_rain_mm_h[:] = 60_000.0  # 10 m in ten minutes
    while (rain := sky.rows(0).values[:, 0]).min() > before.min():
        assert rain.max() < most
        before, steps = rain, steps + 1
    assert steps >= 9  # never before 100 m, from at most 5 m on


@pytest.mark.parametrize("count", [1, 2, 3, 5, 12, 58, 101, 500])
def test_a_city_has_exactly_the_lanes_it_was_asked_for(count: int) -> None:
    layout = build(1, count)
    names = [name for s in layout.stations for name in s.loops]
    assert len(names) == len(set(names)) == count
    assert [s.first_loop for s in layout.stations] == list(
        np.cumsum([0, *(len(s.loops) for s in layout.stations)])[:-1]
    )
    for station, link in zip(layout.stations, layout.network.links, strict=True):
        assert len(station.loops) in {0, link.lanes}
        assert link.lanes <= 3
