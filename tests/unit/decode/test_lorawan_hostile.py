"""Frames that no sensor sends: refused whole, or read within bounds; nothing is made up."""

import math
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.decode.foreign.family import CODECS, SHIPPED
from gateway.decode.foreign.lorawan.codecs import Codecs, Frame
from gateway.decode.foreign.lorawan.fields import compile_field
from gateway.decode.foreign.lorawan.forms import EntryForm, FieldForm, load_codec_files
from gateway.decode.foreign.lorawan.formula import MAX_CHARS, compile_formula
from gateway.decode.foreign.lorawan.numbers import parse_kind
from gateway.decode.foreign.lorawan.table import (
    MAX_FRAME_BYTES,
    Table,
    compile_table,
    parameters_of,
)
from gateway.decode.foreign.lorawan.tagged import CHANNELS, Said, Tagged
from gateway.decode.foreign.mapped import MAX_REPORT_BYTES
from gateway.errors import RejectedError
from gateway.model import QuarantineReason
from tests.unit.decode.support import PROFILES, kept

FILES = load_codec_files(SHIPPED / CODECS)
CODEC = Codecs(FILES.values(), PROFILES)
TABLES: list[tuple[str, Table]] = [
    (maker, compile_table(file, model, PROFILES, dict.fromkeys(parameters_of(file, model), 1.0)))
    for maker, file in FILES.items()
    for model in file.models
]
PORTS = sorted({port for _, table in TABLES for ports, _ in table.layouts for port in ports})
# reasons that a frame may be refused for, "" = it is read
REASONS = {"", QuarantineReason.UNMAPPED, QuarantineReason.SCHEMA, QuarantineReason.TOO_LARGE}
EXAMPLES = [
    Frame(one.port, bytes.fromhex(one.frame), one.model, ())
    for file in FILES.values()
    for one in file.example
    if one.refused is None and one.model
]


def names_in(maker: str) -> set[str]:
    """Return all names that a file has."""
    found = {CHANNELS, "before"}
    for layout in FILES[maker].layout:
        fields: list[FieldForm] = [one for block in layout.blocks for one in block.fields]
        for entry in layout.entries.values():
            if isinstance(entry, EntryForm):
                fields += entry.fields
                found |= {*entry.says, entry.list}
            else:
                fields += entry
        found |= {field.name for field in fields}
        found |= {bit.name for field in fields for bit in field.bits}
    return found


def check(maker: str, said: list[Said]) -> None:
    """See that what was read is within bounds and has names of the file only."""
    assert len(msgspec.json.encode([one.values for one in said])) <= 2 * MAX_REPORT_BYTES
    assert len(said) <= MAX_FRAME_BYTES
    known = names_in(maker)
    for one in said:
        for name, value in kept(one.values):
            assert name in known or name.isdigit()
            assert not isinstance(value, float) or math.isfinite(value)


# tags of the files make frames that get further than random bytes
TAGS = sorted(
    {
        bytes.fromhex(tag.replace("**", "01"))
        for _, table in TABLES
        for _, layout in table.layouts
        if isinstance(layout, Tagged)
        for tag in layout.entries
    }
)
PIECES = st.one_of(st.sampled_from(TAGS), st.binary(max_size=12))
FRAMES = st.lists(PIECES, max_size=24).map(b"".join)


def reason_or(read: Callable[[], tuple[str, list[Said]]]) -> str:
    """Return the reason of the quarantine, "" for a frame that was read, within bounds."""
    try:
        maker, said = read()
    except RejectedError as error:
        return error.reason
    check(maker, said)
    return ""


@given(st.sampled_from(TABLES), st.sampled_from(PORTS), FRAMES)
@example(TABLES[0], 5, b"")
@example(TABLES[0], 5, bytes(MAX_FRAME_BYTES + 1))
def test_any_bytes_are_read_within_bounds_or_refused(
    of: tuple[str, Table], port: int, frame: bytes
) -> None:
    maker, table = of
    assert reason_or(lambda: (maker, table.read(port, frame, is_declared=True))) in REASONS


@given(
    st.integers(0, 255), FRAMES, st.text(max_size=40), st.lists(st.text(max_size=40), max_size=2)
)
def test_any_frame_of_anybody_is_read_by_a_codec_or_refused(
    port: int, frame: bytes, declared: str, said: list[str]
) -> None:
    def read() -> tuple[str, list[Said]]:
        table, found = CODEC.read(Frame(port, frame, declared, tuple(said)))
        return table.title.split()[0], found

    assert reason_or(read) in REASONS


def pairs(frame: Frame) -> list[tuple[str, object]]:
    """Return names and values of all that a frame says."""
    found = [one for said in CODEC.read(frame)[1] for one in kept(said.values)]
    return [(name, value) for name, value in found if not isinstance(value, dict | list)]


@pytest.mark.parametrize("at", range(len(EXAMPLES)))
def test_a_frame_that_is_cut_off_is_refused_or_says_less(at: int) -> None:
    """A tagged frame may be cut between entries: then it is a shorter frame, and says the same."""
    frame = EXAMPLES[at]
    whole = pairs(frame)
    for end in range(len(frame.data)):
        try:
            cut = pairs(frame._replace(data=frame.data[:end]))
        except RejectedError:
            continue
        assert all(one in whole for one in cut), end


@pytest.mark.parametrize("at", range(len(EXAMPLES)))
def test_an_unknown_entry_at_the_end_refuses_all_of_it(at: int) -> None:
    frame = EXAMPLES[at]
    with pytest.raises(RejectedError):
        CODEC.read(frame._replace(data=frame.data + b"\xee\xee"))


@given(st.text(alphabet="x01+-*/(). lnsqrtmai,eE_[]'\"", max_size=60), st.floats())
def test_any_text_is_a_formula_or_named_wrong(text: str, value: float) -> None:
    try:
        run = compile_formula(text, ("x0", "x1"))
    except ValueError:
        return
    found = run({"x0": value, "x1": 3.0})
    assert math.isnan(found) or math.isfinite(found)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "x0.real",
        "(lambda: 1)()",
        "x0 ** x0",
        "2 ** 9999",
        "[1][0]",
        "x0 if x0 else 1",
        "True",
        "unknown + 1",
        "ln(1, 2)",
        "x0 = 1",
        "1 +",
        "+" * (MAX_CHARS + 1),
        "x0 * " + "9" * 350,  # more than a double holds
        "x0 * 1e999",
    ],
)
def test_a_formula_is_arithmetic_and_nothing_else(text: str) -> None:
    with pytest.raises(ValueError, match=r"formula|power|characters"):
        compile_formula(text, ("x0",))


@pytest.mark.parametrize(
    ("text", "values", "wanted"),
    [
        ("175 * x0 / 65535 - 45", {"x0": 65535.0}, 130.0),
        ("-x0 ** 2", {"x0": 3.0}, -9.0),
        ("max(x0, 2) + min(x0, 2)", {"x0": 5.0}, 7.0),
        ("ln(x0)", {"x0": math.e}, 1.0),
        ("sqrt(x0) / 2", {"x0": 16.0}, 2.0),
        ("1 / x0", {"x0": 0.0}, math.nan),
        ("ln(x0)", {"x0": -1.0}, math.nan),
        ("x0 ** 8 * x0 ** 8", {"x0": 1e30}, math.nan),
    ],
)
def test_a_formula_has_the_value_of_its_arithmetic(
    text: str, values: dict[str, float], wanted: float
) -> None:
    assert compile_formula(text, values)(values) == pytest.approx(wanted, nan_ok=True)


@pytest.mark.parametrize(
    ("kind", "raw", "wanted"),
    [
        ("u16", "0102", 258),
        ("u16le", "0102", 513),
        ("i16", "ffce", -50),
        ("i24le", "feffff", -2),
        ("f32", "3fc00000", 1.5),
        ("f32le", "0000c03f", 1.5),
        ("hex:2", "a0b1", "a0b1"),
        ("bytes:2", "0a01", (10, 1)),
        ("nibbles:1", "a1", (10, 1)),
        ("text:4", "41620000", "Ab"),
    ],
)
def test_a_raw_value_is_what_its_kind_says(kind: str, raw: str, wanted: object) -> None:
    found = parse_kind(kind, "big")
    assert found.size == len(raw) // 2
    assert found.read(bytes.fromhex(raw)) == wanted


@pytest.mark.parametrize("kind", ["u12", "f16", "text", "bytes:*", "hex", "", "u16xe", "skip:1000"])
def test_there_are_no_other_kinds(kind: str) -> None:
    with pytest.raises(ValueError, match="no kind of value"):
        parse_kind(kind, "big")


@pytest.mark.parametrize(
    "wrong",
    [
        {"as": "i16", "words": {"0xffff": "read failed"}},  # it reads -1
        {"as": "u16", "words": {"-1": "read failed"}},
        {"as": "u8", "none": [256]},
        {"as": "i8", "none": [-129]},
        {"as": "f32", "none": [0]},
        {"as": "hex:2", "words": {"0": "nothing"}},
        {"bits": [{"name": "door", "at": 0, "words": ["shut", "open", "ajar"]}]},
        {"bits": [{"name": "t", "at": 0, "count": 4, "signed": True, "words": {"8": "none"}}]},
    ],
)
def test_a_raw_that_a_field_never_reads_is_named(wrong: dict[str, object]) -> None:
    """Its word would never be said, and what stands for "not measured" be a measurement."""
    with pytest.raises(ValueError, match=r"^t: raw -?\d+ is not|^door: raw 2 is not"):
        compile_field(FieldForm.model_validate({"name": "t", **wrong}), "little")


@pytest.mark.parametrize(
    "right",
    [
        {"as": "i16", "words": {"-1": "read failed", "-0x8000": "broken"}, "none": [32767]},
        {"as": "u64", "none": [2**63 - 1]},
        {"bits": [{"name": "t", "at": 0, "count": 4, "signed": True, "words": {"-8": "none"}}]},
    ],
)
def test_the_least_and_the_most_of_a_kind_may_have_a_word(right: dict[str, object]) -> None:
    compile_field(FieldForm.model_validate({"name": "t", **right}), "little")
