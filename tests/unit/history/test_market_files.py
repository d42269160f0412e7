"""NEM12, NEM13 and Green Button files: all of it, or the line and the reason."""

import csv
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
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
        (nem12(stream().replace(",30,", ",3³,")), 2, "part of a day"),  # a digit and no number
        (nem12(stream(), f"300,20261121,{DAY},V,,,,", "400,1,4³,A,,"), 4, "a day that has 48"),
        (nem12(stream(), f"300,20261121,{DAY},A,,,,")[:-4], 3, "cut off"),
        (nem12(stream(), f"300,20261121,{DAY},Z,,,,"), 3, "48 numbers"),
        ("100,NEM99,x\n900", 1, "NEM99"),
        (nem12(stream(), f"300,20261121,{DAY.replace('1.5', '9' * 80, 1)},A,,,,"), 3, "2**53"),
        (nem12(stream(), f'300,20261121,"{"1" * 200_000}",A,,,,'), 3, "field limit"),
        (nem12(stream(), f'300,20261121,"{DAY},A', f"300,20261122,{DAY},A"), 3, "end of data"),
        (nem12(stream(), f"300,00010101,{DAY},A,,,,"), 3, "no date"),
        (nem12(stream(), f"300,19690101,{DAY},A,,,,"), 3, "before 1970"),
        (nem12(stream(), f"300,20261121,{DAY.replace('1.5', '9e999999', 1)},A"), 3, "2**53"),
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


def test_reads_beyond_all_registers_are_refused_by_line() -> None:
    at, reason = refusal(nem13("-9e999999", "9e999999", "1"))
    assert (at, "no register" in reason) == (2, True)
    found = read_nem(nem13("9e999999", "-1", "1"), PROFILES)
    assert [one.line for one in found.refused] == [2]


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


MARKET = timezone(timedelta(hours=10))
FLAGS = {"A": 1, "E": 2, "F": 3, "S": 4, "N": 5}
Interval = tuple[str, float | None, int, int]  # its end, Wh (varh), flag, seconds


def second_reading(file: Path) -> dict[str, list[Interval]]:
    """Read a NEM12 file a second time, after AEMO's specification and not after our reader."""
    found: dict[str, list[Interval]] = {}
    records = list(csv.reader(file.read_text("utf-8").splitlines()))
    device, minutes, per_unit = "", 30, None
    for place, record in enumerate(records):
        if record[0] == "200":
            minutes, unit = int(record[8]), record[7].upper()
            per_unit = {"WH": 1.0, "VARH": 1.0, "KWH": 1e3, "KVARH": 1e3}.get(unit)
            device = f"nem-{record[1]}-{record[4]}".lower()
        if record[0] != "300" or per_unit is None:
            continue
        count = 1440 // minutes
        codes = [record[2 + count][0]] * count
        for other in records[place + 1 :]:
            if other[0] != "400":
                break
            first, last = int(other[1]), int(other[2])
            codes[first - 1 : last] = [other[3][0]] * (last - first + 1)
        midnight = datetime.strptime(record[1], "%Y%m%d").replace(tzinfo=MARKET)
        for at, (cell, code) in enumerate(zip(record[2 : 2 + count], codes, strict=True), 1):
            end = (midnight + timedelta(minutes=at * minutes)).astimezone(UTC).isoformat()
            value = None if code == "N" else round(float(cell) * per_unit, 6)
            found.setdefault(device, []).append((end, value, FLAGS[code], minutes * 60))
    return found


# Of each file: streams, intervals, Wh and varh in all, and how many intervals have which flag.
# By hand: 48 × 1.111 + 48 × 2.222 kWh are 159,984 Wh; 31 days of two streams and five minutes
# are 17,856 intervals.
RECORDED = {
    "NEM12_actual_interval": (2, 96, 159_984.0, {1: 96}),
    "NEM12_different_interval_length": (2, 96, 374_000.0, {1: 96}),
    "NEM12_month_solar": (2, 17_856, 859_910.0, {1: 17_856}),
    "NEM12_multiple_meters": (6, 1152, 46_080.0, {1: 1152}),
    "NEM12_multiple_quality": (1, 48, 896_990.0, {3: 20, 1: 4, 4: 24}),
    "NEM12_no_scheduled_read": (1, 96, 5840.0, {1: 96}),
    "NEM12_partialchannel": (2, 9216, 293_904.0, {1: 9216}),
    "NEM12_substituted_interval": (2, 96, 47_164_824.0, {3: 96}),
    "NEM12_upper_case_units": (2, 96, 159_984.0, {1: 96}),
    "WesternPower": (4, 192, 0.0, {1: 192}),
}


@needs_shared
@pytest.mark.parametrize("name", RECORDED)
def test_recorded_files_are_what_a_second_reading_says_interval_by_interval(name: str) -> None:
    """Ends, energies, flags and lengths; ``nem12.expected.json`` of the shared data is empty."""
    file = METERS / "nem12" / f"Example_{name}.csv"
    wanted = second_reading(file)
    ours: dict[str, list[Interval]] = {}
    for one in read_file(file, Hints(), PROFILES).series:
        for row in one.rows:
            value = next((value / 1000 for value in row.values[:4] if value is not None), None)
            end = datetime.fromtimestamp(row.time_ms / 1000, UTC).isoformat()
            flag, length = int(row.values[5] or 0), int(row.values[4] or 0)
            ours.setdefault(one.device, []).append((end, value, flag, length))
    assert ours.keys() == wanted.keys()
    for device, intervals in wanted.items():
        assert [one[::2] for one in ours[device]] == [one[::2] for one in intervals]
        assert [one[3] for one in ours[device]] == [one[3] for one in intervals]
        for mine, theirs in zip(ours[device], intervals, strict=True):
            # a file writes up to nine decimals of a kWh, we keep thousandths of a Wh
            assert mine[1] == (None if theirs[1] is None else pytest.approx(theirs[1], abs=0.0005))
    every = [one for intervals in wanted.values() for one in intervals]
    total = round(sum(one[1] or 0 for one in every), 3)
    assert (len(wanted), len(every), total, Counter(one[2] for one in every)) == RECORDED[name]


@needs_shared
def test_every_recorded_market_file_has_its_test() -> None:
    names = {file.stem.removeprefix("Example_") for file in (METERS / "nem12").iterdir()}
    assert names == {*RECORDED, "NEM13_consumption_data", "NEM13_forward_estimate"}


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
def test_recorded_reads_of_registers() -> None:
    """NEM13: 1,312.1 kWh between two actual reads; 111 to an estimate; and 9,065 that is not 65."""

    def read(name: str) -> Found:
        return read_file(METERS / "nem12" / f"Example_NEM13_{name}.csv", Hints(), PROFILES)

    (series,) = read("consumption_data").series
    assert [(row.time_ms, row.values[0], row.status) for row in series.rows] == [
        (ms("2003-10-05T09:30:55+10:00"), 6_342_800, 0),
        (ms("2004-01-07T10:03:33+10:00"), 7_654_900, 0),
    ]
    estimate = read("forward_estimate")
    (series,) = estimate.series
    assert [(row.values[0], row.status) for row in series.rows] == [(888_000, 0), (999_000, 1)]
    assert [(one.line, "is not 65" in one.reason) for one in estimate.refused] == [(4, True)]


@needs_shared
def test_recorded_reads_are_of_no_meter_whose_intervals_are_recorded() -> None:
    """So no register of a NEM13 file can be compared with intervals of another file here."""
    meters: dict[str, set[str]] = {"NEM12": set(), "NEM13": set()}
    for file in (METERS / "nem12").iterdir():
        records = [line.split(",") for line in file.read_text("utf-8").splitlines()]
        named = meters[records[0][1]]
        named |= {record[1] for record in records if record[0] in {"200", "250"}}
    assert meters["NEM13"] == {"VABC005890", "VDEF005890"}
    assert (len(meters["NEM12"]), meters["NEM12"] & meters["NEM13"]) == (9, set())


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
        (espi(f"{PERIOD}<value>9e999999</value>"), 2, "'9e999999'"),
        (espi(f"{PERIOD}<value>-9e999998</value>"), 2, "'-9e999998'"),
        (espi(f"{PERIOD}<value>nan</value>"), 2, "'nan'"),
        (
            espi(f"{PERIOD.replace('1795300200', '9' * 16)}<value>1</value>"),
            2,
            "before 1970",
        ),
        (espi(f"{PERIOD.replace('900', '9' * 16)}<value>1</value>"), 2, "before 1970"),
        (
            espi(f"{PERIOD.replace('1795300200', '-999999')}<value>1</value>"),
            2,
            "before 1970",
        ),
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
