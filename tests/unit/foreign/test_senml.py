"""SenML packs: the examples of RFC 8428, and the rules around them."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.decode.foreign.senml import Resolved, read_cbor, read_json
from gateway.errors import RejectedError
from tests.shared import SHARED, needs_shared
from tests.unit.foreign.rig import FEW, RECEIVED_MS, Rig


def resolve(*records: dict[str, object]) -> list[Resolved]:
    return read_json(json.dumps(records).encode())


@needs_shared
@pytest.mark.parametrize("number", range(1, 13))
def test_the_examples_of_the_rfc_resolve_as_it_says(number: int) -> None:
    assert SHARED is not None
    folder = SHARED / "data" / "conformance" / "senml"
    resolved = json.loads((folder / f"ex{number}.gen.resolved.json").read_text("utf-8"))
    packs = [read_json((folder / f"ex{number}{end}.json").read_bytes()) for end in ("", ".gen")]
    cbor = folder / f"ex{number}.gen.cbor"
    packs += [read_cbor(cbor.read_bytes())] if cbor.exists() else []
    for pack in packs:
        # the resolved form of example 7 leaves its data value out
        ours = [one for one in pack if not one.name.endswith("nfv-reader")]
        assert len(ours) == len(resolved)
        for one, wanted in zip(ours, resolved, strict=True):
            value = next(wanted[key] for key in ("v", "vs", "vb") if key in wanted)
            assert (one.name, one.unit) == (wanted["n"], wanted.get("u", ""))
            assert (
                one.value == value
                if isinstance(value, str | bool)
                else float(one.value or 0) == value
            )
            if not one.is_relative:  # the RFC resolved those without time at its own "now"
                assert one.time_ms == round(wanted["t"] * 1000)


@needs_shared
def test_the_example_without_resolved_form_is_worked_out_here() -> None:
    """Example 13: base time 1320078429 and base unit "/" of all four, the last two 0.1 s later."""
    assert SHARED is not None
    folder = SHARED / "data" / "conformance" / "senml"
    for name in ("ex13.json", "ex13.gen.json"):
        found = read_json((folder / name).read_bytes())
        assert [(one.name[-1], one.unit, float(one.value or 0), one.time_ms) for one in found] == [
            ("3", "/", 0.5, 1_320_078_429_000),
            ("4", "/", 0.5, 1_320_078_429_000),
            ("3", "/", 0, 1_320_078_429_100),
            ("4", "/", 0, 1_320_078_429_100),
        ]


def test_base_value_and_base_sum_are_added() -> None:
    """bv 20 + v 3.5 = 23.5; bs 100 + s 5 = 105; a base sum alone is one of each value."""
    first, second = resolve(
        {"bn": "dev:", "bv": 20, "bs": 100, "n": "a", "v": 3.5, "s": 5}, {"n": "b", "v": -1}
    )
    assert (float(first.value or 0), first.total) == (23.5, 105)
    assert (second.value, second.total) == (19, 100)


def test_a_sum_without_value_is_a_record() -> None:
    (one,) = resolve({"n": "meter", "u": "W", "s": 3600})
    assert (one.value, one.total) == (None, 3600)


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([], "schema"),
        ([{"bver": 11, "n": "a", "v": 1}], "schema"),
        ([{"n": "a", "v": 1, "must_": 1}], "schema"),
        ([{"n": "a", "v": 1, "vs": "x"}], "schema"),
        ([{"v": 1}], "schema"),
        ([{"n": "ü", "v": 1}], "schema"),
        ([{"n": "a", "v": True}], "schema"),
        ([{"n": "a", "v": 1e300}], "schema"),
        ([{"n": "a", "t": "1"}], "schema"),
        ([{"bn": "a"}], "schema"),
    ],
)
def test_what_is_no_pack_is_refused(records: list[dict[str, object]], reason: str) -> None:
    with pytest.raises(RejectedError, match=reason):
        resolve(*records)


def test_packs_become_rows_of_devices_and_times() -> None:
    pack = [
        {
            "bn": "urn:dev:ow:10e2073a01080063:",
            "bt": 1_795_300_200,
            "n": "temperature",
            "u": "Cel",
            "v": 23.1,
        },
        {"n": "humidity", "u": "%RH", "v": 45.5},
        {"n": "temperature", "u": "Cel", "t": 60, "v": 23.2},
    ]
    first, second = Rig().send("senml/any", json.dumps(pack).encode())
    assert first.device == "urn-dev-ow-10e2073a01080063"
    assert (first.time_ms, first.values) == (1_795_300_200_000, {"temp": 23.1, "rh": 45.5})
    assert (second.time_ms, second.values) == (1_795_300_260_000, {"temp": 23.2})


def test_a_relative_time_is_before_the_receive_time_and_now_is_stamped() -> None:
    pack = [
        {"bn": "dev1:", "n": "temp", "u": "Cel", "t": -5, "v": 20},
        {"n": "temp", "u": "Cel", "v": 21},
    ]
    before, now = sorted(Rig().send("x/y", json.dumps(pack).encode()), key=lambda one: one.time_ms)
    assert (before.time_ms, before.is_stamped) == (RECEIVED_MS - 5000, False)
    assert (now.time_ms, now.is_stamped) == (RECEIVED_MS, True)


def test_a_quantity_without_column_is_named_and_none_of_them_is_quarantined() -> None:
    rig = Rig()
    odd = {"bn": "dev1:", "n": "mystery", "u": "Bq", "v": 1}
    assert rig.why("x/y", json.dumps([odd]).encode()) == "unmapped"
    (row,) = rig.send("x/y", json.dumps([odd, {"n": "temp", "u": "Cel", "v": 20}]).encode())
    assert row.values == {"temp": 20}
    assert json.loads(rig.events[0].detail) == {"without_column": ["dev1:mystery"]}


@FEW
@given(
    values=st.lists(
        st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9),
        min_size=1,
        max_size=20,
    )
)
def test_cbor_and_json_say_the_same(values: list[float]) -> None:
    """CBOR by hand: 82…: arrays of maps {0: "n", 2: float64}."""
    records = [{"n": f"q{place}", "v": value} for place, value in enumerate(values)]
    cbor = bytes([0x80 | len(values)]) if len(values) < 24 else b""
    for place, value in enumerate(values):
        name = f"q{place}".encode()
        cbor += (
            b"\xa2\x00" + bytes([0x60 | len(name)]) + name + b"\x02\xfb" + struct.pack(">d", value)
        )
    ours = [(one.name, float(one.value or 0)) for one in read_cbor(cbor)]
    assert ours == [(one.name, float(one.value or 0)) for one in resolve(*records)]
