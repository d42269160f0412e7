"""Intervals out of files through the engine: bills, corrections, exports, no word of silence."""

import csv
import io
import xml.etree.ElementTree as ET
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.bills.exports import Exports, Shelf
from gateway.energy.engine.days.pieces import month_of
from gateway.history import Flag, Row, Series
from gateway.history.espi import read_espi
from gateway.history.nem import read_nem
from gateway.registry import Registry
from gateway.registry.entries import RegistryFile
from gateway.store import StoreReader
from gateway.store.derived import DerivedReader
from tests.shared import SHARED, needs_shared
from tests.unit.energy.archive import Archive
from tests.unit.energy.desk import POLICIES, PROFILES, SLOTS
from tests.unit.energy.rig import HALF_HOUR_MS, MONDAY_MS

METERS = Path() if SHARED is None else SHARED / "data" / "meters"
MARKET = timedelta(hours=10)
FILES = sorted(METERS.glob("nem12/*NEM12*.csv")) + sorted(METERS.glob("nem12/*Western*.csv"))
HANOI_MS = 7 * 3_600_000
DAY = MONDAY_MS // DAY_MS + 1  # the local day that begins there
ESPI = "{http://naesb.org/espi}"


def series_of(
    used: list[int],
    flags: list[Flag] | None = None,
    length_min: int = 30,
    begin_ms: int = MONDAY_MS,
) -> Series:
    rows = []
    for k, value in enumerate(used):
        flag = Flag.ACTUAL if flags is None else flags[k]
        end_ms = begin_ms + (k + 1) * length_min * 60_000
        told = None if flag is Flag.NO_DATA else value
        rows.append(
            Row(k + 1, end_ms, [told, None, None, None, length_min * 60, int(flag)], flag.status)
        )
    return Series("nem-1-e1", "ei1", rows, length_min * 60_000)


def archive(folder: Path, names: tuple[str, ...] = ("nem-1-e1",)) -> Archive:
    """Return one whose moment is five days after the Monday that histories begin with."""
    made = Archive(folder, names)
    made.utility.at(5 * SLOTS)
    return made


def lines(of: Archive, series: str) -> dict[tuple[str, int], Any]:
    return {
        (one.place.removeprefix("device:"), one.from_ms): msgspec.json.decode(one.body)
        for one in of.utility.lines(series)
    }


def use(k: int) -> int:
    """Return thousandths of a Wh: no two neighbours alike, no spike."""
    return 200_000 + 10_000 * (k % 7) + 1_003 * (k % 5)


def test_a_day_out_of_a_file_becomes_slots_and_a_bill(tmp_path: Path) -> None:
    desk = archive(tmp_path)
    used = [use(k) for k in range(SLOTS)]
    desk.take(series_of(used))
    desk.utility.go(60)
    body = lines(desk, "intervals")["nem-1-e1", MONDAY_MS]
    assert body["import_wh"] == [value / 1000 for value in used]
    assert body["method"] == [["backlog", SLOTS]]
    assert body["register_begin_wh"] is None
    day = lines(desk, "days")["nem-1-e1", MONDAY_MS]
    assert day["import_wh"] == sum(used) / 1000
    assert sum(day["by_rate_wh"].values()) == pytest.approx(sum(used) / 1000, abs=0.002)
    assert day["demand_w"] == 2 * max(used) / 1000
    assert day["is_billing_ready"]
    assert not lines(desk, "lineage")


def test_hours_are_billed_in_halves_each_with_its_story(tmp_path: Path) -> None:
    desk = archive(tmp_path)
    used = [use(k) + 1 for k in range(24)]
    desk.take(series_of(used, length_min=60))
    desk.utility.go(60)
    body = lines(desk, "intervals")["nem-1-e1", MONDAY_MS]
    halves = [half / 1000 for value in used for half in (value // 2, value - value // 2)]
    assert body["import_wh"] == halves
    assert body["method"] == [["split", SLOTS]]
    assert body["quality"] == [["estimated_flat", SLOTS]]
    told = lines(desk, "lineage")
    assert len(told) == SLOTS
    (change,) = told["nem-1-e1", MONDAY_MS]["changes"]
    assert (change["old_rule"], change["rule"], change["new_wh"]) == (None, "split", halves[0])
    assert "longer interval" in change["why"]
    day = lines(desk, "days")["nem-1-e1", MONDAY_MS]
    assert day["import_wh"] == sum(used) / 1000
    assert day["is_billing_ready"]
    assert day["demand_w"] == pytest.approx(max(used) / 1000, abs=0.002)  # the hour's mean


def test_hours_that_begin_at_half_past_belong_to_two_days_at_midnight(tmp_path: Path) -> None:
    """24 hours from 23:30 on: half of the first is Sunday's, 23 and a half hours are Monday's."""
    desk = archive(tmp_path)
    used = [use(k) * 2 for k in range(24)]
    desk.take(series_of(used, length_min=60, begin_ms=MONDAY_MS - HALF_HOUR_MS))
    desk.utility.go(60)
    days = lines(desk, "days")
    assert days["nem-1-e1", MONDAY_MS - DAY_MS]["import_wh"] == used[0] / 2000
    assert days["nem-1-e1", MONDAY_MS]["import_wh"] == (sum(used) - used[0] // 2) / 1000
    assert days["nem-1-e1", MONDAY_MS]["open_slots"] == 1  # the last half hour is not told


def test_a_corrected_file_reworks_its_days_and_the_bill(tmp_path: Path) -> None:
    """Slots 3 and 4 estimated, 5 without data; then the actual values of 3 and 5."""
    desk = archive(tmp_path)
    used = [use(k) for k in range(2 * SLOTS)]
    flags = [Flag.ACTUAL] * (2 * SLOTS)
    flags[3] = flags[4] = Flag.ESTIMATED
    flags[5] = Flag.NO_DATA
    desk.take(series_of(used, flags))
    desk.utility.go(60)
    before = lines(desk, "days")["nem-1-e1", MONDAY_MS]
    assert before["import_wh"] == (sum(used[:SLOTS]) - used[5]) / 1000
    assert (before["open_slots"], before["is_billing_ready"]) == (3, False)
    assert before["quality_slots"] == {"recovered": 45, "estimated_like_day": 2, "missing": 1}
    assert lines(desk, "days")["nem-1-e1", MONDAY_MS + DAY_MS]["is_billing_ready"]
    better = series_of(used)
    desk.take(
        better._replace(
            rows=[better.rows[3]._replace(values=[300_000, None, None, None, 1800, 1])]
        ),
        corrects=True,
    )
    desk.take(better._replace(rows=[better.rows[5]]), corrects=True)
    desk.utility.go(60)
    after = lines(desk, "days")["nem-1-e1", MONDAY_MS]
    assert after["import_wh"] == (sum(used[:SLOTS]) - used[3] + 300_000) / 1000
    assert (after["open_slots"], after["is_billing_ready"]) == (1, False)
    month = next(iter(lines(desk, "determinants").values()))
    assert month["import_wh"] == (sum(used) - used[3] + 300_000) / 1000
    told = lines(desk, "lineage")
    changes = told["nem-1-e1", MONDAY_MS + 3 * HALF_HOUR_MS]["changes"]
    assert [(one["old_rule"], one["rule"]) for one in changes] == [
        (None, "source_estimate"), ("source_estimate", "backlog"),
    ]  # fmt: skip
    assert (changes[1]["old_wh"], changes[1]["new_wh"]) == (used[3] / 1000, 300)
    changes = told["nem-1-e1", MONDAY_MS + 5 * HALF_HOUR_MS]["changes"]
    assert [(one["old_rule"], one["rule"]) for one in changes] == [("unknown", "backlog")]


def test_the_order_of_files_and_deaths_of_the_analyst_change_nothing(tmp_path: Path) -> None:
    used = [use(k) for k in range(3 * SLOTS)]
    days = [
        series_of(used[k * SLOTS : (k + 1) * SLOTS], begin_ms=MONDAY_MS + k * DAY_MS)
        for k in range(3)
    ]
    found = []
    for order, lives in ((days, False), (days[::-1], True)):
        desk = archive(tmp_path / str(lives))
        for one in order:
            desk.take(one)
            desk.utility.go(15, lives=lives)
        desk.utility.go(60)
        found.append([lines(desk, name) for name in ("intervals", "days", "determinants")])
    assert found[0] == found[1]


def test_nobody_is_told_silent_or_dark_for_a_file_that_is_no_longer_sent(tmp_path: Path) -> None:
    nodes = [
        {"id": "fdr-1", "kind": "feeder"},
        {"id": "tba-1", "kind": "transformer", "parent": "fdr-1"},
    ]
    devices = [{"id": "nem-1-e1", "org": "evn", "sector": "energy", "parent": "tba-1"}]
    registry = Registry(RegistryFile.model_validate({"node": nodes, "device": devices}))
    desk = Archive(tmp_path, ("nem-1-e1",), registry)
    desk.utility.at(SLOTS)
    desk.take(series_of([use(k) for k in range(SLOTS)]))
    desk.utility.go(60)
    assert lines(desk, "days")["nem-1-e1", MONDAY_MS]["is_billing_ready"]
    for hours in range(1, 30):
        desk.utility.at(SLOTS + 2 * hours)
        desk.utility.go(5)
    assert not desk.utility.alarms()
    assert not lines(desk, "interruptions")
    # and it weighs nothing where outages of a place are judged by those who are heard
    assert not {place for place, _ in lines(desk, "reliability")}


def test_whose_registers_are_known_is_billed_by_them(tmp_path: Path) -> None:
    desk = archive(tmp_path, ("m-000", "m-001", "m-002"))
    desk.utility.send(range(SLOTS + 1))
    desk.take(series_of([7_000_000] * SLOTS)._replace(device="m-000"))
    desk.utility.go(60)
    day = lines(desk, "days")["m-000", MONDAY_MS]
    assert day["register_begin_wh"] is not None
    assert day["import_wh"] == day["register_end_wh"] - day["register_begin_wh"]


def exports_of(of: Archive) -> Exports:
    reader = StoreReader(of.utility.folder, PROFILES)
    shelf = Shelf(DerivedReader(of.utility.folder), reader.devices(), PROFILES, None)
    return Exports(shelf, POLICIES)


def worked(folder: Path, series: list[Series]) -> Archive:
    """Return the engine's work on series, three days after the last of them."""
    desk = Archive(folder, tuple(dict.fromkeys(one.device for one in series)))
    desk.utility.now_ms = max(one.rows[-1].time_ms for one in series) + 3 * DAY_MS
    for one in series:
        desk.take(one)
    desk.utility.go(200)
    return desk


@needs_shared
def test_a_green_button_file_goes_out_as_it_came_in(tmp_path: Path) -> None:
    """1,340 quarters of an hour, 1,391,666 Wh, over two months."""
    data = (METERS / "green-button-15min.xml").read_bytes()
    (series,) = read_espi(data, PROFILES).series
    desk = worked(tmp_path, [series])
    bills = lines(desk, "determinants")
    assert sum(bill["import_wh"] for bill in bills.values()) == 1_391_666
    days = lines(desk, "days")
    assert sum(day["import_wh"] for day in days.values()) == 1_391_666
    first, stop = month_of(series.rows[0].time_ms // DAY_MS)
    out = exports_of(desk).green_button(series.device, (first - 1, stop), desk.utility.now_ms)
    assert out is not None
    values = [
        int(one.findtext(f"{ESPI}value", ""))
        for one in ET.fromstring(out).iter(f"{ESPI}IntervalReading")
    ]
    assert (len(values), sum(values)) == (670, 1_391_666)
    (again,) = read_espi(out.encode(), PROFILES).series
    assert sum(row.values[0] or 0 for row in again.rows) == 1_391_666_000
    rows = csv.DictReader(io.StringIO("".join(exports_of(desk).determinants(first + 5))))
    assert [row["import_kwh"] for row in rows] == ["1391.666"]


def test_what_goes_either_way_comes_back_from_a_feed_to_the_last_digit(tmp_path: Path) -> None:
    """A prosumer's day in thousandths of a Wh: in, out as two readings, and in again."""
    rows = [
        Row(k + 1, MONDAY_MS + (k + 1) * HALF_HOUR_MS, [use(k), 31 * k, None, None, 1800, 1])
        for k in range(SLOTS)
    ]
    desk = worked(tmp_path, [Series("home-1", "ei1", rows, HALF_HOUR_MS)])
    out = exports_of(desk).green_button("home-1", (DAY, DAY + 1), desk.utility.now_ms)
    assert out is not None
    (again,) = read_espi(out.encode(), PROFILES).series
    assert [list(row.values) for row in again.rows] == [list(row.values) for row in rows]
    assert [row.time_ms for row in again.rows] == [row.time_ms for row in rows]
    day = lines(desk, "days")["home-1", MONDAY_MS]
    assert day["export_wh"] == sum(31 * k for k in range(SLOTS)) / 1000


UNITS = {"KWH": 1000, "WH": 1, "MWH": 1_000_000}


def own_days(file: Path) -> dict[tuple[str, str], dict[int, Decimal]]:
    """Return the Wh of each interval by its end, for each stream of energy: as AEMO writes it."""
    found: dict[tuple[str, str], dict[int, Decimal]] = defaultdict(dict)
    key, length_ms, factor, begin_ms = ("", ""), 0, 0, 0
    for cells in csv.reader(file.read_text("utf-8").splitlines()):
        record = [cell.strip() for cell in cells]
        if record[0] == "200":
            key = f"nem-{record[1]}-{record[4]}".lower(), record[4][0]
            length_ms = int(record[8]) * 60_000
            factor = UNITS.get(record[7].upper(), 0) if key[1] in "EB" else 0
        elif record[0] == "300" and factor:
            begin = datetime.strptime(record[1], "%Y%m%d").replace(tzinfo=UTC) - MARKET
            begin_ms, count = int(begin.timestamp()) * 1000, DAY_MS // length_ms
            if record[2 + count][:1] != "N":
                ends = range(begin_ms + length_ms, begin_ms + DAY_MS + 1, length_ms)
                values = (Decimal(cell) * factor for cell in record[2 : 2 + count])
                found[key].update(zip(ends, values, strict=True))
        elif record[0] == "400" and record[3][:1] == "N" and factor:
            for k in range(int(record[1]), int(record[2]) + 1):
                found[key].pop(begin_ms + k * length_ms, None)
    return found


@needs_shared
@pytest.mark.parametrize("file", FILES, ids=lambda one: one.stem.removeprefix("Example_"))
def test_each_day_and_month_of_a_market_file_adds_up_to_its_own_total(
    file: Path,
    tmp_path: Path,
    soak: bool,  # noqa: FBT001
) -> None:
    """The files of a month are cut to their first week, unless all of it is wanted."""
    whole = [one for one in read_nem(file.read_text("utf-8"), PROFILES).series if one.rows]
    until_ms = whole[0].rows[0].time_ms + (31 if soak else 7) * DAY_MS
    series = [
        one._replace(rows=[row for row in one.rows if row.time_ms < until_ms]) for one in whole
    ]
    desk = worked(tmp_path, series)
    told_until = {
        key: {end_ms: value for end_ms, value in values.items() if end_ms < until_ms}
        for key, values in own_days(file).items()
    }
    expected = {key: values for key, values in told_until.items() if values}
    days, months = lines(desk, "days"), lines(desk, "determinants")
    for (device, letter), told in expected.items():
        column = "import_wh" if letter == "E" else "export_wh"
        by_day: dict[int, Decimal] = defaultdict(Decimal)
        for end_ms, energy_wh in told.items():
            by_day[(end_ms - 1 + HANOI_MS) // DAY_MS * DAY_MS - HANOI_MS] += energy_wh
        for begin_ms, energy_wh in by_day.items():
            assert days[device, begin_ms][column] == pytest.approx(float(energy_wh), abs=0.0005)
        billed = sum(bill[column] for (name, _), bill in months.items() if name == device)
        assert billed == pytest.approx(float(sum(told.values())), abs=0.0005 * len(by_day))
    assert expected
