"""A message at which a decoder fails ends in quarantine, and nothing behind it is held up."""

import sqlite3
from collections.abc import Sequence

import pytest

from gateway.model import NO_SEQ, Event, Record
from gateway.ports import Collecting, DeviceDirectory, RowsHeader
from tests.gatehouse import T0_MS, Gatehouse, record_of, rows_message

ROW = (0, 1000, 0, 100, 2300, 50, 900, 0)


class Broken:
    """A format with a fault: it raises when it has already said half of a message.

    Args:
        error: what it raises at a message that begins with "!".
        in_plain: at once, where many messages are read together.
    """

    def __init__(self, error: Exception, *, in_plain: bool = False) -> None:
        self._error = error
        self._in_plain = in_plain

    def takes(self, topic: str) -> bool:
        return topic.startswith("broken/")

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        route = directory.foreign(record.topic.decode(), ("plug-1", ""), "hanoi", "energy")
        device, at_ms = route.device_index, record.received_ms
        header = RowsHeader(
            *("em1", device, 0, -1, NO_SEQ, at_ms, "t", record.number, at_ms),
            is_registered=False,
            max_age_ms=0,
        )
        out.add_rows(header, [ROW])
        out.add_event(Event(at_ms, at_ms, device, "note", 0, "{}", record.number))
        if record.payload.startswith(b"!"):
            raise self._error

    def decode_plain(self, records: Sequence[Record], out: Collecting) -> Sequence[Record]:
        if self._in_plain and any(record.payload.startswith(b"!") for record in records):
            raise self._error
        return records


@pytest.mark.parametrize("in_plain", [False, True])
def test_a_fault_of_a_decoder_costs_the_message_that_shows_it_and_no_other(
    *, in_plain: bool
) -> None:
    house = Gatehouse(foreign=lambda: [Broken(KeyError("secret"), in_plain=in_plain)])
    records = [
        record_of(1, b"good", "broken/1"),
        record_of(2, rows_message(0, T0_MS)),
        record_of(3, b"! bad", "broken/1", received_ms=T0_MS + 1000),
        record_of(4, b"good", "broken/1", received_ms=T0_MS + 2000),
        record_of(5, rows_message(1, T0_MS + 1000)),
    ]
    house.run(records[:2])
    [entry] = house.run(records[2:]).quarantined  # the topics are known, and read together
    assert (entry.record, entry.reason, entry.payload) == (3, "fault", b"! bad")
    assert entry.detail.startswith("KeyError at decode/__init__.py:")
    assert "secret" not in entry.detail  # what an error says may be of the payload
    assert {reading[-1] for reading in house.store.readings()} == {1, 2, 4, 5}
    assert {event.record for event in house.store.events} == {1, 4}
    assert house.pipeline.totals(5).pending_messages == 0


@pytest.mark.parametrize("error", [OSError(28, "disk"), MemoryError(), sqlite3.Error()])
@pytest.mark.parametrize("in_plain", [False, True])
def test_an_error_of_the_machine_says_nothing_of_a_message(
    error: Exception, *, in_plain: bool
) -> None:
    house = Gatehouse(foreign=lambda: [Broken(error, in_plain=in_plain)])
    house.run([record_of(1, b"good", "broken/1")])
    with pytest.raises(type(error)):
        house.run([record_of(2, b"! bad", "broken/1")])
