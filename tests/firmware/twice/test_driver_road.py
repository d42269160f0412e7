"""Radar, Doppler modules, axle and presence sensors."""

from fieldnode.drivers import Driver, load
from fieldnode.drivers.axle import class_of_axles
from tests.firmware.twice.streams import broken, dribbled
from tests.firmware.twice.support import Draw, count_of


def rows_at(driver: Driver, uptime_ms: int) -> "list[tuple[int | None, ...]]":
    """Return all rows there are."""
    driver.poll(uptime_ms)
    rows: "list[tuple[int | None, ...]]" = []
    while True:
        row = driver.take(uptime_ms)
        if row is None:
            return rows
        rows.append(row[0])


def radar_frame(targets: "list[tuple[int, int, int]]") -> bytes:
    """Return a frame of (distance m, direction, km/h)."""
    body = b""
    if targets:
        body = bytes((len(targets), 1))
        for distance_m, direction, speed in targets:
            body += bytes((128, distance_m, direction, speed, 60))
    head = b"\xf4\xf3\xf2\xf1" + bytes((len(body), 0))
    return head + body + b"\xf8\xf7\xf6\xf5"


def test_the_radar_follows_vehicles_both_ways() -> None:
    driver = load("ld2451", "pv1", {})
    assert driver.line == (115200, 8, None, 1)
    for step in range(30):
        targets = [(10 + step * 2, 0, 72), (90 - step, 1, 36)]
        if step == 12:
            targets = targets[:1]  # hidden for a moment
        if step == 20:
            targets.append((50, 1, 200))  # a ghost
        for piece in dribbled(radar_frame(targets), Draw(step)):
            driver.feed(piece, 100 * step)
    assert rows_at(driver, 3000) == []
    driver.feed(radar_frame([]), 4000)
    assert sorted(row[:4] for row in rows_at(driver, 4000)) == [
        (360, None, 0, 1),
        (720, None, 0, 2),
    ]
    assert (driver.telegrams, driver.errors) == (2, 1)


def test_the_radar_takes_one_direction_where_told() -> None:
    driver = load("ld2451", "tl1", {"directions": 1})
    for step in range(10):
        driver.feed(radar_frame([(10 + step, 0, 36), (90 - step, 1, 36)]), 100 * step)
    row = rows_at(driver, 30_000)
    assert row == [(1, 1, None, 360, 360, None, None, None, None, None)]


def test_broken_radar_frames_make_no_vehicle() -> None:
    draw = Draw(42)
    for _ in range(count_of(20, 500)):
        driver = load("ld2451", "pv1", {})
        for step in range(8):
            frame = radar_frame([(90 - step, 1, 36)] if step else [(60, 1, 90), (80, 0, 50)])
            driver.feed(broken(frame, draw) if step in {0, 3, 5} else frame, 100 * step)
        rows = rows_at(driver, 3000)
        assert len(rows) == 1
        assert abs((rows[0][0] or 0) - 360) <= 34  # a damaged speed may be in it, near the others
    driver = load("ld2451", "pv1", {})
    for step in range(200):
        driver.feed(b"\xf4\xf3" + draw.bytes(30) + b"\xf4\xf3\xf2\xf1\xff\xff", 100 * step)
    assert rows_at(driver, 30_000) == []


def test_doppler_knows_the_speed() -> None:
    driver = load("doppler", "pv1", {})
    hertz_at_100 = 1950  # 2 · 27.78 m/s · 10.525 GHz / c
    for step in range(100):
        value = 0
        if 10 <= step < 30 and step != 15:
            value = hertz_at_100 * 1000
        elif 30 <= step < 40:
            value = hertz_at_100 * 400  # the next one, at 40 km/h, right behind
        elif step == 60:
            value = hertz_at_100 * 1000  # a spike
        driver.sample((value,), 50 * step)
    speeds = [row[0] for row in rows_at(driver, 5000)]
    assert len(speeds) == 2
    assert abs((speeds[0] or 0) - 1000) <= 2
    assert abs((speeds[1] or 0) - 400) <= 2
    assert driver.errors == 1
    slanted = load("doppler", "pv1", {"cosine": 866})
    for step in range(20):
        slanted.sample((1_688_700 if step < 10 else 0,), 50 * step)
    assert abs((rows_at(slanted, 1000)[0][0] or 0) - 1000) <= 2


def axle_edges(driver: Driver, start_us: int, speed_um_us: int, spacings_dm: "list[int]") -> int:
    """Drive over two sensors 2 m apart, with a bounce; return the time of the last axle."""
    hits = []
    at_um = 0
    for spacing_dm in [0] + spacings_dm:
        at_um += spacing_dm * 100_000
        first_us = start_us + at_um // speed_um_us
        hits += [(first_us, 0), (first_us + 2_000_000 // speed_um_us, 1)]
    for at_us, channel in sorted(hits):
        for level, after_us in ((1, 0), (0, 300), (1, 900), (0, 3000)):
            driver.edge(channel, level, at_us + after_us)
    return max(hits)[0]


def test_axles_make_classes() -> None:
    driver = load("axle", "pv1", {"distance_dm": 20})
    vehicles = ([13], [26], [59], [42], [36, 52, 13, 13], [45, 13], [27, 35], [59, 14])
    at_us = 0
    for spacings_dm in vehicles:
        at_us = 3_000_000 + axle_edges(driver, at_us, 15, spacings_dm)
    rows = rows_at(driver, at_us // 1000 + 5000)
    assert [row[2] for row in rows] == [1, 2, 3, 4, 5, 4, 2, 3]
    for row in rows:
        assert 535 <= (row[0] or 0) <= 545
        assert row[3] == 1
    assert driver.errors == 0


def test_axles_of_a_slow_truck_stay_together_and_two_cars_do_not() -> None:
    driver = load("axle", "pv1", {"distance_dm": 20})
    end_us = axle_edges(driver, 0, 2, [36, 52, 13])  # 7 km/h: 2.6 s between axles
    driver.poll(end_us // 1000 + 100)
    assert driver.take(0) is None
    for start_us in (20_000_000, 20_800_000):  # 0.8 s apart at 72 km/h: 16 m
        axle_edges(driver, start_us, 20, [26])
    assert [row[2] for row in rows_at(driver, 30_000)] == [5, 2, 2]


def test_an_axle_that_a_sensor_missed_still_counts_once() -> None:
    driver = load("axle", "tl1", {"distance_dm": 20})
    for at_ms, channel in ((0, 0), (100, 1), (150, 0)):
        driver.edge(channel, 1, at_ms * 1000)
    driver.edge(7, 1, 5)  # no such sensor
    assert rows_at(driver, 30_000) == [(1, 1, 0, None, None, 0, 0, 0, 0, 0)]
    assert driver.errors == 1
    for step in range(100):  # a sensor that rattles
        driver.edge(0, 1, 40_000_000 + 50_000 * step)
    assert driver.errors > 5
    assert class_of_axles([]) == 0


def test_a_presence_sensor_bridges_gaps() -> None:
    driver = load("axle", "tl1", {})
    # one vehicle with a gap, noise of 20 ms, and one that stays over the end of the interval
    for at_ms, level in ((0, 1), (500, 0), (700, 1), (900, 0), (5000, 1), (5020, 0), (29_000, 1)):
        driver.poll(at_ms)
        driver.edge(0, level, at_ms * 1000)
    assert rows_at(driver, 30_000)[0][:3] == (1, 1, 30)
    driver.edge(0, 0, 31_000_000)
    driver.edge(0, 0, 31_000_100)
    assert rows_at(driver, 60_000)[0][:3] == (1, 2, 67)
    assert (driver.telegrams, driver.errors) == (2, 1)
