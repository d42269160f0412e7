"""Every stream's state as columns, so that a batch is judged by a few numpy calls.

A slot is one (device, log). Only what is out of the ordinary, holes and earlier epochs, lives
in dictionaries of Python objects.
"""

import json
from collections.abc import Iterable, Iterator

import numpy as np

from gateway.ledger.ranges import Range, add
from gateway.ledger.stream import NO_TIME, Epoch, Stream
from gateway.model import IntArray
from gateway.ports import StreamRow

# A device that makes up a log id for every message would grow our memory without end. Firmware
# begins a new log when its flash is formatted; eight of them alive at once is a generous fleet
# bound. The logs with the oldest readings are forgotten, after the batch that made them too many.
MAX_LOGS = 8
FORGOTTEN = ""  # ``ranges`` of a row that may be deleted; that of a living one is "[]" or longer


class StreamTable:
    """Slots, their columns and their objects."""

    def __init__(self) -> None:
        self.size = 0
        self.device = np.zeros(0, np.int64)
        self.log = np.zeros(0, np.int64)
        self.epoch = np.zeros(0, np.int64)
        self.boot = np.zeros(0, np.int64)
        self.first = np.zeros(0, np.int64)
        self.top = np.zeros(0, np.int64)  # highest number seen
        self.last_time_ms = np.zeros(0, np.int64)
        self.is_odd = np.zeros(0, np.bool_)  # has holes, or readings below ``first``
        self.has_older = np.zeros(0, np.bool_)  # remembers earlier epochs
        self.is_dirty = np.zeros(0, np.bool_)
        self.is_due = np.zeros(0, np.bool_)  # a receipt is due
        self._seen: dict[int, list[Range]] = {}
        self._older: dict[int, list[Epoch]] = {}
        self._slots: dict[tuple[int, int], int] = {}
        self._usual = np.full(0, -1, np.int64)  # by device: the slot it used last
        self._logs: dict[int, list[int]] = {}  # slots of each device
        self._crowded: set[int] = set()
        self._free: list[int] = []
        self._forgotten: list[StreamRow] = []

    def find(self, device: IntArray, log: IntArray) -> IntArray:
        """Return the slots of streams, −1 where one is unknown."""
        top = int(device.max(initial=-1))
        if top >= len(self._usual):
            more = np.full(max(top + 1, 2 * len(self._usual)) - len(self._usual), -1, np.int64)
            self._usual = np.concatenate([self._usual, more])
        slots: IntArray = self._usual[device]
        is_wrong = slots < 0
        if self.size:
            is_wrong |= self.log[slots] != log
        wrong = np.flatnonzero(is_wrong)
        if len(wrong):
            keys = zip(device[wrong].tolist(), log[wrong].tolist(), strict=True)
            found = np.array([self._slots.get(key, -1) for key in keys], np.int64)
            slots[wrong] = found
            self._usual[device[wrong]] = found
        return slots

    def create(self, device: int, log: int, boot: int, first: int) -> int:
        """Begin a stream that expects ``first`` next; a device with too many logs loses one."""
        slot = self._free.pop() if self._free else self.size
        if slot == self.size:
            self._grow()
        self.device[slot], self.log[slot], self.boot[slot] = device, log, boot
        self.epoch[slot], self.first[slot], self.top[slot] = 0, first, first - 1
        self.last_time_ms[slot] = NO_TIME
        self.is_odd[slot] = self.has_older[slot] = False
        self.is_dirty[slot] = True
        self.is_due[slot] = False
        self._slots[device, log] = slot
        if log >= 0:
            slots = self._logs.setdefault(device, [])
            slots.append(slot)
            if len(slots) > MAX_LOGS:
                self._crowded.add(device)
        return slot

    def load(self, slot: int) -> Stream:
        """Return the stream of a slot as an object with the exact rules."""
        first, top = int(self.first[slot]), int(self.top[slot])
        if self.is_odd[slot]:
            seen = self._seen[slot]
            seen[-1] = (seen[-1][0], top)  # the vectorised path only moves ``top``
        else:
            seen = [(first, top)] if top >= first else []
        current = Epoch(
            int(self.epoch[slot]), int(self.boot[slot]), first, int(self.last_time_ms[slot]), seen
        )
        return Stream([*self._older.get(slot, ()), current])

    def save(self, slot: int, stream: Stream) -> None:
        """Put a stream that ``load`` returned back into its slot."""
        current = stream.current
        self.epoch[slot], self.boot[slot] = current.number, current.boot
        self.first[slot], self.top[slot] = current.first, current.top
        self.last_time_ms[slot] = current.last_time_ms
        self.is_odd[slot] = not current.is_plain
        self.has_older[slot] = len(stream.epochs) > 1
        self._seen.pop(slot, None)
        if self.is_odd[slot]:
            self._seen[slot] = current.seen
        if self.has_older[slot]:
            self._older[slot] = stream.epochs[:-1]
        self._bury(int(self.device[slot]), int(self.log[slot]), stream.dropped)

    def dirty_rows(self) -> Iterator[StreamRow]:
        """Yield what changed since the last call, and forget that it changed."""
        yield from self._forgotten
        self._forgotten.clear()
        dirty = np.flatnonzero(self.is_dirty[: self.size])
        is_odd = self.is_odd[dirty] | self.has_older[dirty]
        plain = dirty[~is_odd]
        columns = (self.device, self.log, self.epoch, self.boot, self.first, self.top)
        lists = [column[plain].tolist() for column in (*columns, self.last_time_ms)]
        yield from (StreamRow._make((*values, "[]")) for values in zip(*lists, strict=True))
        for slot in dirty[is_odd].tolist():
            device, log = int(self.device[slot]), int(self.log[slot])
            yield from (row_of(device, log, epoch) for epoch in self.load(slot).epochs)
        self.is_dirty[: self.size] = False

    def due(
        self, max_missing: int, part: int, parts: int
    ) -> Iterator[tuple[int, int, int, list[Range]]]:
        """Yield device, log, high-water and holes of streams that owe a receipt, each once.

        Of the ``parts`` into which all streams are split, only one.
        """
        due = np.flatnonzero(self.is_due[part : self.size : parts]) * parts + part
        self.is_due[due] = False
        plain = due[~self.is_odd[due] & (self.top[due] >= self.first[due])]
        lists = [column[plain].tolist() for column in (self.device, self.log, self.top)]
        for device, log, top in zip(*lists, strict=True):
            yield device, log, top, []
        for slot in due[self.is_odd[due]].tolist():
            epoch = self.load(slot).current
            missing = epoch.missing()[:max_missing]
            yield int(self.device[slot]), int(self.log[slot]), epoch.high_water, missing

    def restore(self, rows: Iterable[StreamRow]) -> None:
        """Rebuild the table from rows in any order."""
        by_stream: dict[tuple[int, int], list[Epoch]] = {}
        for row in rows:
            if row.ranges != FORGOTTEN:
                epochs = by_stream.setdefault((row.device_index, row.log), [])
                epochs.append(epoch_of(row))
        for (device, log), epochs in by_stream.items():
            epochs.sort(key=_number)
            self.save(self.create(device, log, -1, 0), Stream(epochs))
        self.is_dirty[: self.size] = False
        self._forgotten.clear()

    def trim(self) -> None:
        """Forget the oldest logs of devices that have too many; after a batch, never within."""
        for device in self._crowded:
            slots = sorted(self._logs[device], key=self._age)
            for slot in slots[:-MAX_LOGS]:
                self._forget(slot)
            self._logs[device] = slots[-MAX_LOGS:]
        self._crowded.clear()

    def _age(self, slot: int) -> tuple[int, int]:
        return int(self.last_time_ms[slot]), int(self.log[slot])

    def _forget(self, slot: int) -> None:
        device, log = int(self.device[slot]), int(self.log[slot])
        self._bury(device, log, self.load(slot).epochs)
        del self._slots[device, log]
        self._seen.pop(slot, None)
        self._older.pop(slot, None)
        self.is_dirty[slot] = self.is_due[slot] = False
        self.log[slot] = -1 << 40  # nobody's log, so that ``_usual`` cannot find it
        self._free.append(slot)

    def _bury(self, device: int, log: int, epochs: Iterable[Epoch]) -> None:
        for epoch in epochs:
            self._forgotten.append(row_of(device, log, epoch)._replace(ranges=FORGOTTEN))

    def _grow(self) -> None:
        self.size += 1
        if self.size <= len(self.device):
            return
        room = max(1024, 2 * len(self.device))
        for name, column in vars(self).items():
            if isinstance(column, np.ndarray) and name != "_usual":
                wider = np.zeros(room, column.dtype)
                wider[: len(column)] = column
                setattr(self, name, wider)


def row_of(device: int, log: int, epoch: Epoch) -> StreamRow:
    """Return an epoch as the state file keeps it."""
    return StreamRow(
        device,
        log,
        epoch.number,
        epoch.boot,
        epoch.first,
        epoch.high_water,
        epoch.last_time_ms,
        json.dumps(epoch.side_ranges()),
    )


def epoch_of(row: StreamRow) -> Epoch:
    """Return an epoch from its row."""
    epoch = Epoch(row.epoch, row.boot, row.first, row.last_time_ms)
    if row.high_water >= row.first:
        add(epoch.seen, row.first, row.high_water)
    for first, last in json.loads(row.ranges):
        add(epoch.seen, first, last)
    return epoch


def _number(epoch: Epoch) -> int:
    return epoch.number
