"""What is in the gateway, per device and log: duplicates out, receipts back, holes named.

Judging costs a few numpy calls per batch while every stream simply goes on; a stream that does
anything else (repeats, skips, begins anew) takes the exact rules of ``stream`` alone.

A reading is one of

* numbered: its identity is (device, log, seq), within the epoch the device counts in;
* unnumbered (``NO_SEQ``): its identity is (device, profile, time). Its stream is kept under the
  log ``-profile.number``, of which only the newest time is known; what is not newer than that
  is looked up in the store.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gateway.ledger.arrivals import Arrivals, arrivals_of, stable_order
from gateway.ledger.plain import Groups
from gateway.ledger.stream import Stream
from gateway.ledger.table import StreamTable
from gateway.model import NO_SEQ, BoolArray, DecodedBatch, IntArray
from gateway.ports import StreamRow

FindTimes = Callable[[str, int, IntArray], IntArray]
MAX_MISSING = 64  # ranges in a receipt: about 1 KiB, what a small client's buffer takes


class Mark(NamedTuple):
    """A device's own word on its log, in its place among the readings."""

    record: int
    device_index: int
    log: int
    first: int
    last: int | None = None  # None: ``first`` is the oldest it holds; else first … last are lost


class Receipt(NamedTuple):
    """How far a log is in the gateway, for lane a."""

    device_index: int
    log: int
    seq: int
    missing: list[tuple[int, int]]

    def payload(self) -> bytes:
        """Return the message body of DESIGN §3.1."""
        if not self.missing:  # nearly always, and thousands of them a second
            return b'{"log":%d,"seq":%d}' % (self.log, self.seq)
        body = {"log": self.log, "seq": self.seq, "missing": self.missing}
        return json.dumps(body, separators=(",", ":")).encode()


class Verdicts(NamedTuple):
    """The ledger's word on the readings of one batch."""

    is_fresh: BoolArray
    reasons: IntArray  # SEQ_GAP, SEQ_RESET

    def spread(self, order: IntArray | None, sizes: Sequence[int]) -> "list[Verdicts]":
        """Undo a sorting by ``order`` and cut into batches of these sizes."""
        is_fresh, reasons = self
        if order is not None:
            is_fresh, reasons = np.empty_like(is_fresh), np.empty_like(reasons)
            is_fresh[order], reasons[order] = self
        cuts = np.cumsum(sizes)[:-1]
        pairs = zip(np.split(is_fresh, cuts), np.split(reasons, cuts), strict=True)
        return [Verdicts(fresh, bits) for fresh, bits in pairs]


class Ledger:
    """The ledger of all devices.

    Args:
        numbers: number of each profile.
        find_times: ``ports.StoreWriter.find_times``.
    """

    def __init__(self, numbers: Mapping[str, int], find_times: FindTimes) -> None:
        self._numbers = dict(numbers)
        self._names = {number: name for name, number in numbers.items()}
        self._find_times = find_times
        self._table = StreamTable()
        self.given_up = 0  # sequence numbers written off since the start: permanent holes

    def screen(
        self,
        batches: Sequence[DecodedBatch],
        is_mistimed: Sequence[BoolArray] | None = None,
        marks: Sequence[Mark] = (),
    ) -> list[Verdicts]:
        """Judge readings and remember them; ``is_mistimed`` are those refused for their time.

        The order of arrival is that of the record numbers, whatever the order of the batches.
        The caller has written every earlier reading to the store (``find_times`` sees it).
        """
        verdicts = []
        marks_of: dict[int, list[Mark]] = {}
        if batches:
            rows = arrivals_of(batches, is_mistimed, self._numbers)
            came = stable_order(rows.record)
            slot = self._slots(rows if came is None else rows.take(came), marks)
            marks_of = self._marks_by_slot(marks)
            by_slot = stable_order(slot)
            order = _compose(came, by_slot)
            if order is not None:
                rows = rows.take(order)
            sorted_verdicts = self._judge(
                rows, slot if by_slot is None else slot[by_slot], marks_of
            )
            verdicts = sorted_verdicts.spread(order, [len(batch.boot) for batch in batches])
        else:
            marks_of = self._marks_by_slot(marks)
        for slot_left, left in marks_of.items():
            self._exact(slot_left, None, left)
        self._table.trim()
        return verdicts

    def expect(self, device_index: int, log: int, first: int) -> None:
        """Take a device's word for the oldest number it still holds."""
        self.screen([], marks=[Mark(0, device_index, log, first)])

    def gap(self, device_index: int, log: int, first: int, last: int) -> None:
        """Take a device's word that first … last will never come."""
        self.screen([], marks=[Mark(0, device_index, log, first, last)])

    def believe(self, batch: DecodedBatch) -> None:
        """Learn the times of readings that came back from quarantine; their numbers are known."""
        rows, table = batch.readings, self._table
        slots = table.find(rows.device_index, rows.log)
        is_known = slots >= 0
        np.maximum.at(table.last_time_ms, slots[is_known], rows.time_ms[is_known])
        table.is_dirty[slots[is_known]] = True

    def receipts(self, part: int = 0, parts: int = 1) -> list[Receipt]:
        """Return a receipt for every log that was heard of since its last one.

        Also for one that only repeated itself: it does so because it missed its receipt.
        Everything up to here is in the journal, so this may be called after any ``screen``.
        With ``parts``, for one share of all logs; the others keep theirs until it is their turn.
        """
        return [Receipt(*due) for due in self._table.due(MAX_MISSING, part, parts)]

    def dirty_rows(self) -> list[StreamRow]:
        """Return what a checkpoint must keep, each change once.

        A row whose ``ranges`` is empty (not "[]") is of a log that was forgotten: ``restore``
        ignores it and the store may delete it.
        """
        return list(self._table.dirty_rows())

    def restore(self, rows: Iterable[StreamRow]) -> None:
        """Go on from the rows of the last checkpoint."""
        self._table.restore(rows)

    def _slots(self, rows: Arrivals, marks: Sequence[Mark]) -> IntArray:
        """Return the slot of each reading, in order of arrival, beginning unknown streams."""
        slots = self._table.find(rows.device, rows.log)
        new = np.flatnonzero(slots < 0)
        if not len(new):
            return slots
        first_marks = {(mark.device_index, mark.log): mark for mark in reversed(marks)}
        made: dict[tuple[int, int], int] = {}
        part = rows.take(new)
        for place, *key, boot, seq, record in zip(
            *(c.tolist() for c in (new, part.device, part.log, part.boot, part.seq, part.record)),
            strict=True,
        ):
            slot = made.get((key[0], key[1]))
            if slot is None:
                mark = first_marks.get((key[0], key[1]))
                # the first number of an unknown stream is its base, unless the device said so
                if mark is not None and mark.record <= record:
                    boot, first = -1, mark.first  # noqa: PLW2901  # a mark knows of no boot
                else:
                    first = max(seq, 0)
                slot = made[key[0], key[1]] = self._table.create(key[0], key[1], boot, first)
            slots[place] = slot
        return slots

    def _marks_by_slot(self, marks: Sequence[Mark]) -> dict[int, list[Mark]]:
        by_slot: dict[int, list[Mark]] = {}
        for mark in marks:
            key = np.array([mark.device_index]), np.array([mark.log])
            slot = int(self._table.find(*key)[0])
            if slot < 0:
                slot = self._table.create(mark.device_index, mark.log, -1, mark.first)
            by_slot.setdefault(slot, []).append(mark)
        return by_slot

    def _judge(self, rows: Arrivals, slot: IntArray, marks_of: dict[int, list[Mark]]) -> Verdicts:
        """Judge readings sorted by stream; takes out of ``marks_of`` what it has applied."""
        table, groups = self._table, Groups(rows, slot)
        group = groups.slot
        goes_on, repeats = groups.going_on(table), groups.repeating(table)
        if marks_of:
            is_marked = np.isin(group, list(marks_of))
            goes_on &= ~is_marked
            repeats &= ~is_marked
        is_plain = goes_on | repeats
        moved = group[goes_on]
        table.top[moved] = np.maximum(table.top[moved], rows.seq[groups.ends[goes_on] - 1])
        heard = group[is_plain]
        table.last_time_ms[heard] = np.maximum(
            table.last_time_ms[heard], groups.newest_ms()[is_plain]
        )
        table.is_dirty[group] = True
        table.is_due[group] = table.log[group] >= 0
        verdicts = Verdicts(~groups.spread(repeats), np.zeros(len(slot), np.int64))
        for place in np.flatnonzero(~is_plain).tolist():
            part = slice(int(groups.starts[place]), int(groups.ends[place]))
            marks = marks_of.pop(int(group[place]), [])
            fresh, bits = self._exact(int(group[place]), rows.take(part), marks)
            verdicts.is_fresh[part], verdicts.reasons[part] = fresh, bits
        return verdicts

    def _exact(
        self, slot: int, rows: Arrivals | None, marks: list[Mark]
    ) -> tuple[BoolArray | list[bool], IntArray | list[int]]:
        if rows is not None and rows.seq[0] == NO_SEQ:
            return self._unnumbered(slot, rows.time_ms)
        table = self._table
        stream = table.load(slot)
        waiting = list(marks)
        fresh, bits = [], []
        if rows is not None:
            columns = (rows.record, rows.seq, rows.time_ms, rows.boot, rows.is_stamped)
            for record, seq, time_ms, boot, is_stamped in zip(
                *(column.tolist() for column in columns), strict=True
            ):
                while waiting and waiting[0].record <= record:
                    _apply(stream, waiting.pop(0))
                is_new, reason = stream.take(seq, time_ms, boot, is_stamped=is_stamped)
                fresh.append(is_new)
                bits.append(int(reason))
        for mark in waiting:
            _apply(stream, mark)
        table.save(slot, stream)
        table.is_dirty[slot] = table.is_due[slot] = True
        self.given_up += stream.given_up
        return fresh, bits

    def _unnumbered(self, slot: int, times: IntArray) -> tuple[BoolArray, IntArray]:
        table = self._table
        device, profile = int(table.device[slot]), self._names[-int(table.log[slot])]
        _, first_places = np.unique(times, return_index=True)
        is_fresh = np.zeros(len(times), np.bool_)
        is_fresh[first_places] = True  # of one time in this batch, the first counts
        old = np.flatnonzero(is_fresh & (times <= table.last_time_ms[slot]))
        if len(old):
            stored = self._find_times(profile, device, times[old])
            is_fresh[old[np.isin(times[old], stored)]] = False
        table.last_time_ms[slot] = max(int(table.last_time_ms[slot]), int(times.max()))
        return is_fresh, np.zeros(len(times), np.int64)


def _apply(stream: Stream, mark: Mark) -> None:
    if mark.last is None:
        stream.expect(mark.first)
    else:
        stream.lose(mark.first, mark.last)


def _compose(first: IntArray | None, second: IntArray | None) -> IntArray | None:
    if first is None or second is None:
        return second if first is None else first
    return first[second]
