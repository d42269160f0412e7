"""Traffic drivers scored: against generated vehicles, and against recordings of real ones."""

import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from fieldnode.drivers import Driver, load
from tests.faults import quick_or_soak
from tests.firmware import traffic_truth as truth
from tests.firmware.traffic_truth import Vehicle
from tests.firmware.twice.test_driver_road import radar_frame
from tests.shared import SHARED, needs_shared

Row = tuple[int | None, ...]
pytestmark = pytest.mark.timeout(900)


def _duration_s() -> int:
    return quick_or_soak(1200, 6 * 3600)


@dataclass
class _Seen:
    """Rows of a driver, added up."""

    rows: list[Row] = field(default_factory=list)
    ends_ms: list[int] = field(default_factory=list)

    def look(self, driver: Driver, uptime_ms: int) -> None:
        driver.poll(uptime_ms)
        while row := driver.take(uptime_ms):
            assert row[1] == 0
            self.rows.append(row[0])
            self.ends_ms.append(driver.at_ms)

    def total(self, column: int) -> int:
        return sum(row[column] or 0 for row in self.rows)

    def mean_speed(self) -> float:
        weighed = [(row[0] or 0, row[3]) for row in self.rows if row[3] is not None]
        return sum(n * speed for n, speed in weighed) / sum(n for n, _ in weighed)


def _mean_speed(vehicles: Sequence[Vehicle]) -> float:
    return 36 * sum(one.speed_m_s for one in vehicles) / len(vehicles)


def _occupancy(vehicles: Sequence[Vehicle], duration_s: float, zone_m: float) -> float:
    covered = sum((one.length_m + zone_m) / one.speed_m_s for one in vehicles)
    return covered / duration_s * 1000


def _report(name: str, seen: _Seen, vehicles: Sequence[Vehicle]) -> float:
    error = (seen.total(0) - len(vehicles)) / len(vehicles)
    sys.stdout.write(f"{name}: {seen.total(0)} of {len(vehicles)} vehicles, {error:+.2%}")
    if any(row[3] for row in seen.rows):
        speed = seen.mean_speed() / _mean_speed(vehicles) - 1
        sys.stdout.write(f", mean speed {speed:+.2%}")
    sys.stdout.write("\n")
    return abs(error)


def test_two_loops() -> None:
    rng = random.Random(51)
    duration_s = _duration_s()
    vehicles = truth.vehicles(rng, duration_s, 1100)
    driver, seen = load("loop", "tl1", {"distance_dm": 30}), _Seen()
    for now_ms, values in truth.loop_samples(rng, vehicles, duration_s, (0.0, 3.0)):
        driver.sample(values, now_ms)
        seen.look(driver, now_ms)
    seen.look(driver, duration_s * 1000)
    assert _report("loops", seen, vehicles) <= 0.005
    assert seen.mean_speed() == pytest.approx(_mean_speed(vehicles), rel=0.01)
    occupancy = seen.total(2) / len(seen.rows)
    assert occupancy == pytest.approx(_occupancy(vehicles, duration_s, 2.0), rel=0.05)
    kinds = Counter(one.kind for one in vehicles)
    kinds[truth.TRUCK] += kinds[truth.BUS]  # by its length a bus is a truck
    for kind, column in ((truth.MOTO, 5), (truth.CAR, 6), (truth.TRUCK, 8), (truth.LONG, 9)):
        assert abs(seen.total(column) - kinds[kind]) <= 0.02 * len(vehicles)


def test_one_loop() -> None:
    rng = random.Random(52)
    duration_s = _duration_s()
    vehicles = truth.vehicles(rng, duration_s, 1100)
    driver, seen = load("loop", "tl1"), _Seen()
    for now_ms, values in truth.loop_samples(rng, vehicles, duration_s, (0.0,)):
        driver.sample(values, now_ms)
        seen.look(driver, now_ms)
    seen.look(driver, duration_s * 1000)
    assert _report("one loop", seen, vehicles) <= 0.005


def test_magnetometer() -> None:
    rng = random.Random(53)
    duration_s = _duration_s()
    vehicles = truth.vehicles(rng, duration_s, 900)
    driver, seen = load("magneto", "tl1"), _Seen()
    for now_ms, values in truth.magnetic_samples(rng, vehicles, duration_s):
        driver.sample(values, now_ms)
        seen.look(driver, now_ms)
    seen.look(driver, duration_s * 1000)
    assert _report("magnetometer", seen, vehicles) <= 0.02


def test_doppler() -> None:
    rng = random.Random(54)
    duration_s = _duration_s()
    vehicles = truth.vehicles(rng, duration_s, 400)
    driver, seen = load("doppler", "tl1"), _Seen()
    for now_ms, values in truth.echo_samples(rng, vehicles, duration_s):
        driver.sample(values, now_ms)
        seen.look(driver, now_ms)
    seen.look(driver, duration_s * 1000)
    assert _report("Doppler", seen, vehicles) <= 0.10
    assert seen.mean_speed() == pytest.approx(_mean_speed(vehicles), rel=0.02)


@pytest.mark.parametrize("direction", [0, 1])
def test_radar(direction: int) -> None:
    rng = random.Random(55)
    duration_s = _duration_s()
    vehicles = truth.vehicles(rng, duration_s, 900)
    driver, seen = load("ld2451", "tl1"), _Seen()
    for now_ms, targets in truth.radar_targets(rng, vehicles, duration_s, direction):
        driver.feed(radar_frame(targets[:5]), now_ms)
        seen.look(driver, now_ms)
    seen.look(driver, duration_s * 1000)
    assert _report("radar", seen, vehicles) <= 0.02
    assert seen.mean_speed() == pytest.approx(_mean_speed(vehicles), rel=0.01)


def test_axles() -> None:
    rng = random.Random(56)
    duration_s = _duration_s()
    vehicles = truth.vehicles(rng, duration_s, 1100)
    driver, seen = load("axle", "tl1", {"distance_dm": 20}), _Seen()
    for at_us, channel in truth.axle_hits(rng, vehicles, 2.0):
        driver.poll(at_us // 1000)
        driver.edge(channel, 1, at_us)
        seen.look(driver, at_us // 1000)
    seen.look(driver, duration_s * 1000)
    assert _report("axles", seen, vehicles) <= 0.005
    assert seen.mean_speed() == pytest.approx(_mean_speed(vehicles), rel=0.01)
    kinds = Counter(one.kind for one in vehicles)
    for kind in kinds:
        assert abs(seen.total(4 + kind) - kinds[kind]) <= 0.005 * len(vehicles) + 1


# -- recordings ----------------------------------------------------------------------------------


def _moers() -> list[tuple[datetime, int, int]]:
    """Return time, km/h and direction of each vehicle of two days on a street."""
    assert SHARED is not None
    path = SHARED / "data/traffic/moers-radar/roemerstrasse-415_T30_2016-10-24.txt"
    found = []
    for line in path.read_text("latin-1").splitlines():
        time, _, speed, _, direction = line.strip().split(";")
        local = datetime.strptime(time, "%d.%m.%y %H:%M:%S").replace(tzinfo=UTC)
        found.append((local, int(speed), int(direction)))
    return found


@needs_shared
def test_radar_frames_of_recorded_vehicles_give_the_recorded_answers() -> None:
    assert SHARED is not None
    expected = json.loads((SHARED / "data/traffic/expected.json").read_text("utf-8"))["moers"]
    recorded = _moers()
    start = recorded[0][0].replace(minute=0, second=0)
    # Each vehicle is seen in four frames, 15 m behind the one before it.
    frames: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    places: Counter[int] = Counter()
    for time, speed, direction in recorded:
        places[direction] += 1
        behind = 15 * (places[direction] % 4)
        for step in range(4):
            gone = round(speed / 3.6 * step / 10)
            distance = 60 - behind + gone if direction == 0 else 40 + behind - gone
            at_ms = round((time - start).total_seconds() * 1000) + 100 * step
            frames[at_ms].append((distance, direction, speed))
    driver, seen = load("ld2451", "tl1", {"interval_s": 3600}), _Seen()
    for at_ms in sorted(frames):
        seen.look(driver, at_ms - 1)
        driver.feed(radar_frame(frames[at_ms]), at_ms)
    seen.look(driver, 48 * 3_600_000)
    assert seen.total(0) == driver.registers()[0] == expected["lines"]
    assert seen.mean_speed() / 10 == pytest.approx(expected["v_mean"], abs=0.01)
    by_hour = list(expected["hourly"].values())
    assert len(seen.rows) == len(by_hour)
    for row, (count, mean) in zip(seen.rows, by_hour, strict=True):
        # a vehicle counts 0.7 s after it was last seen, perhaps in the next hour
        assert abs((row[0] or 0) - count) <= 1
        assert row[3] == pytest.approx(mean * 10, rel=0.003)


@needs_shared
def test_v85_of_recorded_vehicles() -> None:
    assert SHARED is not None
    expected = json.loads((SHARED / "data/traffic/expected.json").read_text("utf-8"))["moers"]
    for direction in (0, 1):
        want = expected["2016-10-25T07_dir"][str(direction)]
        speeds = [
            speed
            for time, speed, its in _moers()
            if (time.day, time.hour, its) == (25, 7, direction)
        ]
        driver, seen = load("ld2451", "tl1", {"interval_s": 86_400}), _Seen()
        for number, speed in enumerate(speeds):
            for step in range(4):
                place = 50 + round(speed / 3.6 * step / 10) * (1 - 2 * direction)
                driver.feed(radar_frame([(place, direction, speed)]), 3000 * number + 100 * step)
        seen.look(driver, 86_400_000)
        count, mean, v85 = seen.rows[0][0], seen.rows[0][3], seen.rows[0][4]
        assert (count, v85) == (want["q_veh_h"], want["v85"] * 10)
        assert mean == pytest.approx(want["tms"] * 10, abs=0.51)


@needs_shared
def test_contacts_of_loop_cards_give_the_agency_s_bins() -> None:
    assert SHARED is not None
    folder = SHARED / "data/traffic/udot-atspm"
    events = json.loads((folder / "CalculateTotalVolumesTestData1.json").read_text("utf-8"))
    expected = json.loads((folder / "expected_volumes.json").read_text("utf-8"))
    start = datetime.fromisoformat(expected["bins"][0][0])
    for approach, column in ((0, 1), (1, 2)):
        hits = defaultdict(list)
        for segment in events["Input"][approach]["Segments"]:
            for event in segment["DetectorEvents"]:
                at = datetime.fromisoformat(event["Timestamp"])
                hits[event["DetectorChannel"]].append(round((at - start).total_seconds() * 1000))
        bins = [0] * len(expected["bins"])
        for times in hits.values():
            options = {"interval_s": 900, "gap_ms": 0, "min_ms": 0}
            driver, seen = load("axle", "tl1", dict(options)), _Seen()
            for at_ms in sorted(times):
                seen.look(driver, at_ms)
                driver.edge(0, 1, at_ms * 1000)
                driver.edge(0, 0, at_ms * 1000 + 500)
            seen.look(driver, 900_000 * len(bins))
            for row, end_ms in zip(seen.rows, seen.ends_ms, strict=True):
                bins[end_ms // 900_000 - 1] += row[0] or 0
        assert bins == [line[column] for line in expected["bins"]]
