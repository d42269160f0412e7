"""Messages of a known shape read at once say what each says alone, odd ones among them too."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.foreign import ForeignSection
from gateway.decode import Collector, Decoders
from gateway.decode.foreign import build_foreign, learnt
from gateway.errors import RejectedError
from gateway.model import DecodedBatch, Record
from gateway.profiles import load_profiles
from gateway.registry import Directory
from tests.faults import quick_or_soak

PROFILES = load_profiles()
_TOPICS = [b"tele/plug_%d/SENSOR" % n for n in range(3)] + [b"tele/probe/SENSOR"]


def _plug(**other: object) -> bytes:
    energy = {"TotalStartTime": "2025-01-01T00:00:00", "Total": 941.4814, "Power": 123, **other}
    return json.dumps({"Time": "2026-11-21T22:30:00", "ENERGY": energy}).encode()


def _probes(first: object, second: object) -> bytes:
    probes = {f"SI7021-0{n}": {"Temperature": one} for n, one in enumerate((first, second))}
    return json.dumps({"Time": "2026-11-21T22:30:01", **probes, "TempUnit": "C"}).encode()


_KNOWN = [_plug(), _plug(Total=7), _probes(20.5, 21), _probes(-1, 0.25)]
_ODD = [
    _plug().replace(b"2026-11-21T22", b"1970-01-01T00"),  # a clock that was never set
    _plug().replace(b"2026-11-21T22:30:00", b"yesterday"),
    _plug(Total=None),
    _plug(Total="much"),
    _plug(Total=1e300),
    _plug(Voltage=230),
    _plug()[:-1],
    _plug() + b" " * (1 << 20),
    b'{"Switch1":"OFF"}',
    b"{}",
    b"",
]


def _decoded(said: list[tuple[bytes, bytes]], *, at_once: bool) -> tuple[object, ...]:
    """Return rows, reports and refusals, after each topic has been heard once."""
    decoders = Decoders(PROFILES, foreign=build_foreign(ForeignSection(zone="UTC"), PROFILES))
    directory = Directory(None, enrols=True, max_devices=100)
    for number, topic in enumerate(_TOPICS, 1):
        first = _KNOWN[2] if b"probe" in topic else _KNOWN[0]
        decoders.decode(_record(number, topic, first), directory, Collector())
    out, refused = Collector(), {}
    records = [_record(10 + number, *one) for number, one in enumerate(said)]
    for record in decoders.decode_plain(records, out) if at_once else records:
        try:
            decoders.decode(record, directory, out)
        except RejectedError as error:
            refused[record.number] = str(error)
    return sorted(map(_rows, out.batches())), out.events, refused


def _record(number: int, topic: bytes, payload: bytes) -> Record:
    return Record(number, 1_795_300_260_000 + number % 3, 0, 1, topic, payload)


def _rows(batch: DecodedBatch) -> str:
    rows = batch.readings
    columns = [getattr(rows, name) for name in rows.__slots__ if name != "profile"]
    columns += [getattr(batch, name) for name in batch.__slots__ if name != "readings"]
    return f"{rows.profile} {[column.tolist() for column in columns]}"


@settings(max_examples=quick_or_soak(20, 200))  # each compiles all families twice
@given(
    st.lists(st.tuples(st.sampled_from(_TOPICS), st.sampled_from(_KNOWN * 4 + _ODD)), max_size=40)
)
def test_at_once_and_one_by_one_are_the_same(said: list[tuple[bytes, bytes]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learnt, "FEW", 1)
        assert _decoded(said, at_once=True) == _decoded(said, at_once=False)


def test_ordinary_messages_are_all_added_at_once() -> None:
    decoders = Decoders(PROFILES, foreign=build_foreign(ForeignSection(zone="UTC"), PROFILES))
    directory = Directory(None, enrols=True, max_devices=100)
    topic, payload = _TOPICS[0], _KNOWN[0]
    decoders.decode(_record(1, topic, payload), directory, Collector())
    out = Collector()
    assert not decoders.decode_plain([_record(n, topic, payload) for n in range(2, 52)], out)
    assert len(out.batches()[0].readings) == 50
    few = [_record(n, topic, payload) for n in range(2, 1 + learnt.FEW)]
    assert decoders.decode_plain(few, out) == few  # not worth it
