"""NEM12, NEM13 and Green Button files: all of it, or the line and the reason."""

import csv
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from gateway.history import FileRefusedError, Flag, Found
from gateway.history.audit import audit
from gateway.history.espi import read_espi
from gateway.history.nem import read_nem
from gateway.history.reading import Hints, read_file
from gateway.profiles import load_profiles
from tests.shared import SHARED, needs_shared

PROFILES = load_profiles()
METERS = Path() if SHARED is None else SHARED / "data" / "meters"
DAY = ",".join(["1.5"] * 48)


def nem12(*records: str) -> str:
    return "\n".join(["100,NEM12,202611220000,MDA1,Ret1", *records, "900"])


def stream(suffix: str = "E1", unit: str = "kWh", length: int = 30) -> str:
    return f"200,NMI1234567,E1B1,1,{suffix},N1,METER1,{unit},{length},"


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1000


def refusal(text: str) -> tuple[int, str]:
    with pytest.raises(FileRefusedError) as caught:
        read_nem(text, PROFILES)
    return caught.value.complaint


def test_a_day_has_its_intervals_named_by_their_ends_in_market_time() -> None:
    found = read_nem(nem12(stream(), f"300,20261121,{DAY},A,,,20261122000000,"), PROFILES)
    (series,) = found.series
    assert (series.device, series.profile, series.interval_ms) == (
        "nem-nmi1234567-e1",
        "ei1",
        1_800_000,
    )
    assert series.rows[0].time_ms == ms("2026-11-21T00:30:00+10:00")
    assert series.rows[-1].time_ms == ms("2026-11-22T00:00:00+10:00")
    # 1.5 kWh in thousandths of a Wh; half an hour; actual
    assert series.rows[0].values == [1_500_000, None, None, None, 1800, Flag.ACTUAL]


@pytest.mark.parametrize(
    ("suffix", "unit", "column", "value"),
    [
        ("E1", "KWH", 0, 1_500_000),
        ("B1", "MWh", 1, 1_500_000_000),
        ("Q1", "kVArh", 2, 1_500_000),
        ("K1", "varh", 3, 1500),
    ],
)
def test_suffix_and_unit_say_which_energy_it_is(
    suffix: str, unit: str, column: int, value: int
) -> None:
    found = read_nem(nem12(stream(suffix, unit), f"300,20261121,{DAY},A,,,,"), PROFILES)
    assert found.series[0].rows[0].values[column] == value


def test_qualities_of_a_variable_day_are_those_of_its_400_records() -> None:
    records = [
        stream(),
        f"300,20261121,{DAY},V,,,,",
        "400,1,20,F14,76,",
        "400,21,24,A,,",
        "400,25,47,S14,1,",
        "400,48,48,N,,",
    ]
    rows = read_nem(nem12(*records), PROFILES).series[0].rows
    assert Counter(row.values[5] for row in rows) == {
        Flag.FINAL_SUBSTITUTE: 20,
        Flag.ACTUAL: 4,
        Flag.SUBSTITUTE: 23,
        Flag.NO_DATA: 1,
    }
    # an estimate is suspect to the validator, no data is no value and not valid
    assert (rows[0].status, rows[20].status, rows[47].status) == (1, 0, 4)
    assert rows[47].values[0] is None


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "empty"),
        (f"200,N,E1,1,E1,,,kWh,30,\n300,20261121,{DAY},A,,,,\n900", 1, "header"),
        (nem12(), 2, "no data"),
        (nem12(stream(), f"300,20261121,{DAY},V,,,,", "400,1,47,A,,"), 5, "interval 48 of line 3"),
        (nem12(stream(), f"300,20261121,{DAY},V,,,,", "400,1,96,A,,"), 4, "a day that has 48"),
        (nem12(stream(length=15), f"300,20261121,{DAY},A,,,,"), 3, "96 values"),
        (nem12(stream(), f"300,20261321,{DAY},A,,,,"), 3, "no date"),
        (nem12(stream(), f"300,20261121,{DAY.replace('1.5', 'x', 1)},A,,,,"), 3, "no number"),
        (nem12(stream(length=7)), 2, "part of a day"),
        (nem12(stream(), f"300,20261121,{DAY},A,,,,")[:-4], 3, "cut off"),
        (nem12(stream(), f"300,20261121,{DAY},Z,,,,"), 3, "48 numbers"),
        ("100,NEM99,x\n900", 1, "NEM99"),
        ("hello\n", 1, "not of NEM12"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_reason(text: str, line: int, words: str) -> None:
    at, reason = refusal(text)
    assert at == line
    assert words in reason


def nem13(before: str, after: str, quantity: str, direction: str = "E") -> str:
    return (
        "100,NEM13,202611220000,MDA1,Ret1\n"
        f"250,NMI1,11,1,11,11,METER1,{direction},{before},20261021093055,A,,,"
        f"{after},20261120100333,A,,,{quantity},kWh,,20261121,20261121\n900"
    )


def test_reads_of_a_register_become_readings() -> None:
    (series,) = read_nem(nem13("006342.8", "007654.9", "1312.1"), PROFILES).series
    assert (series.device, series.profile) == ("nem-nmi1-11", "em3")
    assert [(row.time_ms, row.values[0]) for row in series.rows] == [
        (ms("2026-10-21T09:30:55+10:00"), 6_342_800),
        (ms("2026-11-20T10:03:33+10:00"), 7_654_900),
    ]
    (export,) = read_nem(nem13("1", "2", "1", "I"), PROFILES).series
    assert export.rows[0].values[:2] == [None, 1000]


def test_a_read_that_is_not_its_quantity_is_refused_by_itself() -> None:
    found = read_nem(nem13("100", "200", "4000"), PROFILES)  # a current transformer of 40
    assert [one.line for one in found.refused] == [2]


def naive_totals(file: Path) -> tuple[dict[str, float], int]:
    """Return the sum of each stream's first columns, and the count of values: a second reading."""
    totals: dict[str, float] = {}
    count, key, values = 0, "", 0
    for record in csv.reader(file.read_text("utf-8").splitlines()):
        if record[:1] == ["200"]:
            values = 1440 // int(record[8])
            factor = {"WH": 1, "KWH": 1e3, "KVARH": 1e3, "VARH": 1}.get(record[7].upper(), 0)
            key = f"nem-{record[1]}-{record[4]}".lower() if factor else ""
        elif record[:1] == ["300"] and key:
            numbers = [float(cell) * factor for cell in record[2 : 2 + values]]
            totals[key] = totals.get(key, 0) + sum(numbers)
            count += len(numbers)
    return totals, count


@needs_shared
def test_recorded_files_have_the_totals_that_a_second_reading_gives() -> None:
    names = [*METERS.glob("nem12/*NEM12*"), METERS / "nem12" / "Example_WesternPower.csv"]
    assert len(names) == 10
    for file in names:
        found = read_file(file, Hints(), PROFILES)
        totals, count = naive_totals(file)
        ours = {
            one.device: sum(value or 0 for row in one.rows for value in row.values[:4]) / 1000
            for one in found.series
        }
        assert ours == pytest.approx(totals), file.name
        assert sum(len(one.rows) for one in found.series) == count


@needs_shared
def test_recorded_flags_and_lengths() -> None:
    def read(name: str) -> Found:
        return read_file(METERS / "nem12" / f"Example_NEM12_{name}.csv", Hints(), PROFILES)

    (series,) = read("multiple_quality").series
    assert Counter(row.values[5] for row in series.rows) == {4: 24, 3: 20, 1: 4}
    assert {row.values[5] for one in read("substituted_interval").series for row in one.rows} == {3}
    lengths = {
        one.device: one.interval_ms // 60_000 for one in read("different_interval_length").series
    }
    assert lengths == {"nem-c123-e1": 30, "nem-c123-e2": 30}
    assert {one.interval_ms for one in read("month_solar").series} == {300_000}


@needs_shared
def test_recorded_invalid_files_name_line_and_reason() -> None:
    lines = {}
    for file in sorted(METERS.glob("nem12-invalid/*")):
        with pytest.raises(FileRefusedError) as caught:
            read_file(file, Hints(), PROFILES)
        assert caught.value.complaint.reason
        lines[file.name.removeprefix("Example_").removesuffix(".csv")] = caught.value.complaint.line
    assert lines == {
        "NEM12_15min_200_30min_300": 3,
        "NEM12_15min_200_30min_400": 6,
        "NEM12_30min_200_15min_300": 3,
        "NEM12_30min_200_15min_400": 3,
        "NEM12_empty": 2,
        "NEM12_incomplete_interval": 3,
        "NEM12_missing_header": 2,
        "NEM12_powercor": 2,
        "NEM12_powercor.csv.zip": 1,
        "NEM12_powercor_missing_fields": 2,
        "empty_file": 1,
    }


@needs_shared
def test_the_recorded_green_button_file_over_a_change_of_clocks() -> None:
    found = read_file(METERS / "green-button-15min.xml", Hints(), PROFILES)
    series, seen = audit(found.series[0], is_events=False)
    assert (seen.rows, seen.gap_count, seen.interval_ms) == (1340, 0, 900_000)
    assert sum(row.values[0] or 0 for row in series.rows) == 1_391_666_000  # thousandths of a Wh
    assert (seen.first_ms, seen.last_ms) == (1330578900000, 1331784000000)


def espi(reading: str, reading_type: str = "<uom>72</uom>", head: str = "") -> bytes:
    return (
        f'<?xml version="1.0"?>{head}<feed xmlns="http://www.w3.org/2005/Atom"><entry>'
        '<content><ReadingType xmlns="http://naesb.org/espi">'
        f"<powerOfTenMultiplier>3</powerOfTenMultiplier>{reading_type}</ReadingType></content>"
        '</entry>\n<entry><link rel="up" href="/r/UsagePoint/ABC/MeterReading/1/IntervalBlock"/>'
        '<content><IntervalBlock xmlns="http://naesb.org/espi"><IntervalReading>'
        f"{reading}</IntervalReading></IntervalBlock></content></entry></feed>"
    ).encode()


PERIOD = "<timePeriod><duration>900</duration><start>1795300200</start></timePeriod>"


def test_unit_power_direction_and_quality_of_green_button() -> None:
    (series,) = read_espi(espi(f"{PERIOD}<value>2</value>"), PROFILES).series
    assert series.device == "espi-abc"
    assert series.rows[0].time_ms == 1_795_301_100_000
    assert series.rows[0].values == [2_000_000, None, None, None, 900, 0]
    body = f"{PERIOD}<value>2</value><ReadingQuality><quality>8</quality></ReadingQuality>"
    reverse = "<uom>72</uom><flowDirection>19</flowDirection>"
    (row,) = read_espi(espi(body, reverse), PROFILES).series[0].rows
    assert (row.values[:2], row.values[5], row.status) == ([None, 2_000_000], Flag.ESTIMATED, 1)


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (espi(f"{PERIOD}<value>x</value>"), 2, "'x'"),
        (espi("<value>1</value>"), 2, "whole number"),
        (espi(f"{PERIOD}<value>1</value>", "<uom>38</uom>"), 1, "no energy"),
        (b"<feed>", 1, "not XML"),
        (b'<feed xmlns="http://www.w3.org/2005/Atom"/>', 1, "no interval reading"),
        (
            espi("", head='<!DOCTYPE feed [<!ENTITY a SYSTEM "file:///etc/passwd">]>'),
            1,
            "document type",
        ),
    ],
)
def test_what_is_wrong_in_green_button_is_named(data: bytes, line: int, words: str) -> None:
    with pytest.raises(FileRefusedError) as caught:
        read_espi(data, PROFILES)
    assert caught.value.complaint.line == line
    assert words in caught.value.complaint.reason
