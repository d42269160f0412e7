"""Inputs of telegraf's json_v2 parser, where a mapping can say what is wanted of them.

A point of telegraf has fields of any name; a reading has columns of a profile. So the numbers are
compared, point by point, and the times where the input has them (telegraf's own times are a clock
of its test machine elsewhere). Tags that tell points apart are names of parts here.
"""

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
READING = '[[message.reading]]\nprofile = "any1"\n%s\n[message.reading.columns]\n%s'

CASES = {
    "10670": READING % ("", 'a = "weight_weight"'),
    "array_of_objects": READING % ('at = "features.*"', 'a = "properties.mag"'),
    "fields_and_tags_complex": READING
    % ('at = "root.station[0].etd.*.estimate.*"', 'a = "minutes"'),
    "nested_tags": READING % ('at = "*"', 'a = "Count"\nb = "Errors"'),
    "timestamp": READING % ('at = "measurements.*"', 'a = "value"'),
    "timestamp_ns": READING % ('at = "test.*"', 'a = "value"'),
    "null": READING % ('at = "features.*"', 'a = "properties.mag"'),
}
# fields that are no measurement: times and texts beside it
_OTHERS = {"time", "updated"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("profiles")
    text = PROFILE + "".join(COLUMN % name for name in "abc")
    (made / "any1.toml").write_text(text, "utf-8")
    return made


def read(case: str, mapping: str, folder: Path) -> Outcome:
    profiles = load_profiles(folder)
    family = parse_family(FAMILY + mapping, Path(f"{case}.toml"))
    formats = [MappedFamily(family, Options(profiles, (), None, "site"))]
    return try_message(formats, "t", payload(case), RECEIVED_MS, profiles)


def payload(case: str) -> bytes:
    assert SHARED is not None
    return (inputs() / case / "input.json").read_bytes()


def inputs() -> Path:
    assert SHARED is not None
    return SHARED / "data" / "conformance" / "telegraf-json_v2" / "testdata"


def points(case: str) -> Iterator[list[float]]:
    """Return the numbers of each expected point; its fields stand after the first plain blank."""
    for line in (inputs() / case / "expected.out").read_text("utf-8").splitlines():
        fields = re.split(r"(?<!\\) ", line)[1] if line.strip() else ""
        found = re.findall(r"(?:^|,)([^=,]+)=(-?[\d.]+(?:e[+-]?\d+)?)[iu]?(?=,|$)", fields)
        if found:
            yield sorted(float(number) for name, number in found if name not in _OTHERS)


@pytest.mark.parametrize("case", CASES)
def test_the_numbers_of_every_point_are_there(case: str, folder: Path) -> None:
    got = read(case, CASES[case], folder)
    assert got.refused is None
    made = sorted(sorted(row.values.values()) for row in got.readings)
    assert made == [pytest.approx(numbers) for numbers in sorted(points(case))]


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
