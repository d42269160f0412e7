"""Whatever bytes come on whatever topic: read or refused, bounded, and nothing half.

``Rig.send`` asserts that a refused message leaves neither reading nor event. Values that were not
in the payload are looked for as numbers beyond all that it says.
"""

import json
import struct
from collections.abc import Sequence
from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RejectedError
from gateway.model import QuarantineReason
from tests.unit.foreign.rig import FEW, PROFILES, Reading, Rig
from tests.unit.foreign.sparkplug_node import meter_birth, meter_data
from tests.unit.foreign.test_documents_of_others import LOG, WATER
from tests.unit.foreign.test_telegrams import p1, sml_telegram

TOPICS = [
    "spBv1.0/plant/NBIRTH/edge1",
    "spBv1.0/plant/NDATA/edge1",
    "spBv1.0/plant/DBIRTH/edge1/d",
    "spBv1.0/plant/NDEATH/edge1",
    "senml/x",
    "wmbusmeters/x",
    "city/TrafficFlowObserved",
    "d1.vlog",
    "any/where",
    "tg/1/site/energy/meter-1/t",
]
# a push of Aidon's form, by hand: a list of one register, 1.0.1.7.0.255 = 280 W, scaler 0
PUSH = bytes.fromhex("e6e7000f40000000000101020309060100010700ff060000011802020f00161b")
SENML = json.dumps([{"bn": "dev1:", "n": "temp", "u": "Cel", "v": 20.5}]).encode()
FLOW = json.dumps(
    {
        "id": "a",
        "type": "TrafficFlowObserved",
        "intensity": 7,
        "dateObservedTo": "2026-11-21T23:10:00Z",
    }
).encode()
SEEDS = [
    meter_birth(),
    meter_data(1),
    SENML,
    bytes.fromhex("81a2006474656d7002f94d20"),
    json.dumps(WATER).encode(),
    FLOW,
    LOG.encode(),
    p1(),
    PUSH,
    sml_telegram([(1, -1, 12345, 4), (16, 0, 812, 4)]),
]
REASONS = set(QuarantineReason)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return a sound message with some bytes changed, cut, doubled or put in."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        how = draw(st.sampled_from(["change", "cut", "insert", "repeat"]))
        if how == "change" and data:
            data[at] = draw(st.integers(0, 255))
        elif how == "cut":
            del data[at : at + draw(st.integers(1, 20))]
        elif how == "insert":
            data[at:at] = draw(st.binary(max_size=8))
        else:
            data[at:at] = data[at : at + draw(st.integers(1, 40))]
    return bytes(data)


def try_out(rig: Rig, topic: str, payload: bytes) -> None:
    rows: Sequence[Reading] = ()
    refused: RejectedError | None = None
    try:
        rows = rig.send(topic, payload)
    except RejectedError as error:
        refused = error
    if refused is not None:
        assert refused.reason in REASONS
        assert len(refused.detail) <= 500
        return
    for row in rows:
        assert row.profile in PROFILES
        assert 0 < row.time_ms <= 2**53
        assert all(isfinite(value) for value in row.values.values())
    assert rows or rig.events, "neither a reading, an event nor a refusal"


@FEW
@given(data=st.binary(max_size=200), topic=st.sampled_from(TOPICS), first=st.sampled_from(SEEDS))
def test_random_bytes_are_read_or_refused(data: bytes, topic: str, first: bytes) -> None:
    rig = Rig(zone="Europe/Berlin")
    try_out(rig, topic, data)
    try_out(rig, topic, first[:3] + data)


@FEW
@given(messages=st.lists(st.tuples(damaged(), st.sampled_from(TOPICS)), min_size=1, max_size=5))
def test_damaged_messages_are_read_or_refused(messages: list[tuple[bytes, str]]) -> None:
    rig = Rig(zone="Europe/Berlin")
    rig.send(TOPICS[0], meter_birth())
    for payload, topic in messages:
        try_out(rig, topic, payload)


@FEW
@given(
    topic=st.text(min_size=1, max_size=60).filter(lambda text: "\0" not in text),
    seed=st.sampled_from(SEEDS),
)
def test_any_topic_is_safe(topic: str, seed: bytes) -> None:
    try:
        topic.encode()
    except UnicodeEncodeError:
        return  # MQTT has no lone surrogates
    try_out(Rig(zone="UTC"), topic, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_message_a_thousand_times_as_long_is_refused_or_read_at_once(seed: bytes) -> None:
    rig = Rig(zone="UTC")
    for topic in TOPICS:
        try_out(rig, topic, (seed * 2000)[: 1 << 18])
        try_out(rig, topic, seed[:8] + b"\xff" * (1 << 16))


def test_a_protobuf_of_nothing_but_empty_metrics_is_bounded() -> None:
    with pytest.raises(RejectedError, match=r"schema|too_large"):
        Rig().send(TOPICS[1], b"\x12\x00" * 200_000)
    many = b"\x12\x09\x0a\x01a\x69" + struct.pack("<d", 1.0)[:4]
    with pytest.raises(RejectedError):
        Rig().send(TOPICS[1], many * 10_000)
