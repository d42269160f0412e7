"""Rows as JSON and CBOR."""

import io
import json
import math
import tarfile
import time
from collections import Counter

import cbor2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.decode.cbor import cbor_item
from gateway.decode.text import is_json
from gateway.errors import RejectedError
from gateway.model import NO_SEQ
from tests.shared import SHARED, needs_shared
from tests.unit.decode.support import (
    BASE_MS,
    PROFILES,
    RECEIVED_MS,
    ROW,
    TOPIC,
    decode_one,
    message,
    why_rejected,
)

_INTEGERS = st.integers(-(2**53), 2**53)
_ROWS = st.lists(
    st.tuples(_INTEGERS, *[st.none() | _INTEGERS] * 6, st.none() | st.integers(0, 255)),
    min_size=1,
    max_size=5,
)


def _cbor(rows: object = (ROW,), **keys: object) -> bytes:
    return cbor2.dumps({"p": "em1", "t": BASE_MS, "r": rows, **keys})


def test_the_example_of_the_design_becomes_two_readings() -> None:
    batch = decode_one(
        b'{"p":"em1","log":7,"b":17,"n":48213,"t":1795300200000,"i":1800000,'
        b'"r":[[0,1234567,0,812,2304,371,982,0],[1800000,1234967,0,null,2301,371,982,2]]}'
    )
    readings = batch.readings
    assert readings.time_ms.tolist() == [1795300200000, 1795302000000]
    assert readings.seq.tolist() == [48213, 48214]
    assert readings.log.tolist() == [7, 7]
    assert batch.boot.tolist() == [17, 17]
    assert readings.status.tolist() == [0, 2]
    assert readings.values[0].tolist() == [1234567, 0, 812, 2304, 371, 982]
    assert math.isnan(readings.values[1, 2])
    assert not batch.is_stamped.any()


def test_without_numbers_identity_is_the_time() -> None:
    batch = decode_one(message([ROW, [1000, *ROW[1:]]]))
    assert batch.readings.seq.tolist() == [NO_SEQ, NO_SEQ]
    assert batch.readings.log.tolist() == [0, 0]
    assert batch.boot.tolist() == [-1, -1]


def test_without_a_clock_the_last_row_is_now_and_the_others_keep_their_distance() -> None:
    rows = [[dt, *ROW[1:]] for dt in (5000, 6000, 9000)]
    batch = decode_one(message(rows, t=0))
    assert (batch.readings.time_ms - RECEIVED_MS).tolist() == [-4000, -3000, 0]
    assert batch.is_stamped.all()


def test_lane_b_is_backlog() -> None:
    assert decode_one(message(), b"tg/1/site/energy/meter-1/b").is_backlog.all()
    assert not decode_one(message()).is_backlog.any()


@given(rows=_ROWS, seq=st.none() | st.integers(0, 2**53), clock=st.integers(0, 2**53))
def test_json_and_cbor_say_the_same_to_the_last_bit(
    rows: list[tuple[int | None, ...]], seq: int | None, clock: int
) -> None:
    keys = {} if seq is None else {"n": seq}
    as_json = decode_one(message(rows, t=clock, **keys))
    as_cbor = decode_one(_cbor(rows, t=clock, **keys))
    wanted = np.array([row[1:-1] for row in rows], dtype=np.float64)
    np.testing.assert_array_equal(as_json.readings.values, wanted)
    np.testing.assert_array_equal(as_cbor.readings.values, wanted)
    assert as_json.readings.time_ms.tolist() == as_cbor.readings.time_ms.tolist()
    if clock:
        assert as_json.readings.time_ms.tolist() == [clock + (row[0] or 0) for row in rows]
    assert as_json.readings.status.tolist() == [row[-1] or 0 for row in rows]
    assert as_json.readings.seq.tolist() == as_cbor.readings.seq.tolist()


@pytest.mark.parametrize(
    "bad",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        '"812"',
        "true",
        "812.5",
        "8.0",
        "1e2",
        "[1]",
        "{}",
        str(2**53 + 1),
        str(-(2**53) - 1),
        "9" * 5000,
    ],
)
def test_a_value_is_an_integer_that_float64_holds_exactly(bad: str) -> None:
    payload = message().replace(b"812", bad.encode())
    assert why_rejected(payload) in {"schema", "encoding"}
    assert (why_rejected(payload) == "schema") == is_json(payload)


@pytest.mark.parametrize(
    "bad", [812.0, 812.5, math.nan, math.inf, True, "812", b"8", 2**53 + 1, [1]]
)
def test_cbor_is_as_strict(bad: object) -> None:
    assert why_rejected(_cbor([[*ROW[:3], bad, *ROW[4:]]])) == "schema"


@pytest.mark.parametrize(
    "keys",
    [
        {"n": -1}, {"n": 2**53 + 1}, {"n": None}, {"log": 2**32}, {"log": -1}, {"b": -1},
        {"b": 2**32}, {"t": -1}, {"t": 2**53 + 1}, {"t": 1.5}, {"t": None}, {"i": -5}, {"i": "1"},
        {"r": []}, {"r": None}, {"r": [[]]}, {"r": [ROW[:-1]]}, {"r": [[*ROW, 0]]}, {"r": {}},
        {"r": [ROW, ROW[:-1]]}, {"r": [[None, *ROW[1:]]]}, {"r": [[*ROW[:-1], 256]]},
        {"r": [[*ROW[:-1], -1]]}, {"p": 1}, {"p": None},
    ],
)  # fmt: skip
def test_keys_out_of_range_are_a_schema_error_in_both_encodings(keys: dict[str, object]) -> None:
    assert why_rejected(message(**keys)) == "schema"
    assert why_rejected(_cbor(**keys)) == "schema"


def test_the_offending_row_is_named() -> None:
    from_json = message([ROW, ROW, ROW[:-1]])
    with pytest.raises(Exception, match=r"\$\.r\[2\]"):
        decode_one(from_json)


@pytest.mark.parametrize("key", ["p", "t", "r", "n", "log", "b", "i", "unknown"])
def test_a_key_that_comes_twice_is_refused(key: str) -> None:
    once = message(n=1, log=2, b=3, i=4, unknown=5).decode()
    twice = once[:-1] + "," + once[once.index(f'"{key}"') : -1] + "}"
    assert json.loads(twice) == json.loads(once)  # the last one wins, quietly
    assert why_rejected(once.encode()) == "accepted"
    assert why_rejected(twice.encode()) == "schema"
    escaped = once[:-1] + f',"\\u{ord(key[0]):04x}{key[1:]}":1' + "}"
    assert why_rejected(escaped.encode()) in {"schema", "encoding"}


def test_a_key_that_comes_twice_is_refused_in_cbor() -> None:
    whole = _cbor(n=1)
    doubled = bytes([whole[0] + 1]) + whole[1:] + cbor2.dumps("n") + cbor2.dumps(2)
    assert why_rejected(whole) == "accepted"
    assert why_rejected(doubled) == "encoding"


def test_unknown_keys_are_tolerated_when_they_are_sound() -> None:
    assert why_rejected(message(fw="1.2:3", extra={"a": [1, 2]})) == "accepted"
    assert why_rejected(_cbor(fw="1.2", extra={"a": [1.5]})) == "accepted"
    assert why_rejected(message(x="~").replace(b"~", b"\xff")) == "encoding"
    assert why_rejected(message(x=1).replace(b'"x": 1', b'"x": NaN')) == "encoding"


def test_order_and_white_space_do_not_matter() -> None:
    text = json.dumps({"r": [ROW], "n": 5, "t": BASE_MS, "p": "em1"}, indent=3)
    for padded in (text, "\r\n\t " + text, text + "  \n"):
        assert decode_one(padded.encode()).readings.seq.tolist() == [5]


def test_a_profile_must_exist_and_be_of_the_topics_sector() -> None:
    assert why_rejected(message(p="em9")) == "profile"
    assert why_rejected(_cbor(p="em9")) == "profile"
    assert why_rejected(message(), b"tg/1/site/transport/lane-1/t") == "profile"
    assert why_rejected(_cbor(), b"tg/1/site/transport/lane-1/t") == "profile"


def test_a_message_has_at_most_4096_rows() -> None:
    assert len(decode_one(message([ROW] * 4096)).readings) == 4096
    assert why_rejected(message([ROW] * 4097)) == "too_large"
    assert why_rejected(_cbor([ROW] * 4097)) == "too_large"


def test_cbor_of_indefinite_length_is_read() -> None:
    row = b"\x9f" + b"".join(cbor2.dumps(value) for value in ROW) + b"\xff"
    payload = b"\xbf" + b"".join(cbor2.dumps(x) for x in ("p", "em1", "t", BASE_MS, "r"))
    assert decode_one(payload + b"\x9f" + row + b"\xff\xff").readings.values[0, 0] == ROW[1]


@pytest.mark.parametrize(
    "value",
    [
        "c24105",
        "c074323031332d30332d32315432303a30343a30305a",
        "d81c80",
        "d81d00",
        "d9010280",
        "d9d9f701",
        "d8630a",
        "81" * 60,
        "9f" * 60,
        "5bffffffffffffffff",
        "9bffffffffffffffff",
        "1c",
    ],
)
def test_tags_references_and_bombs_of_cbor_are_refused(value: str) -> None:
    payload = cbor2.dumps({"p": "em1", "t": 1, "r": [ROW]})
    spoilt = bytes([payload[0] + 1]) + payload[1:] + cbor2.dumps("x") + bytes.fromhex(value)
    assert why_rejected(spoilt) == "encoding"


def test_bytes_after_a_cbor_map_are_refused() -> None:
    assert why_rejected(_cbor() + b"\x00") == "encoding"


@pytest.mark.parametrize("profile", sorted(PROFILES))
@pytest.mark.parametrize("is_indefinite", [False, True])
def test_large_cbor_of_plain_rows_is_read(profile: str, *, is_indefinite: bool) -> None:
    width = len(PROFILES[profile].columns)
    count = min(4096, (120 << 10) // (4 + 2 * width))
    rows = [[n % 200, *[25 + n % 40] * width, 0] for n in range(count)]
    body = {"firmware": "1.4.2-rc1+esp32s3", "p": profile, "t": BASE_MS, "r": rows}
    stream = io.BytesIO()
    cbor2.CBOREncoder(stream, indefinite_containers=is_indefinite).encode(body)
    payload = stream.getvalue()
    assert 16 << 10 < len(payload) <= 128 << 10
    topic = f"tg/1/site/{PROFILES[profile].sector}/meter-1/t".encode()
    assert len(decode_one(payload, topic).boot) == count


def test_large_cbor_that_is_broken_says_so_and_what_is_no_row_is_too_large() -> None:
    payload = _cbor([ROW] * 2000)
    assert why_rejected(payload) == "accepted"
    assert why_rejected(payload[:-1]) == "encoding"
    assert why_rejected(payload[:20_000] + b"\x1c" + payload[20_000:]) == "encoding"
    assert why_rejected(_cbor([ROW] * 2000, x="a" * 24)) == "too_large"
    assert why_rejected(_cbor([[*ROW, *[0] * 40]] * 2000)) == "too_large"
    assert why_rejected(_cbor([[]] * 17_000)) == "too_large"


@pytest.mark.parametrize(
    "payload",
    [
        message().replace(b"812", b"8" * 5000),
        message(x=0).replace(b'"x": 0', b'"x": ' + b"8" * 5000),
        b"[" * 100_000,
        b'{"p":' * 100_000,
        message()[:-1] + b',"x":' + b"[" * 100_000,
        message()[:-1] + b',"x":[' + b'{"a":1},' * 120_000 + b"1]}",
        b'{"p":"em1","t":1,"r":[' + b"[1]," * 240_000 + b"[1]]}",
        b'{"p":"em1","t":1,"r":[' + b"[],\n" * 240_000 + b"x",
        b'{"p":"em1"' + b" " * 1_000_000 + b"}",
        b'"' + b"\\u0041" * 170_000 + b'"',
        b"\xa1\x61p" + b"\x7b\x00\x00\x00\x00\x00\x0f\x00\x00" + b"a" * 983_040,
        b"\xa1\x61r\x9f" + b"\x9f" * 900_000,
    ],
)
def test_hostile_payloads_are_refused_quickly(payload: bytes) -> None:
    best_s = math.inf
    for _ in range(5):  # the best of five: the machine may be busy with something else
        before_s = time.perf_counter()
        reason = why_rejected(payload)
        best_s = min(best_s, time.perf_counter() - before_s)
        assert reason in {"encoding", "schema", "too_large", "profile", "accepted"}
    assert best_s < 0.025  # 5 ms on a quiet machine


@needs_shared
def test_every_must_fail_file_of_jsontestsuite_is_an_encoding_error() -> None:
    counted = 0
    for name, payload in _json_suite():
        if name.startswith("n_"):
            counted += 1
            assert not is_json(payload), name
            assert why_rejected(payload) == "encoding", name
    assert counted == 188


@needs_shared
def test_no_must_pass_file_of_jsontestsuite_is_called_broken() -> None:
    counted = 0
    for name, payload in _json_suite():
        if name.startswith("y_"):
            counted += 1
            assert is_json(payload), name
            if payload.lstrip()[:1] in {b"{", b"["}:  # others do not even begin like rows
                assert why_rejected(payload) == "schema", name
    assert counted == 95


@needs_shared
def test_undecided_files_of_jsontestsuite_do_no_harm() -> None:
    for name, payload in _json_suite():
        assert why_rejected(payload) in {"schema", "encoding", "profile"}, name


@needs_shared
def test_the_vectors_of_rfc_8949_do_no_harm() -> None:
    assert SHARED is not None
    file = SHARED / "data" / "conformance" / "cbor" / "appendix_a.json"
    vectors = json.loads(file.read_text("utf-8"))
    assert len(vectors) > 80
    for vector in vectors:
        payload = bytes.fromhex(vector["hex"])
        for wrapped in (payload, b"\xa1\x61p" + payload, b"\xbf\x61r" + payload + b"\xff"):
            assert why_rejected(wrapped, TOPIC) in {"schema", "encoding", "profile"}


@needs_shared
def test_the_vectors_of_rfc_8949_decode_as_its_appendix_says() -> None:
    """All 82: 57 by their value, 16 by what the diagnostic notation says, 9 refused."""
    assert SHARED is not None
    file = SHARED / "data" / "conformance" / "cbor" / "appendix_a.json"
    fates: Counter[str] = Counter()
    for vector in json.loads(file.read_text("utf-8")):
        try:
            found = cbor_item(bytes.fromhex(vector["hex"]))
        except RejectedError:
            # tags 0, 1, 2, 3, 23, 24, 32; and a simple value that the RFC calls invalid by now
            is_meant = vector["hex"][0] in "cd" or vector["hex"] == "f818"
            fates["refused" if is_meant else vector["hex"]] += 1
            continue
        if "decoded" in vector:
            assert (found, type(found)) == (vector["decoded"], type(vector["decoded"]))
            fates["value"] += 1
        else:
            assert _diagnostic(found) == _DIAGNOSTICS.get(
                vector["diagnostic"], vector["diagnostic"]
            )
            fates["diagnostic"] += 1
    assert fates == {"value": 57, "diagnostic": 16, "refused": 9}


_DIAGNOSTICS = {"(_ h'0102', h'030405')": "h'0102030405'"}  # pieces of one string


def _diagnostic(found: object) -> str:
    """Return an item in diagnostic notation (RFC 8949 §8), as far as the vectors need it."""
    if isinstance(found, bytes):
        return f"h'{found.hex()}'"
    if isinstance(found, dict):
        return "{" + ", ".join(f"{key}: {value}" for key, value in found.items()) + "}"
    if isinstance(found, float):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(found, "NaN")
    if isinstance(found, cbor2.CBORSimpleValue):
        return f"simple({found.value})"
    return str(found)


def _json_suite() -> list[tuple[str, bytes]]:
    assert SHARED is not None
    found = []
    with tarfile.open(SHARED / "data" / "conformance" / "json" / "JSONTestSuite.tar.gz") as suite:
        for member in suite.getmembers():
            file = suite.extractfile(member)
            if file is not None and member.name.endswith(".json"):
                found.append((member.name.rpartition("/")[2], file.read()))
    return found
