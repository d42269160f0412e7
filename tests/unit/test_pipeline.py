"""What becomes of a message: fates, quarantine entries, receipts, and what a person puts back."""

import time
from pathlib import Path

import pytest

from gateway.model import NO_SEQ, Quality, Quarantined, Reason, RecordFlag
from gateway.ports import Totals
from gateway.registry import Registry
from tests.gatehouse import T0_MS, Gatehouse, record_of, rows_message

GOOD = [0, 1000, 0, 100, 2300, 50, 900, 0]
TOO_HIGH = [500, 1000, 0, 99_999, 2300, 50, 900, 0]
MINUTE_MS = 60_000
BIRTH = "tg/1/hanoi/energy/meter-1/s"


@pytest.fixture
def house() -> Gatehouse:
    return Gatehouse()


def balance(house: Gatehouse, received: int) -> Totals:
    """Check the identity over everything run so far and return the totals."""
    totals = house.pipeline.totals(received)
    assert totals.pending_messages == 0
    house.checkpoint(received + 1)
    assert house.store.totals == totals
    for column in Totals._fields[1:]:
        assert sum(getattr(row, column) for row in house.counts().values()) == getattr(
            totals, column
        )
    return totals


def test_a_message_is_stored_if_anything_of_it_is(house: Gatehouse) -> None:
    payload = rows_message(0, T0_MS, [GOOD, TOO_HIGH])
    outcome = house.run([record_of(1, payload), record_of(2, payload)])
    [entry] = outcome.quarantined
    assert entry == Quarantined(
        record=1,
        received_ms=T0_MS,
        source=0,
        topic=b"tg/1/hanoi/energy/meter-1/t",
        payload=payload,
        reason="limit",
        detail="rows 1 of 2, 1 stored: row 1: p = 99999 W is above 30000",
        device_index=0,
        readings=1,
    )
    # sent again it is a duplicate, the bad row too: its receipt was lost
    assert outcome.change == Totals(2, 1, 2, 1, 1, 1, 0)
    assert balance(house, 2) == outcome.change
    [receipt] = house.pipeline.receipts()
    assert (receipt.seq, receipt.missing) == (1, [])


def test_a_message_of_bad_rows_only_is_quarantined_and_names_them(house: Gatehouse) -> None:
    rows = [[n, *TOO_HIGH[1:]] for n in range(12)]
    outcome = house.run([record_of(1, rows_message(0, T0_MS, rows))])
    [entry] = outcome.quarantined
    assert entry.readings == 12
    assert entry.detail.startswith("rows 0-11 of 12, 0 stored: row 0: p = 99999 W")
    assert entry.detail.endswith("row 7: p = 99999 W is above 30000; and 4 more")
    assert outcome.change == Totals(1, 0, 0, 12, 0, 0, 1)
    balance(house, 1)


def test_what_cannot_be_read_is_booked_to_the_device_of_its_topic(house: Gatehouse) -> None:
    known = record_of(1, rows_message(0, T0_MS))
    broken = record_of(2, b"\xff")
    stranger = record_of(3, b"{}", "no/such/topic")
    empty = record_of(4, b"", received_ms=T0_MS + 5)
    outcome = house.run([known, broken, stranger, empty])
    assert [(e.record, e.reason, e.device_index, e.payload) for e in outcome.quarantined] == [
        (2, "encoding", 0, b"\xff"),
        (3, "unmapped", -1, b"{}"),
        (4, "encoding", 0, b""),
    ]
    assert balance(house, 4) == Totals(4, 1, 0, 3, 1, 0, 3)
    assert house.counts()[0].last_received_ms == T0_MS + 5
    assert house.counts()[-1].messages_quarantined == 1


def test_states_are_stored_and_say_whether_a_device_is_online(house: Gatehouse) -> None:
    online, lost = b'{"st":"online","first":{"0":5}}', b'{"st":"lost"}'
    outcome = house.run([record_of(1, online, BIRTH), record_of(2, rows_message(7, T0_MS))])
    assert [event.kind for event in outcome.events] == ["state"]
    assert outcome.readings[0].reasons.tolist() == [Reason.SEQ_GAP | Reason.UNREGISTERED]
    assert house.pipeline.receipts()[0].payload() == b'{"log":0,"seq":4,"missing":[[5,6]]}'
    assert balance(house, 2) == Totals(2, 1, 0, 0, 2, 0, 0)
    assert house.counts()[0].state == "online"
    house.run([record_of(3, lost, BIRTH)])
    assert balance(house, 3).messages_stored == 3
    assert house.counts()[0].state == "lost"
    house.start()
    house.run([record_of(4, rows_message(8, T0_MS + 1))])
    house.checkpoint(5)
    assert house.counts()[0].state == "lost"


def test_a_gap_event_frees_the_receipt(house: Gatehouse) -> None:
    gap = b'{"log":0,"from":1,"to":4}'
    house.run(
        [
            record_of(1, rows_message(0, T0_MS)),
            record_of(2, rows_message(5, T0_MS + 5)),
            record_of(3, gap, "tg/1/hanoi/energy/meter-1/e"),
        ]
    )
    assert house.pipeline.receipts()[0].payload() == b'{"log":0,"seq":5}'


def test_backlog_and_stamped_readings_are_graded_so(house: Gatehouse) -> None:
    outcome = house.run(
        [
            record_of(1, rows_message(0, T0_MS), "tg/1/hanoi/energy/meter-1/b"),
            record_of(2, rows_message(1, 0), "tg/1/hanoi/energy/meter-1/t", received_ms=T0_MS + 9),
        ]
    )
    [batch] = outcome.readings
    assert batch.quality.tolist() == [Quality.RECOVERED, Quality.SUSPECT]
    unregistered = int(Reason.UNREGISTERED)
    assert (batch.reasons - unregistered).tolist() == [Reason.LATE, Reason.NO_CLOCK]
    assert batch.time_ms.tolist() == [T0_MS, T0_MS + 9]


def test_registered_devices_are_known_at_once_after_a_reload(house: Gatehouse) -> None:
    house.run([record_of(1, rows_message(0, T0_MS))])
    example = Path(__file__).parents[2] / "docs" / "examples" / "registry.toml"
    house.pipeline.reload(Registry.load(example))
    topic = "tg/1/evn-hanoi/energy/em-000123/t"
    outcome = house.run(
        [
            record_of(2, rows_message(0, T0_MS), topic),
            record_of(3, rows_message(1, T0_MS + 1)),
        ]
    )
    assert outcome.readings[0].reasons.tolist() == [0, Reason.UNREGISTERED]
    assert outcome.readings[0].device_index.tolist() == [1, 0]


def requeue(house: Gatehouse, record: int, entry: Quarantined, received_ms: int) -> None:
    """Put an entry back as the processor does: name it, run the record, then drop the entry."""
    again = record_of(
        record,
        entry.payload,
        entry.topic.decode(),
        received_ms=received_ms,
        flags=RecordFlag.QOS1 | RecordFlag.REQUEUED,
    )
    house.pipeline.requeued(entry)
    house.run([again])
    house.checkpoint(record + 1)
    del house.store.quarantined[entry.record]


def test_rows_put_back_are_stored_and_the_message_is_received_once(house: Gatehouse) -> None:
    ahead = [[0, *GOOD[1:]], [10 * MINUTE_MS, *GOOD[1:]], [11 * MINUTE_MS, *GOOD[1:]]]
    house.run([record_of(1, rows_message(0, T0_MS, ahead))])
    [entry] = house.store.quarantined.values()
    assert entry.detail.startswith("rows 1-2 of 3, 1 stored: ")
    assert balance(house, 1) == Totals(1, 1, 0, 2, 1, 0, 0)
    requeue(house, 2, entry, T0_MS + 20 * MINUTE_MS)  # by now the future has come
    assert [r[3] for r in house.store.readings()] == [0, 1, 2]
    assert balance(house, 2) == Totals(1, 3, 0, 0, 1, 0, 0)
    house.start()
    assert balance(house, 2) == Totals(1, 3, 0, 0, 1, 0, 0)
    outcome = house.run([record_of(3, entry.payload, received_ms=T0_MS + 30 * MINUTE_MS)])
    assert outcome.change == Totals(1, 0, 3, 0, 0, 1, 0)


def test_rows_that_are_refused_again_are_booked_once(house: Gatehouse) -> None:
    house.run([record_of(1, rows_message(0, T0_MS, [GOOD, TOO_HIGH]))])
    [entry] = house.store.quarantined.values()
    requeue(house, 2, entry, T0_MS)
    [second] = house.store.quarantined.values()
    assert (second.record, second.readings) == (2, 1)
    assert second.detail == entry.detail
    assert balance(house, 2) == Totals(1, 1, 0, 1, 1, 0, 0)
    requeue(house, 3, second, T0_MS)
    assert balance(house, 3) == Totals(1, 1, 0, 1, 1, 0, 0)


def test_a_whole_message_put_back_changes_its_fate(house: Gatehouse) -> None:
    house = Gatehouse(enrols=False)
    house.run([record_of(1, rows_message(0, T0_MS, [GOOD, [1, *GOOD[1:]]]))])
    [entry] = house.store.quarantined.values()
    assert (entry.reason, entry.readings) == ("unregistered", 1)
    assert balance(house, 1) == Totals(1, 0, 0, 1, 0, 0, 1)
    house._enrols = True
    house.start()
    requeue(house, 2, entry, T0_MS)
    assert balance(house, 2) == Totals(1, 2, 0, 0, 1, 0, 0)


def test_unnumbered_rows_put_back_are_stored_once(house: Gatehouse) -> None:
    ahead = [[0, *GOOD[1:]], [10 * MINUTE_MS, *GOOD[1:]]]
    house.run([record_of(1, rows_message(NO_SEQ, T0_MS, ahead))])
    [entry] = house.store.quarantined.values()
    requeue(house, 2, entry, T0_MS + 20 * MINUTE_MS)
    assert balance(house, 2) == Totals(1, 2, 0, 0, 1, 0, 0)
    house.run([record_of(3, entry.payload, received_ms=T0_MS + 30 * MINUTE_MS)])
    assert balance(house, 3) == Totals(2, 2, 2, 0, 1, 1, 0)


def test_a_crash_between_requeue_and_checkpoint_counts_once(house: Gatehouse) -> None:
    house.run([record_of(1, rows_message(0, T0_MS, [TOO_HIGH]))])
    house.checkpoint(2)
    [entry] = house.store.quarantined.values()
    house.pipeline.requeued(entry)
    again = record_of(2, entry.payload, flags=RecordFlag.REQUEUED)
    house.run([again])
    house.start()
    house.pipeline.requeued(entry)
    house.run([again])
    assert balance(house, 2) == Totals(1, 0, 0, 1, 0, 0, 1)


def test_a_requeued_record_nobody_named_counts_as_a_message(house: Gatehouse) -> None:
    house.run([record_of(1, rows_message(0, T0_MS), flags=RecordFlag.REQUEUED)])
    assert balance(house, 1) == Totals(1, 1, 0, 0, 1, 0, 0)


def test_a_message_that_once_had_good_rows_and_now_cannot_be_read_keeps_its_entry(
    house: Gatehouse,
) -> None:
    house.run([record_of(1, rows_message(0, T0_MS, [GOOD, TOO_HIGH]))])
    [entry] = house.store.quarantined.values()
    house._enrols = False
    house.checkpoint(2)
    house.start()
    requeue(house, 2, entry, T0_MS)
    [kept] = house.store.quarantined.values()
    assert (kept.record, kept.detail, kept.readings) == (2, entry.detail, 1)
    assert balance(house, 2) == Totals(1, 1, 0, 1, 1, 0, 0)


def test_speed_from_record_to_graded_reading(house: Gatehouse) -> None:
    spent_us = []
    for n in range(5):
        records = [
            record_of(
                1000 * n + d + 1,
                rows_message(n, T0_MS + n, [[0, 1000 + n, 0, 100 + n, 2300, 50, 900, 0]]),
                f"tg/1/hanoi/energy/meter-{d}/t",
            )
            for d in range(1000)
        ]
        start = time.perf_counter()
        outcome = house.run(records)
        spent_us.append((time.perf_counter() - start) / len(records) * 1e6)
        assert outcome.change.stored == 1000
    print(f"pipeline: {min(spent_us):.2f} µs a message of one reading, JSON")  # noqa: T201
