"""Whatever comes, in whatever batches, with whatever crashes: the books balance, and alike."""

import json
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Quarantined, Record
from gateway.ports import Checkpoint
from tests.gatehouse import T0_MS, Gatehouse, record_of, rows_message

DEVICES = ("energy/meter-1", "energy/meter-2", "transport/lane-1")
GOOD = [0, 1000, 0, 100, 2300, 50, 900, 0]
TOO_HIGH = [0, 1000, 0, 99_999, 2300, 50, 900, 0]
LANE = [0, 3, 900, 100, 400, 500, 0, 3, 0, 0, 0, 0]


class Sent(NamedTuple):
    """One message as drawn; everything else follows from it."""

    device: int
    kind: str
    seq: int
    rows: int
    bad_row: int  # −1: none
    boot: int
    age_ms: int
    log: int
    lane: str


MESSAGES = st.builds(
    Sent,
    st.integers(0, 2),
    st.sampled_from(["rows"] * 6 + ["unnumbered", "stamped", "garbage", "birth", "gap", "other"]),
    st.integers(0, 12),
    st.integers(1, 4),
    st.sampled_from([-1, -1, -1, 0, 1]),
    st.sampled_from([-1, -1, 3, 3, 4]),
    st.sampled_from([0, 0, 1000, 3_000, 7_200_000, 90 * 86_400_000, -600_000]),
    st.sampled_from([0, 0, 0, 7]),
    st.sampled_from("tttb"),
)
CUTS = st.lists(
    st.tuples(st.integers(1, 9), st.sampled_from(["go on", "go on", "checkpoint", "crash"])),
    min_size=1,
    max_size=30,
)


def _payload(sent: Sent, received_ms: int) -> tuple[bytes, str]:
    if sent.kind == "garbage":
        return b"\xff\x00", sent.lane
    if sent.kind == "birth":
        return json.dumps({"st": "online", "first": {"0": sent.seq}}).encode(), "s"
    if sent.kind == "gap":
        return json.dumps({"log": 0, "from": sent.seq, "to": sent.seq + 2}).encode(), "e"
    if sent.kind == "other":
        return json.dumps({"st": "lost"}).encode(), "s"
    good, profile = (LANE, "tl1") if sent.device == 2 else (GOOD, "em1")
    rows = [[i * 500, *good[1:]] for i in range(sent.rows)]
    if 0 <= sent.bad_row < sent.rows:
        bad = [0, -5, *LANE[2:]] if sent.device == 2 else TOO_HIGH
        rows[sent.bad_row] = [sent.bad_row * 500, *bad[1:]]
    time_ms = 0 if sent.kind == "stamped" else received_ms - sent.age_ms
    seq = -1 if sent.kind == "unnumbered" else sent.seq
    boot = None if sent.boot < 0 else sent.boot
    body = rows_message(seq, time_ms, rows, profile=profile, boot=boot, log=sent.log)
    return body, sent.lane


def _records(messages: list[Sent]) -> list[Record]:
    records = []
    for place, sent in enumerate(messages):
        received_ms = T0_MS + 1000 * place
        payload, lane = _payload(sent, received_ms)
        topic = f"tg/1/hanoi/{DEVICES[sent.device]}/{lane}"
        records.append(record_of(place + 1, payload, topic, received_ms=received_ms))
    return records


def _books(house: Gatehouse) -> object:
    entries = {
        number: (entry.reason, entry.readings, entry.detail, entry.device_index)
        for number, entry in house.store.quarantined.items()
    }
    saved: Checkpoint = house.store.everything()
    return (
        house.store.readings(),
        len(house.store.events),
        entries,
        saved.totals,
        sorted(saved.counts),
        sorted((row.device_index, row.sector, row.device) for row in saved.devices),
        sorted(saved.streams),
    )


def _whole(records: list[Record]) -> Gatehouse:
    house = Gatehouse()
    house.run(records)
    house.checkpoint(len(records) + 1)
    return house


@settings(max_examples=150, deadline=None)
@given(st.lists(MESSAGES, max_size=40), CUTS)
def test_batches_and_crashes_change_nothing(
    messages: list[Sent], cuts: list[tuple[int, str]]
) -> None:
    records = _records(messages)
    house = Gatehouse()
    done = 0
    for size, then in cuts:
        house.run(records[done : done + size])
        done = min(done + size, len(records))
        if then == "checkpoint":
            house.checkpoint(done + 1)
        elif then == "crash":
            house.start()
            done = house.store.position.number - 1
    house.run(records[done:])
    house.checkpoint(len(records) + 1)
    assert _books(house) == _books(_whole(records))


@settings(max_examples=100, deadline=None)
@given(st.lists(MESSAGES, max_size=40))
def test_every_message_and_reading_ends_once(messages: list[Sent]) -> None:
    records = _records(messages)
    house = _whole(records)
    totals = house.store.totals
    assert totals.received_messages == len(records)
    assert totals.pending_messages == 0
    decoded = sum(
        sent.rows for sent in messages if sent.kind in {"rows", "unnumbered", "stamped"}
    ) + sum(sent.kind == "garbage" for sent in messages)
    assert totals.stored + totals.duplicate + totals.quarantined == decoded
    assert totals.stored == len(house.store.readings())
    assert totals.quarantined == sum(e.readings for e in house.store.quarantined.values())
    for column in ("stored", "duplicate", "quarantined", "messages_stored"):
        assert sum(getattr(row, column) for row in house.counts().values()) == getattr(
            totals, column
        )


@settings(max_examples=100, deadline=None)
@given(st.lists(MESSAGES, max_size=30), st.data())
def test_sending_everything_again_stores_nothing_twice(
    messages: list[Sent], data: st.DataObject
) -> None:
    # a sequence that begins anew, or a time the gateway gave, is no retransmission
    messages = [
        sent._replace(boot=3) for sent in messages if sent.kind not in {"stamped", "birth", "gap"}
    ]
    records = _records(messages)
    again = data.draw(st.permutations(records))
    house = Gatehouse()
    house.run(records)
    before = house.store.readings()
    late = [record._replace(number=len(records) + 1 + i, flags=5) for i, record in enumerate(again)]
    house.run(late)
    assert house.store.readings() == before
    house.checkpoint(2 * len(records) + 1)
    assert house.store.totals.pending_messages == 0


def test_damaged_records_are_booked_to_nobody() -> None:
    house = Gatehouse()
    lost = Quarantined(2, T0_MS, 0, b"", b"rest", "journal_damage", "CRC")
    records = [record_of(1, rows_message(0, T0_MS)), record_of(3, rows_message(1, T0_MS + 1))]
    outcome = house.run(records, [lost])
    house.checkpoint(4)
    assert outcome.quarantined == [lost]
    assert outcome.change == house.store.totals
    assert house.store.totals.received_messages == 3
    assert house.store.totals.pending_messages == 0
    assert house.counts()[-1].messages_quarantined == 1
