"""Line protocol against the reference vectors and an independent parser."""

import json
import math
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import SinkRefusedError
from gateway.sinks.line_protocol import FieldValue, UnwritableError, encode_point, format_float
from tests.shared import SHARED, needs_shared

Parsed = tuple[str, dict[str, str], dict[str, FieldValue], int]


def vectors() -> list[Any]:
    if SHARED is None:
        return []
    file = SHARED / "data" / "conformance" / "line-protocol" / "encode.json"
    cases = json.loads(file.read_text("utf-8"))["encode"]
    return [pytest.param(case, id=key[:8]) for key, case in cases.items()]


@needs_shared
@pytest.mark.parametrize("case", vectors())
def test_a_reference_point_becomes_the_reference_line(case: Any) -> None:
    point = case["input"]["point"]
    tags = {tag["key"]: tag["value"] for tag in point["tags"]}
    fields = {}
    for field in point["fields"]:
        ((kind, value),) = field["value"].items()
        fields[field["key"]] = float(value) if kind == "float" else value
    if "error" in case["output"]:
        with pytest.raises(UnwritableError):
            encode_point(point["name"], tags, fields, point["time"])
    else:
        line = encode_point(point["name"], tags, fields, point["time"])
        assert line.decode() == case["output"]["result"]


@needs_shared
def test_all_115_reference_points_are_there() -> None:
    assert len(vectors()) == 115


def parse(line: str) -> Parsed:
    """Read a line as InfluxDB 1 does: a delimiter counts unless a backslash is right before it."""
    assert "\n" not in line
    head, rest = cut(line, " ")
    parts = split(head, ",")
    tags = {unescape(k): unescape(v) for k, v in (cut(part, "=") for part in parts[1:])}
    fields: dict[str, FieldValue] = {}
    while True:
        key, rest = cut(rest, "=")
        text, rest = value_and_rest(rest)
        fields[unescape(key)] = value_of(text)
        if not rest.startswith(","):
            break
        rest = rest[1:]
    return re.sub(r"\\([ ,])", r"\1", parts[0]), tags, fields, int(rest.removeprefix(" "))


def split(text: str, delimiter: str) -> list[str]:
    return re.split(rf"(?<!\\){delimiter}", text)


def cut(text: str, delimiter: str) -> tuple[str, str]:
    left, right = re.split(rf"(?<!\\){delimiter}", text, maxsplit=1)
    return left, right


def unescape(text: str) -> str:
    return re.sub(r"\\([ ,=])", r"\1", text)


def value_and_rest(text: str) -> tuple[str, str]:
    pattern = r'"(?:[^"\\]|\\.)*"' if text.startswith('"') else r"[^, ]+"
    match = re.match(pattern, text, re.DOTALL)
    assert match is not None
    return match[0], text[match.end() :]


def value_of(text: str) -> FieldValue:
    if text.startswith('"'):
        plain = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
        return re.sub(r"\\.", lambda match: plain[match[0]], text[1:-1], flags=re.DOTALL)
    if text in {"true", "false"}:
        return text == "true"
    return int(text[:-1]) if text.endswith("i") else float(text)


values = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
)


@given(
    st.text(),
    st.dictionaries(st.text(), st.text(), max_size=3),
    st.dictionaries(st.text(), values, min_size=1, max_size=3),
    st.integers(-(2**62), 2**62),
)
def test_any_point_reads_back_as_itself_or_is_refused(
    name: str, tags: dict[str, str], fields: dict[str, FieldValue], time: int
) -> None:
    try:
        line = encode_point(name, tags, fields, time).decode()
    except UnwritableError:
        return
    assert parse(line) == (name, tags, fields, time)


@given(st.text(alphabet=',= \\"a\n\t\0#🚦é', min_size=1), st.text(alphabet=',= \\"a🚦', min_size=1))
def test_a_hostile_identifier_reads_back_as_itself_or_is_refused(value: str, name: str) -> None:
    try:
        line = encode_point(name, {"device": value}, {"p": 1.0}, 0).decode()
    except UnwritableError:
        return
    assert parse(line) == (name, {"device": value}, {"p": 1.0}, 0)


@given(st.text(alphabet="abcé ,=\"'🚦-", min_size=1))
def test_an_ordinary_identifier_is_never_refused(value: str) -> None:
    assert parse(encode_point("em1", {"device": value}, {"p": 1.0}, 0).decode())[1] == {
        "device": value
    }


@pytest.mark.parametrize(
    ("name", "tags", "fields", "time"),
    [
        ("", {}, {"p": 1.0}, 0),
        ("#em1", {}, {"p": 1.0}, 0),
        ("em1\n", {}, {"p": 1.0}, 0),
        ("em1", {"device": "a\nem1,device=b p=1"}, {"p": 1.0}, 0),
        ("em1", {"device": "a\0"}, {"p": 1.0}, 0),
        ("em1", {"device": "a\\"}, {"p": 1.0}, 0),
        ("em1", {"device\\": "a"}, {"p": 1.0}, 0),
        ("em1", {"device": "\ud800"}, {"p": 1.0}, 0),
        ("em1", {"time": "a"}, {"p": 1.0}, 0),
        ("em1", {"p": "a"}, {"p": 1.0}, 0),
        ("em1", {}, {}, 0),
        ("em1", {}, {"time": 1.0}, 0),
        ("em1", {}, {"p": math.nan}, 0),
        ("em1", {}, {"p": math.inf}, 0),
        ("em1", {}, {"p": -math.inf}, 0),
        ("em1", {}, {"p": 1 << 63}, 0),
        ("em1", {}, {"text": "a\0b"}, 0),
        ("em1", {}, {"p": 1.0}, 1 << 64),
    ],
)
def test_what_cannot_be_represented_is_refused(
    name: str, tags: dict[str, str], fields: dict[str, FieldValue], time: int
) -> None:
    with pytest.raises(UnwritableError):
        encode_point(name, tags, fields, time)


def test_a_refused_point_is_handled_like_one_the_server_refuses() -> None:
    assert issubclass(UnwritableError, SinkRefusedError)


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(2.0**-24)  # 5.960464477539063e-08: shortest digits, but not the nearest sixteen
@example(-0.0)
def test_a_float_reads_back_to_the_last_bit(value: float) -> None:
    assert float(format_float(value)).hex() == value.hex()
