"""Sparkplug B 3.0 nodes as the gateway sees them: births, data, leaps, deaths, history."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.decode.foreign.protobuf import read_fields
from tests.unit.foreign.rig import FEW, RECEIVED_MS, Rig
from tests.unit.foreign.sparkplug_node import (
    DOUBLE,
    FLOAT,
    INT64,
    STRING,
    TIME_MS,
    UINT64,
    M,
    meter_birth,
    meter_data,
    payload,
)

BASE = "spBv1.0/plant"
EXPECTED = {
    "ea_imp": 1_234_567,
    "ea_exp": 12_345,
    "p": 812.5,
    "u_l1": 230.1,
    "u_l2": 229.9,
    "u_l3": 231.4,
    "f": 49.98,
}


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.send(f"{BASE}/NBIRTH/edge1", meter_birth())
    return rig


def wishes(rig: Rig) -> list[tuple[str, bytes]]:
    return rig.decoders.wishes()


def test_a_birth_is_a_reading_and_makes_the_node_online() -> None:
    rig = Rig()
    (row,) = rig.send(f"{BASE}/NBIRTH/edge1", meter_birth())
    assert (row.device, row.profile, row.time_ms) == ("plant-edge1", "em3", TIME_MS)
    assert row.values == EXPECTED
    (event,) = rig.events
    assert event.kind == "state"
    assert json.loads(event.detail) == {"st": "online", "metrics": 8, "without_column": ["bdSeq"]}


def test_data_by_alias_is_what_the_birth_named(rig: Rig) -> None:
    """The first message of a form is read field by field, the next ones at once: both the same."""
    for seq in range(1, 600):
        (row,) = rig.send(f"{BASE}/NDATA/edge1", meter_data(seq % 256, TIME_MS + seq * 1000))
        assert row.time_ms == TIME_MS + seq * 1000
        assert row.values == EXPECTED
        assert not rig.events
    assert not wishes(rig)


def test_an_alias_without_birth_is_quarantined_and_a_birth_is_asked_for_once_a_minute() -> None:
    rig = Rig()
    topic = f"{BASE}/NDATA/edge1"
    assert rig.why(topic, meter_data(7)) == "unmapped"
    assert rig.why(topic, meter_data(8)) == "unmapped"
    ((command, sent),) = wishes(rig)
    assert command == f"{BASE}/NCMD/edge1"
    # by hand: timestamp; metric with name, timestamp, type 11 (Boolean), true
    fields = {number: value for number, _, value in read_fields(sent)}
    assert fields[1] == RECEIVED_MS
    assert isinstance(fields[2], bytes)
    metric = {number: value for number, _, value in read_fields(fields[2])}
    assert metric == {1: b"Node Control/Rebirth", 3: RECEIVED_MS, 4: 11, 14: 1}
    assert wishes(rig) == []
    rig.send(f"{BASE}/NBIRTH/edge1", meter_birth())
    assert rig.send(topic, meter_data(1))[0].values == EXPECTED


def test_a_leap_of_the_sequence_is_an_event_and_asks_for_a_birth(rig: Rig) -> None:
    rig.send(f"{BASE}/NDATA/edge1", meter_data(1))
    (row,) = rig.send(f"{BASE}/NDATA/edge1", meter_data(5))
    assert row.values == EXPECTED
    (event,) = rig.events
    assert json.loads(event.detail) == {"sparkplug": "sequence", "after": 1, "seq": 5, "missing": 3}
    assert [topic for topic, _ in wishes(rig)] == [f"{BASE}/NCMD/edge1"]


@pytest.mark.parametrize("unknown", [M(1.0, FLOAT, "odd"), M(1.0, FLOAT, alias=999)])
def test_a_message_that_is_refused_has_come_and_is_not_missing(rig: Rig, unknown: M) -> None:
    topic = f"{BASE}/NDATA/edge1"
    for seq in range(1, 600, 2):
        rig.send(topic, meter_data(seq % 256))
        assert not rig.events
        assert rig.why(topic, payload([unknown], seq=(seq + 1) % 256)) == "unmapped"
    assert len(wishes(rig)) == (not unknown.name)


def test_what_is_missing_before_a_refused_message_is_told_with_the_next(rig: Rig) -> None:
    """Of 1 (5) 6 three are missing: 2, 3 and 4."""
    topic = f"{BASE}/NDATA/edge1"
    rig.send(topic, meter_data(1))
    assert rig.why(topic, payload([M(1.0, FLOAT, "odd")], seq=5)) == "unmapped"
    rig.send(topic, meter_data(6))
    (event,) = rig.events
    assert json.loads(event.detail)["missing"] == 3
    assert wishes(rig)


def test_the_sequence_begins_anew_after_255(rig: Rig) -> None:
    for seq in [*range(1, 256), 0, 1]:
        rig.send(f"{BASE}/NDATA/edge1", meter_data(seq))
        assert not rig.events


def test_devices_share_the_sequence_and_the_aliases_of_their_node(rig: Rig) -> None:
    birth = payload([M(20.5, FLOAT, "Outside/Temperature", 100, "degC")], seq=1)
    (row,) = rig.send(f"{BASE}/DBIRTH/edge1/th1", birth)
    assert (row.device, row.profile, row.values) == ("plant-edge1-th1", "clim1", {"temp": 20.5})
    data = payload([M(21.5, FLOAT, alias=100)], seq=2)
    (row,) = rig.send(f"{BASE}/DDATA/edge1/th1", data)
    assert row.values == {"temp": 21.5}
    # an alias of the node in a message of its device
    assert rig.why(f"{BASE}/DDATA/edge1/th1", payload([M(1.0, FLOAT, alias=0)], seq=3)) == "schema"


def test_a_death_makes_node_and_devices_lost_but_not_that_of_an_earlier_session(rig: Rig) -> None:
    rig.send(
        f"{BASE}/DBIRTH/edge1/th1", payload([M(20.5, FLOAT, "temperature", 100, "degC")], seq=1)
    )
    rig.send(f"{BASE}/NDEATH/edge1", payload([M(2, UINT64, "bdSeq")], seq=None))
    assert [event.kind for event in rig.events] == ["event"]
    rig.send(f"{BASE}/NDEATH/edge1", payload([M(3, UINT64, "bdSeq")], seq=None))
    lost = [rig.directory.name_of(event.device_index).device for event in rig.events]
    assert lost == ["plant-edge1", "plant-edge1-th1"]
    assert {event.detail for event in rig.events} == {'{"st": "lost"}'}


def test_history_is_backlog_with_its_own_times(rig: Rig) -> None:
    metrics = [
        M(5, UINT64, alias=0, time_ms=TIME_MS - 60_000, is_historical=True),
        M(6, UINT64, alias=0, time_ms=TIME_MS - 30_000, is_historical=True),
        M(7, UINT64, alias=0),
    ]
    rows = rig.send(f"{BASE}/NDATA/edge1", payload(metrics, seq=1))
    assert [(row.time_ms - TIME_MS, row.is_backlog, row.values["ea_imp"]) for row in rows] == [
        (-60_000, True, 5),
        (-30_000, True, 6),
        (0, False, 7),
    ]


def test_null_nan_and_text_lose_none_of_the_good_values(rig: Rig) -> None:
    metrics = [
        M(None, UINT64, alias=0),
        M(float("nan"), DOUBLE, alias=2),
        M(float("inf"), FLOAT, alias=3),
        M("on fire", STRING, name="Comment"),
        M(229.9, FLOAT, alias=4),
    ]
    (row,) = rig.send(f"{BASE}/NDATA/edge1", payload(metrics, seq=1))
    assert row.values == {"u_l2": 229.9}


def test_signed_numbers_keep_their_sign_also_read_at_once(rig: Rig) -> None:
    births = [M(-5, INT64, "Active Power", 1, "W"), M(-7, INT64, "ea_exp", 2, "Wh")]
    rig.send(f"{BASE}/NBIRTH/edge2", payload([*births, M(0, UINT64, "bdSeq")]))
    for seq in range(1, 4):
        data = payload([M(-800 - seq, INT64, alias=1), M(-9, INT64, alias=2)], seq=seq)
        (row,) = rig.send(f"{BASE}/NDATA/edge2", data)
        assert row.values == {"p": -800 - seq, "ea_exp": -9}


def test_metrics_by_name_need_no_alias() -> None:
    rig = Rig()
    (row,) = rig.send(f"{BASE}/NDATA/edge1", payload([M(1.5, DOUBLE, "active_power_kw")]))
    assert row.values == {"p": 1500}
    assert [topic for topic, _ in wishes(rig)] == [f"{BASE}/NCMD/edge1"]


@pytest.mark.parametrize(
    "topic", ["NCMD/edge1", "NDATA/edge1/dev", "DDATA/edge1", "WHAT/edge1", "NDATA", "NDATA/"]
)
def test_what_no_node_sends_is_refused_for_its_topic(rig: Rig, topic: str) -> None:
    assert rig.why(f"{BASE}/{topic}", meter_data(1)) == "topic"


def test_a_number_that_no_column_can_hold_is_the_same_on_both_ways(rig: Rig) -> None:
    """``screen`` refuses such a row for its limits, whichever way it was read."""
    rig.send(f"{BASE}/NDATA/edge1", payload([M(1e300, DOUBLE, alias=2), M(1.0, FLOAT, alias=3)], 1))
    data = payload([M(1e300, DOUBLE, alias=2), M(1.0, FLOAT, alias=3)], seq=2)
    (row,) = rig.send(f"{BASE}/NDATA/edge1", data)
    assert row.values == {"p": 1e300, "u_l1": 1}


@FEW
@given(data=st.data())
def test_a_damaged_message_is_refused_or_read_but_never_half(data: st.DataObject) -> None:
    """What is read at once must be what is read field by field, whatever bytes come."""
    good = meter_data(3, TIME_MS + 3000)
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    quick, slow = Rig(), Rig()
    for rig in (quick, slow):
        rig.send(f"{BASE}/NBIRTH/edge1", meter_birth())
    quick.send(f"{BASE}/NDATA/edge1", meter_data(1))  # now it knows the form
    quick.send(f"{BASE}/NDATA/edge1", meter_data(2))
    slow.send(f"{BASE}/NDATA/edge1", payload([M(1, UINT64, alias=0)], seq=1))  # another form
    slow.send(f"{BASE}/NDATA/edge1", payload([M(1, UINT64, alias=0)], seq=2))
    found = []
    for rig in (quick, slow):
        why = rig.why(f"{BASE}/NDATA/edge1", bytes(damaged))
        found.append((why, [event.detail for event in rig.events] if why == "accepted" else []))
    assert found[0] == found[1]


@FEW
@given(
    values=st.lists(
        st.tuples(
            st.sampled_from([FLOAT, DOUBLE]),
            st.floats(min_value=-30_000, max_value=30_000, width=32),
        ),
        min_size=2,
        max_size=4,
    )
)
def test_read_at_once_and_field_by_field_give_the_same_numbers(
    values: list[tuple[int, float]],
) -> None:
    names = ("Active Power", "power_l1", "power_l2", "power_l3")
    metrics = [
        M(value, kind, name, alias, "W")
        for alias, (name, (kind, value)) in enumerate(zip(names, values, strict=False))
    ]
    rig = Rig()
    rig.send(f"{BASE}/NBIRTH/edge1", payload([*metrics, M(0, UINT64, "bdSeq")]))
    data = [metric._replace(name="", unit="", says_type=False) for metric in metrics]
    (first,) = rig.send(f"{BASE}/NDATA/edge1", payload(data, seq=1))
    (second,) = rig.send(f"{BASE}/NDATA/edge1", payload(data, seq=2))
    assert first.values == second.values
