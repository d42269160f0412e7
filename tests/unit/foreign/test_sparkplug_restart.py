"""What births said outlives the process: committed with the cursor, bounded, of one node each."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.foreign import ForeignSection
from gateway.config.sections import Mapping, MappingColumn, MappingTime
from gateway.decode.foreign import build_foreign, sparkplug_nodes
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.sparkplug import Sparkplug
from gateway.errors import ConfigError, RejectedError
from gateway.model import IMPORT_SOURCE, RecordFlag
from gateway.ports import MemoryRow
from gateway.store import Store
from tests.store_tools import checkpoint_at
from tests.unit.foreign.rig import FEW, PROFILES, Reading, Rig
from tests.unit.foreign.sparkplug_node import (
    DOUBLE,
    FLOAT,
    UINT64,
    M,
    meter_birth,
    meter_data,
    payload,
)
from tests.unit.foreign.test_sparkplug import BASE, EXPECTED, wishes

NODE, DEVICE = f"{BASE}/NDATA/edge1", f"{BASE}/DDATA/edge1/th1"
DEVICE_BIRTH = payload([M(20.5, FLOAT, "Outside/Temperature", 100, "degC")], seq=1)
REQUEUED = int(RecordFlag.QOS1 | RecordFlag.REQUEUED)


class Kept:
    """Memories of decoders as the state file keeps them, in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], bytes] = {}

    def take(self, rig: Rig) -> None:
        for row in rig.decoders.memories():  # those that go come first
            self.rows.pop((row.room, row.key), None)
            if row.memory:
                self.rows[row.room, row.key] = row.memory

    def reborn(self, rig: Rig) -> Rig:
        """Return a rig that goes on where this one was committed; the directory is kept, too."""
        fresh = Rig()
        fresh.directory, fresh.number = rig.directory, rig.number
        fresh.decoders.restore([MemoryRow(*key, memory) for key, memory in self.rows.items()])
        return fresh


def test_after_a_restart_data_by_alias_is_read_as_before(tmp_path: Path) -> None:
    rig = Rig()
    rig.send(f"{BASE}/NBIRTH/edge1", meter_birth())
    rig.send(f"{BASE}/DBIRTH/edge1/th1", DEVICE_BIRTH)
    rig.send(NODE, meter_data(2))
    store = Store.open(tmp_path)
    store.checkpoint(checkpoint_at(4)._replace(memories=rig.decoders.memories()))
    store.close()
    fresh = Rig()
    fresh.decoders.restore(Store.open(tmp_path).load().memories)
    (row,) = fresh.send(DEVICE, payload([M(21.5, FLOAT, alias=100, says_type=False)], seq=3))
    assert (row.device, row.values) == ("plant-edge1-th1", {"temp": 21.5})
    (row,) = fresh.send(NODE, meter_data(4))
    assert row.values == EXPECTED
    assert (fresh.events, wishes(fresh)) == ([], [])
    fresh.send(f"{BASE}/NDEATH/edge1", payload([M(2, UINT64, "bdSeq")], seq=None))
    assert [event.kind for event in fresh.events] == ["event"], "a will of an earlier session"
    fresh.send(f"{BASE}/NDEATH/edge1", payload([M(3, UINT64, "bdSeq")], seq=None))
    assert [event.detail for event in fresh.events] == ['{"st": "lost"}'] * 2


def test_only_what_changed_is_written_again() -> None:
    rig = Rig()
    rig.send(f"{BASE}/NBIRTH/edge1", meter_birth())
    rig.send(f"{BASE}/NBIRTH/edge2", meter_birth())
    assert len(rig.decoders.memories()) == 4
    for seq in (1, 2, 3):
        rig.send(NODE, meter_data(seq))
    (row,) = rig.decoders.memories()
    assert (row.room, row.key) == ("sparkplug", "live/plant/edge1")
    assert rig.decoders.memories() == []


def test_a_birth_of_the_node_forgets_its_devices_and_their_rows() -> None:
    rig, kept = Rig(), Kept()
    rig.send(f"{BASE}/NBIRTH/edge1", meter_birth())
    rig.send(f"{BASE}/DBIRTH/edge1/th1", DEVICE_BIRTH)
    kept.take(rig)
    assert ("sparkplug", "live/plant/edge1/th1") in kept.rows
    rig.send(f"{BASE}/NBIRTH/edge1", meter_birth())
    kept.take(rig)
    assert ("sparkplug", "live/plant/edge1/th1") not in kept.rows
    assert kept.reborn(rig).why(DEVICE, payload([M(21.5, FLOAT, alias=100)], 3)) == "unmapped"


_DATA = st.tuples(st.sampled_from(["NDATA", "DDATA/a", "DDATA/b"]), st.integers(0, 5))
_BIRTH = st.tuples(st.sampled_from(["NBIRTH", "DBIRTH/a", "DBIRTH/b"]), st.integers(0, 5))
_DEATH = st.tuples(st.sampled_from(["NDEATH", "DDEATH/a"]), st.integers(0, 1))
_STEPS = st.lists(
    st.tuples(st.one_of(_BIRTH, _DATA, _DATA, _DEATH), st.integers(0, 3)), max_size=25
)


def _message(kind: str, number: int, seq: int) -> tuple[str, bytes]:
    kind, _, device = kind.partition("/")
    metrics = {
        "BIRTH": [
            M(1.5, DOUBLE, "Active Power", number, "kW"),
            M(7, UINT64, f"odd {number}", number + 1),
            M(8, UINT64, "ea_imp", number + 2),
        ],
        "DATA": [M(2.5, DOUBLE, alias=number, says_type=False)],
        "DEATH": [M(number, UINT64, "bdSeq")],
    }[kind[1:]]
    topic = f"{BASE}/{kind}/edge1" + (f"/{device}" if device else "")
    return topic, payload(metrics, seq=None if kind == "NDEATH" else seq)


@FEW
@given(steps=_STEPS)
def test_restarts_between_any_two_messages_change_nothing(
    steps: list[tuple[tuple[str, int], int]],
) -> None:
    """Whatever nodes say, right or wrong: aliases claimed twice, data before births, leaps."""
    whole, cut, kept = Rig(), Rig(), Kept()
    for seq, ((kind, number), restarts) in enumerate(steps):
        topic, data = _message(kind, number, seq % 256)
        said = [_said(rig, topic, data) for rig in (whole, cut)]
        assert said[0] == said[1]
        if not restarts:
            kept.take(cut)
            cut = kept.reborn(cut)


def _said(rig: Rig, topic: str, data: bytes) -> tuple[str, list[Reading], list[str]]:
    rows: list[Reading] = []
    rig.events, why = [], "accepted"
    try:
        rows = rig.send(topic, data)
    except RejectedError as error:
        why = str(error)
    return why, rows, [event.detail for event in rig.events]


def test_made_up_births_neither_grow_the_memory_nor_the_state_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sparkplug_nodes, "MAX_NODES", 20)
    rig, kept = Rig(), Kept()
    for number in range(100):
        rig.send(f"{BASE}/NBIRTH/made-up-{number}", meter_birth())
        if number % 7 == 0:
            kept.take(rig)
    kept.take(rig)
    nodes = {key.split("/")[2] for _, key in kept.rows}
    assert nodes == {f"made-up-{number}" for number in range(80, 100)}
    assert len(kept.rows) == 40  # a node and its part each
    fresh = kept.reborn(rig)
    assert fresh.send(f"{BASE}/NDATA/made-up-99", meter_data(1))[0].values == EXPECTED
    assert fresh.why(f"{BASE}/NDATA/made-up-1", meter_data(1)) == "unmapped"


def test_the_words_of_all_births_are_bounded_and_the_oldest_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sparkplug_nodes, "MAX_BYTES", 10_000)
    rig, kept = Rig(), Kept()
    metrics = [M(1, UINT64, "x" * 1000, 1), M(2, UINT64, "ea_imp", 2)]  # 1,606 bytes as reckoned
    for number in range(12):
        rig.send(f"{BASE}/NBIRTH/edge{number}", payload(metrics))
        kept.take(rig)
    assert {key.split("/")[2] for _, key in kept.rows} == {f"edge{n}" for n in range(6, 12)}


def test_one_node_may_not_name_metrics_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.decode.foreign.sparkplug.MAX_NODE_BYTES", 2000)
    rig = Rig()
    rig.send(f"{BASE}/NBIRTH/edge1", payload([M(2, UINT64, "ea_imp", 2), M(0, UINT64, "bdSeq")]))
    for seq in range(1, 50):  # the same birth again takes no more
        rig.send(f"{BASE}/DBIRTH/edge1/th1", DEVICE_BIRTH.replace(b"\x18\x01", bytes([0x18, seq])))
    refused = [rig.why(f"{BASE}/DBIRTH/edge1/th{n}", DEVICE_BIRTH) for n in range(2, 9)]
    assert refused == ["accepted"] * 3 + ["too_large"] * 4


def test_strangers_do_not_push_out_nodes_that_gave_birth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparkplug_nodes, "MAX_STRANGERS", 10)
    rig = Rig()
    rig.send(f"{BASE}/NBIRTH/edge1", meter_birth())
    for number in range(100):
        assert rig.why(f"{BASE}/NDATA/made-up-{number}", meter_data(1)) == "unmapped"
    assert rig.send(NODE, meter_data(1))[0].values == EXPECTED
    assert {row.key for row in rig.decoders.memories()} == {"live/plant/edge1", "live/plant/edge1/"}


def test_what_is_put_back_moves_neither_the_sequence_nor_a_later_birth() -> None:
    rig = Rig()
    rig.send(f"{BASE}/NBIRTH/edge1", meter_birth())
    rig.send(NODE, meter_data(1))
    (row,) = rig.send(NODE, meter_data(90), flags=REQUEUED)
    assert (row.values, rig.events) == (EXPECTED, [])
    old = payload([M(5.0, DOUBLE, "Voltage L1", 2, "V"), M(1, UINT64, "bdSeq")], seq=0)
    rig.send(f"{BASE}/NBIRTH/edge1", old, flags=REQUEUED)
    rig.send(f"{BASE}/NDEATH/edge1", payload([M(1, UINT64, "bdSeq")], None), flags=REQUEUED)
    (row,) = rig.send(NODE, meter_data(2))
    assert (row.values, rig.events, wishes(rig)) == (EXPECTED, [], [])


def test_a_birth_that_is_put_back_is_learnt_where_no_other_came() -> None:
    rig = Rig()
    rig.send(f"{BASE}/NBIRTH/edge1", meter_birth(), flags=REQUEUED)
    assert rig.send(NODE, meter_data(1), flags=REQUEUED)[0].values == EXPECTED


def test_an_imported_capture_is_of_a_past_of_its_own() -> None:
    rig, kept = Rig(), Kept()
    rig.send(f"{BASE}/NBIRTH/edge1", meter_birth())
    old = payload([M(5.0, DOUBLE, "Voltage L1", 0, "V"), M(1, UINT64, "bdSeq")], seq=0)
    rig.send(f"{BASE}/NBIRTH/edge1", old, source=IMPORT_SOURCE)
    kept.take(rig)
    rig = kept.reborn(rig)
    (row,) = rig.send(NODE, payload([M(6.0, DOUBLE, alias=0)], 5), source=IMPORT_SOURCE)
    assert row.values == {"u_l1": 6.0}
    (row,) = rig.send(NODE, meter_data(1))
    assert (row.values, rig.events) == (EXPECTED, [])
    assert rig.why(NODE, meter_data(1)) == "accepted"
    with contextlib.suppress(RejectedError):
        rig.send(f"{BASE}/NDATA/edge9", meter_data(1), source=IMPORT_SOURCE)
    assert wishes(rig) == [], "an old capture asks nobody for a birth"


def test_what_another_version_wrote_is_asked_for_anew() -> None:
    rig = Rig()
    rig.decoders.restore(
        [
            MemoryRow("sparkplug", "live/plant/edge1", b"\xc1"),
            MemoryRow("sparkplug", "live/plant/edge1/", b"\x93\x01\x02\x03"),
            MemoryRow("another", "live/plant/edge1", b"x"),
        ]
    )
    assert rig.why(NODE, meter_data(1)) == "unmapped"
    assert [topic for topic, _ in wishes(rig)] == [f"{BASE}/NCMD/edge1"]


# -- mappings of the configuration --


def mapping(topic: str = "spBv1.0/plant/+/edge1/#", **more: object) -> Mapping:
    columns: dict[str, MappingColumn | str] = {
        "p": MappingColumn(path="Werk 2/Leistung (ges.)", unit="kW"),
        "ea_imp": "Zähler/Bezug",
        "f": MappingColumn(path="Netz", scale=0.01, offset=50),
    }
    return Mapping.model_validate(
        {"name": "works", "topic": topic, "profile": "em3", "columns": columns, **more}
    )


def test_a_mapping_says_which_column_a_metric_is() -> None:
    rig = Rig(metrics=[mapping()])
    metrics = [
        M(1.5, DOUBLE, "Werk 2/Leistung (ges.)", 1, "horses"),
        M(1000, UINT64, "Zähler/Bezug", 2),
        M(-3.0, FLOAT, "Netz", 3),
        M(230.0, FLOAT, "Voltage L1", 4, "V"),  # the table is asked where no mapping names one
    ]
    birth = payload([*metrics, M(0, UINT64, "bdSeq")])
    expected = {"p": 1500, "ea_imp": 1000, "f": 49.97, "u_l1": 230}
    (row,) = rig.send(f"{BASE}/NBIRTH/edge1", birth)
    assert (row.profile, row.values) == ("em3", expected)
    for seq in (1, 2, 3):  # read field by field, then at once
        data = payload([one._replace(name="", unit="", says_type=False) for one in metrics], seq)
        (row,) = rig.send(NODE, data)
        assert row.values == expected
    (row,) = rig.send(f"{BASE}/NBIRTH/edge2", birth)
    assert row.values == {"u_l1": 230}, "the mapping is not of this node"


def test_a_mapping_may_be_of_one_device_only() -> None:
    rig = Rig(metrics=[mapping("spBv1.0/plant/DDATA/edge1/{device}")])
    birth = payload([M(1.5, DOUBLE, "Werk 2/Leistung (ges.)", 1)], seq=1)
    rig.send(f"{BASE}/NBIRTH/edge1", payload([M(0, UINT64, "bdSeq")]))
    assert rig.send(f"{BASE}/DBIRTH/edge1/pump", birth)[0].values == {"p": 1500}
    assert rig.send(f"{BASE}/NBIRTH/edge1", birth) == []


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        (mapping(profile="nothing"), "profile"),
        (mapping(columns={"zz": "Netz"}), "columns.zz"),
        (mapping(columns={}), "columns"),
        (mapping(topic="spBv1.0/plant/DBIRTH/edge1/pump"), "topic"),
        (mapping(topic="spBv1.0/plant/{which}/edge1"), "topic"),
        (mapping(time=MappingTime(path="t")), "time"),
        (mapping(rows="all"), "rows"),
        (mapping(device="x{device}"), "device"),
    ],
)
def test_a_mapping_that_cannot_be_meant_names_the_key(wrong: Mapping, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"mapping 'works': {key}: "):
        Sparkplug(Options(PROFILES, (), None, "site", metrics=[wrong]))


def test_a_mapping_of_metrics_needs_the_room_that_reads_them() -> None:
    for section in (ForeignSection(enabled=False), ForeignSection(families=("tasmota",))):
        with pytest.raises(ConfigError, match="mapping 'works': topic: "):
            build_foreign(section, PROFILES, metrics=[mapping()])
