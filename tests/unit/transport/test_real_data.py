"""Bins on recordings nobody here made (../shared/data; its README says what each is)."""

import csv
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from gateway.config.sections import MappingTime
from gateway.decode.instants import compile_time
from gateway.errors import RejectedError
from gateway.model import FloatArray, IntArray, Quality
from gateway.transport import aggregate
from gateway.transport.placing import Grid, place
from gateway.transport.series import BIN_MS, Method, Vehicles, Window
from tests.readings import NAN, PROFILES, Given, decoded
from tests.shared import SHARED, needs_shared
from tests.unit.transport.rig import POLICY, window_of

pytestmark = needs_shared

DATA = (SHARED or Path()) / "data" / "traffic"
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
RULES = POLICY.bins
BLANK = [NAN] * 9  # the other columns of tl1


def utc_ms(text: str, layout: str = "%Y-%m-%d %H:%M:%S") -> int:
    """Return a wall time as if it were UTC: these recordings have no zone."""
    return round(datetime.strptime(text, layout).replace(tzinfo=UTC).timestamp() * 1000)


def expected(name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((DATA / "expected.json").read_text())[name]
    return found


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def placed(rows: list[tuple[int, float]], interval_ms: int) -> Window:
    """Return counts, with the begin of their intervals, as a window of one lane."""
    times = [time_ms for time_ms, _ in rows]
    start_ms = min(times) // interval_ms * interval_ms
    slots = (max(times) - start_ms) // interval_ms + 1
    given = [Given([count, *BLANK], time_ms + interval_ms) for time_ms, count in rows]
    grid = Grid(np.array([0]), start_ms, interval_ms, slots)
    return place(grid, [(PROFILES["tl1"], decoded("tl1", *given).readings)])


# -- Moers: a radar that reports each vehicle --


def moers(direction: int) -> Vehicles:
    (file,) = (DATA / "moers-radar").glob("roemer*.txt")
    lines = [line.strip().split(";") for line in file.read_text("latin-1").splitlines() if line]
    ours = [line for line in lines if int(line[4]) == direction]
    ones = np.ones(len(ours), np.int64)
    return Vehicles(
        ones,
        np.array([utc_ms(line[0], "%d.%m.%y %H:%M:%S") for line in ours]),
        np.array([float(line[2]) for line in ours]),
        np.array([float(line[3]) for line in ours]),
        ones,
        ones,
        np.full(len(ours), NAN),
        np.full(len(ours), NAN),
        ones,
    )


@pytest.mark.parametrize(
    ("direction", "flow", "time_mean", "space_mean", "v85"),
    [(1, 346, 28.0462, 27.3016, 32.0), (0, 146, 26.4863, 25.8486, 30.0)],
)
def test_the_morning_hour_of_moers(
    direction: int, flow: int, time_mean: float, space_mean: float, v85: float
) -> None:
    span = (utc_ms("2016-10-25 07:00:00"), HOUR_MS, 1)
    found = aggregate.bins_of_vehicles(moers(direction), np.array([1]), span, RULES)
    assert found.flow_veh_h()[0, 0] == flow
    assert round(found.speed_kmh[0, 0], 4) == time_mean
    assert round(found.space_kmh[0, 0], 4) == space_mean
    assert found.v85_kmh[0, 0] == v85
    density = aggregate.density_veh_km(found)[0, 0]
    assert density == pytest.approx(flow / space_mean, abs=1e-4)
    if direction == 1:
        assert round(density, 2) == 12.67


def test_every_vehicle_of_moers_is_in_exactly_one_bin() -> None:
    start_ms = utc_ms("2016-10-24 00:00:00")
    both = [
        aggregate.bins_of_vehicles(
            moers(one), np.array([1]), (start_ms, BIN_MS, 3 * DAY_MS // BIN_MS), RULES
        )
        for one in (0, 1)
    ]
    days = [aggregate.coarser(one, DAY_MS, RULES).count[0] for one in both]
    assert (days[0] + days[1]).tolist() == list(expected("moers")["daily"].values())  # type: ignore[attr-defined]


# -- PeMS: five minutes of one lane, one row of which nobody measured --


@pytest.mark.parametrize("name", ["train", "test"])
def test_the_row_of_pems_that_nobody_measured_is_never_good(name: str) -> None:
    rows = rows_of(DATA / "pems-lane" / f"{name}.csv")
    flow, share = "Lane 1 Flow (Veh/5 Minutes)", "% Observed"
    times = [utc_ms(row["5 Minutes"], "%d/%m/%Y %H:%M") for row in rows]
    window = placed([(at, float(row[flow])) for at, row in zip(times, rows, strict=True)], BIN_MS)
    slots = (np.array(times) - window.start_ms) // BIN_MS
    shares = np.array([float(row[share]) / 100 for row in rows])
    window.quality[0, slots] = aggregate.grade_of_observed(shares, RULES)
    found = aggregate.bins(window, BIN_MS, RULES)

    truth = expected(f"pems_{name}")
    assert np.nansum(found.count) == truth["total_flow"]
    assert Counter(found.quality[0].tolist())[int(Quality.IMPUTED)] == truth["not_100"]
    for slot in slots[shares == 0].tolist():
        assert found.quality[0, slot] == Quality.IMPUTED
        assert found.method[0, slot] == Method.FOREIGN
        assert not found.is_observed()[0, slot]
    # a 5-minute bin of all lanes of a freeway may be more than a lane can carry in 30 s; not here
    assert int(found.is_observed().sum()) == truth["n"] - truth["not_100"]  # type: ignore[operator]


# -- I-94: hours that come several times, once for each kind of weather --


def test_hours_of_i94_that_come_twice_count_once() -> None:
    rows = rows_of(DATA / "metro-i94" / "Metro_Interstate_Traffic_Volume_2018-04.csv")
    pairs = [(utc_ms(row["date_time"]), float(row["traffic_volume"])) for row in rows]
    assert len(pairs) == 902
    assert sum(count for _, count in pairs) == 2_791_984
    window = placed(pairs, HOUR_MS)
    assert window.slots == 720
    assert window.is_present().all()
    assert window.count.sum() == 2_374_009


# -- Fremont: local time with summer time --


def test_hours_of_fremont_that_do_not_exist_are_no_outage() -> None:
    zone = "America/Los_Angeles"
    read = compile_time(MappingTime(path="t", format="%m/%d/%Y %I:%M:%S %p", zone=zone))
    kept: list[tuple[int, float]] = []
    rejected: list[str] = []
    for row in rows_of(DATA / "fremont" / "FremontBridge_2012-10_2017-05.csv"):
        text = row["Fremont Bridge West Sidewalk"]
        try:
            at_ms = read(row["Date"], 0, kept[-1][0] if kept else 0)
        except RejectedError:
            rejected.append(row["Date"])
            continue
        kept.append((at_ms, float(text) if text else NAN))
    # the springs of five years; those of 2013 and 2017 are in the file with a count of zero
    assert [day.split()[0] for day in rejected] == [
        *("03/10/2013", "03/09/2014", "03/08/2015", "03/13/2016", "03/12/2017")
    ]
    nulls = [str(one) for one in expected("fremont")["null_ts"]]  # type: ignore[attr-defined]
    wall = {f"{day[6:10]}-{day[:2]}-{day[3:5]} 02:00:00" for day in rejected}
    assert len(wall & set(nulls)) == 3
    window = placed(kept, HOUR_MS)
    found = aggregate.bins(window, HOUR_MS, RULES)
    is_outage = window.is_present() & ~np.isfinite(window.count)
    assert int(is_outage.sum()) == 4
    assert (found.method[is_outage] == int(Method.NOTHING)).all()
    assert np.nansum(found.count) == expected("fremont")["total_w"]


# -- UDOT: activations of signal detectors --


def test_activations_of_a_signal_make_the_bins_of_its_agency() -> None:
    file = DATA / "udot-atspm" / "CalculateTotalVolumesTestData1.json"
    times = [
        round(datetime.fromisoformat(f"{event['Timestamp']}+00:00").timestamp() * 1000)
        for approach in json.loads(file.read_text())["Input"]
        for segment in approach["Segments"]
        for event in segment["DetectorEvents"]
    ]
    many: IntArray = np.ones(len(times), np.int64)
    blank: FloatArray = np.full(len(times), NAN)
    seen = Vehicles(many, np.array(times), blank, blank, many, many, blank, blank, many)
    start_ms = utc_ms("2023-04-17 08:00:00")
    found = aggregate.bins_of_vehicles(seen, np.array([1]), (start_ms, 900_000, 9), RULES)
    assert found.count[0].tolist() == [751, 830, 693, 757, 687, 611, 702, 712, 4]
    assert np.isnan(found.speed_kmh).all()  # a loop at a stop line knows no speed


def test_a_window_without_rows_is_no_recording() -> None:
    assert not np.isfinite(aggregate.bins(window_of([[NAN] * 10]), BIN_MS, RULES).count).any()
