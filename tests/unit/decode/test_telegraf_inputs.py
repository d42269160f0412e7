"""Inputs of telegraf's json_v2 parser, where a mapping can say what is wanted of them.

A point of telegraf has fields of any name; a reading has columns of a profile. So the numbers are
compared, point by point, and the times where the input has them (telegraf's own times are a clock
of its test machine elsewhere). Tags that tell points apart are names of parts here.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from gateway.decode.foreign.family import parse_family
from gateway.decode.foreign.mapped import MappedFamily
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.trial import Outcome, try_message
from gateway.profiles import load_profiles
from tests.shared import SHARED, needs_shared
from tests.unit.decode.support import RECEIVED_MS

pytestmark = needs_shared

PROFILE = """
name = "any1"
number = 900
title = "Numbers"
sector = "urban"
sparse = true
"""
COLUMN = """
[[column]]
name = "%s"
title = "a number"
unit = "1"
kind = "gauge"
min = -1e15
max = 1e15
"""
FAMILY = 'family = "t"\ntitle = "t"\nsource = "telegraf"\n[[message]]\nname = "m"\ntopic = ["t"]\n'
READING = '[[message.reading]]\nprofile = "any1"\n%s\n[message.reading.columns]\n%s\n'

_OFFSETS = (
    *('a = "LogEndOffset"', 'b = "LogStartOffset"', 'c = "NumLogSegments"', 'd = "Size"'),
    'e = "UnderReplicatedPartitions"',
)
CASES = {
    "10670": READING % ("", 'a = "weight_weight"'),
    "array_of_objects": READING % ('at = "features.*"', 'a = "properties.mag"'),
    "fields_and_tags_complex": READING
    % ('at = "root.station[0].etd.*.estimate.*"', 'a = "minutes"'),
    "nested_tags": READING % ('at = "*"', 'a = "Count"\nb = "Errors"'),
    "timestamp": READING % ('at = "measurements.*"', 'a = "value"'),
    "timestamp_ns": READING % ('at = "test.*"', 'a = "value"'),
    "null": READING % ('at = "features.*"', 'a = "properties.mag"'),
    "benchmark": READING % ('at = "metrics.*"', 'a = "fields.count_sum"'),
    "mix_field_and_object": READING
    % ("", 'a = "coord.lat"\nb = "coord.lon"\nc = "main.temp"\nd = "wind.speed"'),
    "multiple_json_input": READING % ('at = "root.station.*"', 'a = "etd[0].estimate[0].minutes"'),
    "nested_array_of_objects": READING % ('at = "*.data"', "\n".join(_OFFSETS)),
    "nested_tags_complex": READING % ("at = '*.*[\"Sub-group 1\"].*'", 'a = "Count"\nb = "Errors"'),
    "object": READING % ('at = "root.station.*.etd.*.estimate.*"', 'a = "minutes"'),
    "object_fields_with_same_path": READING
    % ('part = "p"', 'a = "production.eim.wattHoursLifetime"')
    + READING % ('part = "c"', 'a = "consumption.eim.wattHoursLifetime"'),
    "object_multiple": READING
    % (
        'at = "api.http_status_codes"\npart = "codes"',
        "\n".join(
            f"{name} = '[\"{code}\"]'"
            for name, code in zip("abcdefg", (200, 201, 202, 204, 404, 500, 503), strict=True)
        ),
    )
    + READING % ('part = "requests"', 'a = "api.requests"')
    + READING % ('part = "responses"', 'a = "api.responses"')
    + READING % ('at = "api.av.sessions"\npart = "sessions"', 'a = "added"\nb = "removed"'),
    "optional_objects": READING
    % ('at = "BME280"\npart = "bme"', 'a = "Humidity"\nb = "Pressure"\nc = "Temperature"')
    + READING % ('at = "TSL2561"\npart = "tsl"', 'a = "Illuminance"')
    + READING % ('at = "MT681"\npart = "mt"', 'a = "Power_curr"\nb = "Total_in"'),
    "subfieldtag_in_object": READING
    % ('at = "root.station.*"', 'a = "etd[0].estimate[0].minutes"'),
}
CASES["nested_objects_optional"] = (
    READING % ('has = ["value"]', 'a = "value"')
    + READING % ('at = "metrics.*"\nequals = { datatype = "float" }\npart = "f"', 'a = "value"')
    + READING % ('at = "metrics.*"\nequals = { datatype = "int" }\npart = "i"', 'a = "value"')
)
# Telegraf repeats a value of the message in the point of each element; here it is stored once, with
# its own device: what a meter says of all its outputs is no measurement of each of them.
ONCE = {
    "complex_nesting": READING
    % (
        'at = "features.*"',
        'a = "properties.mag"\n'
        + "\n".join(f'{name} = "geometry.coordinates[{n}]"' for n, name in enumerate("bcd")),
    ),
    "fields_and_tags": READING % ('at = "fields"', 'a = "duration"')
    + READING % ('at = "fields.json.*"\npart = "json"', 'b = "duration"'),
    "nested_and_nonnested_tags": READING % ('at = "*"', 'a = "systemVoltage"\nb = "systemCurrent"'),
    "subfieldtag_in_object_2": READING % ("", 'a = "cnt"\nb = "format"'),
}
# No number is wanted of these but texts: they are kept as sent, in the report.
KEPT: dict[str, tuple[str, str]] = {  # the time of the message, a text that must be there
    "measurement_name_int": ('{ path = "lastUpdate", format = "unix_ms" }', "Basic"),
    "multiple_timestamps": ('{ path = "none" }', "flood"),
    "string_type_objects": ('{ path = "timestamp" }', "METER_CONNECTION_QUALITY"),
    "timestamp_rfc3339": ('{ path = "when" }', "value"),
}
# Nothing is wanted, or an error; those of ``OWN`` have a test of their own below.
OWN = {"large_numbers", "object_timestamp", "optional", "types", "wrong_path"}
NOT_SAID = {"multiple_arrays_in_object": "the product of three arrays, of texts"}
# fields that are no measurement: times and texts beside it
RESOLUTION = 1e-6  # of a column
_OTHERS = {"time", "updated", "timestamp"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("profiles")
    text = PROFILE + "".join(COLUMN % name for name in "abcdefg")
    (made / "any1.toml").write_text(text, "utf-8")
    return made


def outcomes(case: str, mapping: str, folder: Path) -> list[Outcome]:
    """Return what each input of a case becomes."""
    profiles = load_profiles(folder)
    family = parse_family(FAMILY + mapping, Path(f"{case}.toml"))
    formats = [MappedFamily(family, Options(profiles, (), None, "site"))]
    return [
        try_message(formats, "t", file.read_bytes(), RECEIVED_MS, profiles)
        for pattern in ("input*.json", "nested*.json")
        for file in sorted((inputs() / case).glob(pattern))
    ]


def read(case: str, mapping: str, folder: Path) -> Outcome:
    (got,) = outcomes(case, mapping, folder)
    return got


def inputs() -> Path:
    assert SHARED is not None
    return SHARED / "data" / "conformance" / "telegraf-json_v2" / "testdata"


def points(case: str) -> Iterator[list[float]]:
    """Return the numbers of each expected point; its fields stand after the first plain blank."""
    for line in (inputs() / case / "expected.out").read_text("utf-8").splitlines():
        plain = re.sub(r'"(?:[^"\\]|\\.)*"', "", line)  # texts may hold blanks
        fields = re.split(r"(?<!\\) ", plain)[1] if line.strip() else ""
        found = re.findall(r"(?:^|,)([^=,]+)=(-?[\d.]+(?:e[+-]?\d+)?)[iu]?(?=,|$)", fields)
        if found:
            yield sorted(float(number) for name, number in found if name not in _OTHERS)


@pytest.mark.parametrize("case", CASES)
def test_the_numbers_of_every_point_are_there(case: str, folder: Path) -> None:
    found = outcomes(case, CASES[case], folder)
    assert [got.refused for got in found] == [None] * len(found)
    made = sorted(sorted(row.values.values()) for got in found for row in got.readings)
    assert made == [pytest.approx(numbers, abs=RESOLUTION) for numbers in sorted(points(case))]


@pytest.mark.parametrize("case", ONCE)
def test_every_number_is_there_once(case: str, folder: Path) -> None:
    found = outcomes(case, ONCE[case], folder)
    assert [got.refused for got in found] == [None] * len(found)
    wanted = {number for numbers in points(case) for number in numbers}
    wanted -= {1.626277167263e12}  # ``updated``, a time
    made = {value for got in found for row in got.readings for value in row.values.values()}
    assert sorted(made) == pytest.approx(sorted(wanted))


@pytest.mark.parametrize("case", KEPT)
def test_texts_are_kept_as_sent_at_the_time_of_their_message(case: str, folder: Path) -> None:
    time, text = KEPT[case]
    got = read(case, f"time = {time}\n", folder)
    sent = json.loads(next((inputs() / case).glob("*.json")).read_text("utf-8"))
    assert got.readings == []
    assert all(got.kept.get(key) == value for key, value in sent.items() if key not in time)
    assert text in json.dumps(got.kept)
    wanted_ms = {
        "measurement_name_int": 1_584_636_017_962,
        "string_type_objects": 1_741_594_826_506,  # 2025-03-10T08:20:26.506Z
        "timestamp_rfc3339": 1_644_434_944_000,
    }
    assert got.kept_ms == wanted_ms.get(case, RECEIVED_MS)


def test_a_path_that_is_not_there_costs_nothing_unless_it_is_needed(folder: Path) -> None:
    mapping = READING % ("", 'a = "wrong"')
    got = read("optional", mapping, folder)
    assert (got.refused, got.readings, got.kept) == (None, [], {"test": "test"})
    got = read("wrong_path", 'needs = ["wrong"]\n' + mapping, folder)
    assert got.refused == "unmapped"


def test_numbers_in_texts_are_numbers_and_yes_and_no_have_codes(folder: Path) -> None:
    """The points of floats and of Booleans; one of 3.1 cut to 3 is not to be had."""
    floats = (
        'a = "explicitfloattype"\nb = "defaultfloattype"\nc = "convertintotfloat"\n'
        'd = "convertstringtofloat"'
    )
    answers_at = (
        *("explicitbooltype", "defaultbooltype", "convertinttobool", "convertstringtobool"),
        *("convertintstringtoboolTrue", "convertintstringtoboolFalse"),
    )
    columns = "\n".join(
        f'{key} = {{ path = "{name}", codes = {{ true = 1, false = 0 }} }}'
        for key, name in zip("abcdef", answers_at, strict=True)
    )
    mapping = READING % ('part = "f"', floats) + READING % ('part = "b"', columns)
    numbers, answers = (row.values for row in read("types", mapping, folder).readings)
    assert sorted(numbers.values()) in list(points("types"))
    assert answers == {"a": 1, "b": 0, "c": 1, "d": 0, "e": 1, "f": 0}


def test_every_input_is_tried_or_has_its_reason() -> None:
    names = {folder.name for folder in inputs().iterdir()}
    assert names == CASES.keys() | ONCE.keys() | KEPT.keys() | OWN | NOT_SAID.keys()
    figures = len(CASES), len(ONCE), len(KEPT), len(OWN), len(NOT_SAID)
    assert (sum(figures), figures) == (32, (18, 4, 4, 5, 1))


def test_times_of_rows_are_their_own(folder: Path) -> None:
    time = 'time = { path = "time" }'
    mapping = READING % (f'at = "events.*"\n{time}', 'a = "value"')
    got = read("object_timestamp", mapping, folder)
    wanted = {100.123: "2020-12-31T23:59:59+00:00", 200.001: "2010-06-15T12:30:00+00:00"}
    for row in got.readings[:2]:
        moment = datetime.fromisoformat(wanted[row.values["a"]])
        assert row.time_ms == moment.timestamp() * 1000
    assert got.readings[2].is_stamped  # 2000-01-01 is a clock that nobody has set


def test_a_time_of_the_message_is_that_of_all_its_rows(folder: Path) -> None:
    time = 'time = { path = "time", format = "unix_ms" }\n'
    got = read("timestamp", time + CASES["timestamp"], folder)
    assert {row.time_ms for row in got.readings} == {1_555_745_371_410}
    assert not any(row.is_stamped for row in got.readings)


def test_a_number_that_no_column_can_hold_exactly_stays_as_sent(folder: Path) -> None:
    columns = 'a = "large"\nb = "larger"\nc = "largest"'
    got = read("large_numbers", READING % ('at = "int"', columns), folder)
    (row,) = got.readings
    assert row.values == {"a": 4_294_967_296, "b": 9_007_199_254_740_991}
    assert got.kept["int"] == {"largest": 9_223_372_036_854_775_807}
