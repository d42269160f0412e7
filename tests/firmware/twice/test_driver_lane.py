"""Rows of a lane, and the drivers that see a vehicle as a bump: loops and magnetometer."""

from fieldnode.drivers import Driver, load
from fieldnode.drivers.lane import BUS, BY_AXLES, BY_LENGTH, NO_CLASS, Lane, class_of_length
from tests.firmware.twice.support import Draw, raises


def test_an_interval_counts_everything() -> None:
    road = Lane("tl1", BY_AXLES, {"interval_s": 30}, (4_294_967_290,))
    for number in range(20):
        road.covered(450_000)
        road.passed(1000 * number, 450, 400 + 10 * number, None, 1 + number % 5)
    road.passed(29_000, None, 9000)  # impossible: a vehicle without speed
    assert road.take(29_999) is None
    # the 17th of 20 speeds, 40.0 … 59.0 km/h, is the 85th percentile
    assert road.take(30_004) == ((21, 15, 300, 495, 560, 4, 4, 4, 4, 4), 0)
    assert road.at_ms == 30_000
    assert road.take(59_999) is None
    assert road.take(125_000) == ((0, 15, 0, None, None, 0, 0, 0, 0, 0), 0)
    assert road.at_ms == 120_000


def test_classes_that_a_detector_cannot_tell_are_empty() -> None:
    road = Lane("tl1", NO_CLASS, {}, ())
    road.passed(1, 300)
    assert road.take(30_000) == ((1, 1, 0, None, None, None, None, None, None, None), 0)
    road = Lane("tl1", BY_LENGTH, {}, ())
    for length_dm in (20, 45, 60, 120, 131, 165):
        road.passed(1, 300, 500, length_dm)
    assert road.take(30_000) == ((6, 6, 0, 500, 500, 1, 2, None, 1, 2), 0)
    assert BUS not in [class_of_length(length_dm) for length_dm in range(600)]


def test_what_a_faulty_detector_says_is_not_valid() -> None:
    road = Lane("tl1", NO_CLASS, {}, ())
    road.is_faulty = True
    assert road.take(30_000)[1] == 4  # type: ignore[index]
    assert road.take(60_000)[1] == 0  # type: ignore[index]


def test_single_vehicles_wait_in_a_bounded_queue() -> None:
    road = Lane("pv1", BY_LENGTH, {"lane": 2}, ())
    for number in range(20):
        road.passed(2000 * number, 500, 300 + number, 45, direction=1)
    assert (road.lost, road.count) == (4, 20)
    rows = []
    while True:
        row = road.take(99_999)
        if row is None:
            break
        rows.append((road.at_ms, row))
    assert len(rows) == 16
    assert rows[0] == (8000, ((304, 45, 2, 1, 1500, 500, 2), 0))


def test_options_are_checked() -> None:
    for name in ("loop", "magneto", "doppler", "ld2451", "axle"):
        assert raises(ValueError, load, name, "em1") == "profile"
        assert raises(ValueError, load, name, "tl1", {"interval_s": 0}).startswith("options: ")
        assert raises(ValueError, load, name, "pv1", {"lane": 33}).startswith("options: ")
        assert load(name, "tl1", {}, (7,)).registers() == (7,)
    for name, options in (
        ("loop", {"distance_dm": -1}),
        ("magneto", {"on": 1}),
        ("doppler", {"cosine": 0}),
        ("ld2451", {"directions": 4}),
        ("axle", {"distance_dm": 101}),
    ):
        assert raises(ValueError, load, name, "tl1", options).startswith("options: ")


BASE_MHZ = 60_000_000


def covered_ppm(at_us: int, front_us: int, speed_um_us: int, length_um: int, peak: int) -> int:
    """Return what a vehicle does to a loop of 2 m that its front reaches at ``front_us``."""
    gone_um = (at_us - front_us) * speed_um_us
    over_um = min(gone_um, 2_000_000) - max(gone_um - length_um, 0)
    return max(0, min(2_000_000, over_um)) * peak // 2_000_000


def drive(driver: Driver, vehicles: "list[tuple[int, int, int, int]]", end_ms: int) -> None:
    """Let vehicles (front at µs, µm/µs, length µm, peak ppm) pass two loops 3 m apart."""
    for now_ms in range(0, end_ms, 10):
        values = []
        for first_um in (0, 3_000_000):
            ppm = 0
            for front_us, speed, length_um, peak in vehicles:
                at_us = front_us + (
                    first_um // speed if speed > 0 else (first_um - 3_000_000) // speed
                )
                ppm += covered_ppm(1000 * now_ms, at_us, abs(speed), length_um, peak)
            values.append(BASE_MHZ + BASE_MHZ // 1_000_000 * ppm)
        driver.sample(tuple(values), now_ms)


def test_two_loops_measure_speed_length_and_direction() -> None:
    driver = load("loop", "pv1", {"distance_dm": 30, "lane": 1})
    drive(
        driver,
        [
            (1_000_000, 20, 4_500_000, 12_000),  # a car of 4.5 m at 72 km/h
            (3_000_000, 10, 2_000_000, 1500),  # a motorcycle at 36 km/h
            (5_000_000, -15, 12_000_000, 6000),  # a bus against the traffic at 54 km/h
        ],
        8000,
    )
    for want in ((720, 45, 2, 1), (360, 20, 1, 1), (540, 120, 4, 2)):
        taken = driver.take(8000)
        assert taken is not None
        row = taken[0]
        assert abs((row[0] or 0) - want[0]) <= want[0] // 50, (row, want)
        assert abs((row[1] or 0) - want[1]) <= 3, (row, want)
        assert row[2:4] == want[2:]
    assert driver.take(8000) is None
    assert (driver.telegrams, driver.errors) == (3, 0)


def test_a_vehicle_that_one_loop_missed_counts_without_speed() -> None:
    driver = load("loop", "tl1", {"distance_dm": 30})
    for now_ms in range(0, 30_010, 10):
        is_there = 1000 <= now_ms < 1300
        driver.sample((BASE_MHZ + 600_000 * is_there, BASE_MHZ), now_ms)
    row = driver.take(30_010)
    assert row is not None
    assert row[0][:4] == (1, 1, 10, None)


def test_a_broken_loop_and_one_that_is_locked_on() -> None:
    driver = load("loop", "tl1", {"lock_s": 20})
    rows = []
    for now_ms in range(0, 120_010, 10):
        if now_ms < 1000:
            value = 0  # the wire is cut
        elif now_ms < 40_000:
            value = BASE_MHZ
        else:
            value = BASE_MHZ + 3_000_000  # someone parks here, or the loop is out of tune
        driver.sample((value,), now_ms)
        row = driver.take(now_ms)
        if row:
            rows.append((row[0][0], row[0][2], row[1]))
    assert rows == [(0, 0, 4), (0, 667, 4), (0, 0, 0), (0, 0, 0)]
    assert driver.errors > 0


def test_the_baseline_follows_the_temperature() -> None:
    driver = load("loop", "tl1", {"interval_s": 600})
    for now_ms in range(0, 600_010, 10):
        driver.sample((BASE_MHZ + now_ms * 5,), now_ms)  # 0.5 % in ten minutes
    row = driver.take(600_010)
    assert row is not None
    assert row[0][0] == 0


def test_a_magnetometer_counts_a_vehicle_with_two_bumps_once() -> None:
    draw = Draw(41)
    driver = load("magneto", "tl1", {})
    for now_ms in range(0, 30_020, 20):
        bump = 0
        for start_ms in (2000, 6000, 9000):
            if start_ms <= now_ms < start_ms + 200 or start_ms + 300 <= now_ms < start_ms + 500:
                bump = 150
        drift = now_ms // 500
        noise = draw(9) - 4
        driver.sample((200 + bump + noise, -310 + drift, 420 - bump // 2 - noise), now_ms)
    row = driver.take(30_020)
    assert row is not None
    assert row[0][:2] == (3, 3)
    assert 45 <= (row[0][2] or 0) <= 55  # 3 × 0.5 s of 30 s
    assert driver.registers() == (3,)


def test_a_magnetometer_at_its_end_or_turned_round() -> None:
    driver = load("magneto", "tl1", {"lock_s": 5})
    for now_ms in range(0, 30_020, 20):
        driver.sample((40_000 if now_ms < 100 else 200, 0, 0 if now_ms < 9000 else 500), now_ms)
    assert driver.take(30_020)[1] == 4  # type: ignore[index]
    for now_ms in range(30_020, 60_020, 20):
        driver.sample((200, 0, 500), now_ms)
    assert driver.take(60_020) == ((0, 0, 0) + (None,) * 7, 0)
