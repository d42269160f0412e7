"""CSV tables, captures and logs: line by line."""

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.history import FileRefusedError, Found
from gateway.history.audit import audit
from gateway.history.captures import read_capture, read_p1_log
from gateway.history.layout import Layout, load_layout
from gateway.history.parcels import parcels_of
from gateway.history.reading import Hints, read_file
from gateway.history.table import read_table
from gateway.profiles import load_profiles
from tests.shared import SHARED, needs_shared

PROFILES = load_profiles()
DATA = Path() if SHARED is None else SHARED / "data"
OED_TIME = {"column": "end time", "format": "%Y-%m-%d %H:%M:%S", "zone": "UTC"}
OED = {
    "profile": "ei1",
    "device": "oed",
    "time": OED_TIME,
    "columns": {"e_imp": {"column": "reading", "unit": "kWh"}, "length": {"value": 900}},
}
RADAR = {
    "profile": "pv1",
    "device": "radar",
    "delimiter": ";",
    "header": False,
    "time": {"column": "1", "format": "%d.%m.%y %H:%M:%S", "zone": "Europe/Berlin"},
    "columns": {
        "speed": "3",
        "length": "4",
        "direction": {"column": "5", "codes": {"0": 1, "1": 2}},
    },
}
COUNTER = {
    "profile": "tl1",
    "device": "counter",
    "every": "1h",
    "time": {
        "column": "t",
        "format": "%Y-%m-%d %H:%M",
        "zone": "America/Los_Angeles",
        "names": "begin",
    },
    "columns": {"count": "n"},
}


def layout(form: Mapping[str, object], **changes: object) -> Layout:
    return Layout.model_validate({**form, **changes})


def test_a_table_is_read_as_its_layout_says() -> None:
    text = "reading,start time,end time\n36.88662299,x,2022-08-18 00:15:00\n"
    (series,) = read_table(text, layout(OED), PROFILES).series
    (row,) = series.rows
    # 36.88662299 kWh = 36,886,622.99 thousandths of a Wh
    assert (row.line, row.values) == (2, [36_886_623, None, None, None, 900, None])


def test_a_bad_line_is_refused_by_itself() -> None:
    text = "reading,start time,end time\n1,x,2022-08-18 00:15:00\n?,x,2022-08-18 00:30:00\n"
    text += "2,x,yesterday\n3\n"
    found = read_table(text, layout(OED), PROFILES)
    assert len(found.series[0].rows) == 1
    assert [one.line for one in found.refused] == [3, 4, 5]
    assert "not a number" in found.refused[0].reason


def test_a_quote_that_is_never_closed_swallows_no_lines() -> None:
    head = "reading,start time,end time\n"
    rows = [f"{n},x,2022-08-18 00:{n}:00\n" for n in (15, 30, 45)]
    for text, line in (
        (head + rows[0] + rows[1].replace("x", '"x') + rows[2], 3),
        (head.replace("start", '"start') + "".join(rows), 1),
    ):
        with pytest.raises(FileRefusedError, match="unexpected end of data") as caught:
            read_table(text, layout(OED), PROFILES)
        assert caught.value.complaint.line == line


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Los_Angeles", "UTC", None])
@pytest.mark.parametrize(
    "time", ["253402300799", "9000000000000", "-62135596800", "-9000000000000", "1e15"]
)
def test_a_time_that_no_calendar_has_is_refused_by_its_line(time: str, zone: str | None) -> None:
    form = layout(OED, time={"column": "end time", "format": "unix_s", "zone": zone})
    text = f"reading,start time,end time\n1,x,{time}\n2,x,1795300200\n"
    found = read_table(text, form, PROFILES)
    assert [row.line for row in found.series[0].rows] == [3]
    assert [one.line for one in found.refused] == [2]
    assert "year" in found.refused[0].reason


@pytest.mark.parametrize("time", ["9999-12-31 23:59:59", "0001-01-01 00:00:00"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Los_Angeles"])
def test_a_wall_clock_at_the_end_of_the_calendar_is_refused_too(time: str, zone: str) -> None:
    form = layout(OED, time={**OED_TIME, "zone": zone})
    found = read_table(f"reading,start time,end time\n1,x,{time}\n", form, PROFILES)
    assert [one.line for one in found.refused] == [2]


def test_hours_that_clocks_repeat_or_skip() -> None:
    """2012-11-04 01:00 comes twice in Los Angeles (08:00 and 09:00 UTC); 2013-03-10 02:00 never."""
    text = "t,n\n2012-11-04 00:00,1\n2012-11-04 01:00,2\n2012-11-04 01:00,3\n"
    text += "2012-11-04 02:00,4\n2013-03-10 02:00,5\n"
    found = read_table(text, layout(COUNTER), PROFILES)
    rows = found.series[0].rows
    steps = [after.time_ms - before.time_ms for before, after in pairwise(rows)]
    assert steps == [3_600_000] * 3
    assert [one.line for one in found.notes] == [3, 4]
    assert [one.line for one in found.refused] == [6]
    assert "does not exist" in found.refused[0].reason


def test_vehicles_of_one_second_stay_two() -> None:
    text = "24.10.16 08:38:02;00;026;01;1\n" * 3
    (series,) = read_table(text, layout(RADAR), PROFILES).series
    _, seen = audit(series, is_events=True)
    assert (seen.rows, seen.last_ms - seen.first_ms) == (3, 2)


def test_gaps_duplicates_and_conflicts_are_found() -> None:
    text = "reading,start time,end time\n"
    for value, time in (
        (1, "00:15"),
        (2, "00:30"),
        (2, "00:30"),
        (9, "00:30"),
        (3, "01:15"),
        (4, "01:30"),
    ):
        text += f"{value},x,2022-08-18 {time}:00\n"
    series, seen = audit(read_table(text, layout(OED), PROFILES).series[0], is_events=False)
    assert [row.values[0] for row in series.rows] == [1e6, 2e6, 3e6, 4e6]
    assert (seen.gap_count, seen.missing) == (1, 2)
    assert [one.line for one in seen.duplicates] == [4]
    assert [one.line for one in seen.conflicts] == [5]


@pytest.mark.parametrize(
    "changes",
    [
        {"device": None},
        {"device_column": "x"},
        {"device": "Ü"},
        {"time": {"column": "t", "format": "%d"}},
        {"time": {"column": "t", "names": "begin"}},
        {"colour": "red"},
    ],
)
def test_a_layout_that_leaves_something_to_guess_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        layout(OED, **changes)


def test_a_layout_file_names_its_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "layout.toml"
    file.write_text('profile = "ei1"\n', "utf-8")
    with pytest.raises(ConfigError, match="time"):
        load_layout(file)
    with pytest.raises(ConfigError, match="no column"):
        read_table("a,b\n1,2\n", layout(OED, columns={"nope": "a"}, time={"column": "b"}), PROFILES)
    with pytest.raises(FileRefusedError, match="no column 'reading'"):
        read_table("a,b\n1,2\n", layout(OED), PROFILES)


def test_the_layouts_of_the_documents_load(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    text = (root / "docs" / "import.md").read_text("utf-8")
    file = tmp_path / "layout.toml"
    file.write_text(text.split("```layout\n")[1].split("```")[0], "utf-8")
    assert load_layout(file).time.zone == "Europe/Berlin"
    assert load_layout(root / "docs" / "examples" / "layout.toml").profile == "ei1"


def test_a_capture_is_messages_as_they_came() -> None:
    lines = [
        {"topic": "a/b", "payload": "{}", "received": 1_795_300_200_000},
        {"topic": "a/b", "payload_base64": "AAE=", "received": "2026-11-21T23:10:00Z"},
        {"topic": "a/b", "payload_hex": "00 01"},
        {"topic": "a/b"},
        {"topic": "a/b", "payload": "x", "received": "2026-11-21T23:10:00"},
    ]
    data = "\n".join(map(json.dumps, lines)).encode() + b"\nnonsense\n"
    found = read_capture(data)
    assert [(one.payload, one.received_ms) for one in found.raw] == [
        (b"{}", 1_795_300_200_000),
        (b"\0\1", 1_795_302_600_000),
        (b"\0\1", 0),
    ]
    assert [one.line for one in found.refused] == [4, 5, 6]


@needs_shared
def test_a_log_of_p1_telegrams_takes_the_sound_ones_and_names_the_others() -> None:
    rows = [
        json.loads(line)
        for line in (DATA / "devices" / "p1_dev.jsonl").read_text("utf-8").splitlines()
    ]
    sound = next(row["telegram"] for row in rows if row["id"] == "p1-004")
    text = f"# logger started\n{sound}\n{sound.replace('000004.426', '000004.427')}{sound}"
    found = read_p1_log(text.encode(), "house", PROFILES)
    assert [row.line for row in found.series[0].rows] == [2, sound.count("\n") * 2 + 3]
    ((line, reason),) = found.refused
    assert line == sound.count("\n") + 3
    assert "CRC" in reason


@needs_shared
def test_recorded_tables_have_what_was_counted_in_them() -> None:
    found = read_file(
        DATA / "traffic" / "moers-radar" / "roemerstrasse-415_T30_2016-10-24.txt",
        Hints(layout=layout(RADAR)),
        PROFILES,
    )
    speeds = [(row.values[0] or 0) / 10 for row in found.series[0].rows]
    assert len(speeds) == 14_152
    assert sum(speeds) / len(speeds) == pytest.approx(28.0148, abs=1e-4)
    assert not found.refused
    holes = DATA / "vee" / "oed-readings" / "readings_ri_15_days_75_holes.csv"
    found = read_file(holes, Hints(layout=layout(OED)), PROFILES)
    _, seen = audit(found.series[0], is_events=False)
    assert (seen.gap_count, seen.missing, seen.rows) == (4, 288, 6912)


def test_rows_become_native_messages() -> None:
    text = "reading,start time,end time\n1,x,2022-08-18 00:15:00\n2,x,2022-08-18 00:30:00\n"
    found = read_table(text, layout(OED), PROFILES)
    (parcel,) = parcels_of(found.series, Found(), "site", PROFILES)
    assert parcel.topic == "tg/1/site/energy/oed/b"
    assert json.loads(parcel.payload) == {
        "p": "ei1",
        "t": 1_660_781_700_000,
        "r": [
            [0, 1_000_000, None, None, None, 900, None, 0],
            [900_000, 2_000_000, None, None, None, 900, None, 0],
        ],
    }
