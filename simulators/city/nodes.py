"""A device of the city as a field node: rows from a world, blocks from the firmware's own code."""

import json
from collections import deque
from collections.abc import Callable, Sequence

from typing_extensions import override

from fieldnode.core.block import CLOCK_SNTP, CRC_BYTES, HEADER_BYTES, BlockWriter
from fieldnode.core.varint import MAX_BYTES
from simulators.city.frame import NULL, DeviceRow, Event
from simulators.city.profiles import PROFILES
from simulators.device import KEPT_READINGS, ROWS_PER_MESSAGE, Device, Reading, tail_of

MOST_EVENTS = 64  # waiting in a node; the oldest go first
# A radar that reports every vehicle fills 1,000 readings within a quarter of an hour.
KEPT_EVENTS = 10 * KEPT_READINGS


class Writers:
    """One block writer for each profile: nodes encode one after the other."""

    def __init__(self) -> None:
        self._writers: dict[str, BlockWriter] = {}

    def writer(self, profile: str) -> BlockWriter:
        """Return the writer of a profile; a whole message fits into its buffer."""
        writer = self._writers.get(profile)
        if writer is None:
            number, columns = PROFILES[profile]
            size = HEADER_BYTES + CRC_BYTES + ROWS_PER_MESSAGE * (columns + 3) * MAX_BYTES
            writer = self._writers[profile] = BlockWriter(number, columns, size)
        return writer


class _Fed:
    """Stands for the model of a device: its readings come from the world."""

    def __init__(self, row: DeviceRow) -> None:
        self.profile, self.sector, self.accrued = row.profile, row.sector, 0

    def row(self, from_ms: int, to_ms: int) -> tuple[int | None, ...]:
        """Refuse: see ``Node.take``."""
        raise NotImplementedError(f"rows from {from_ms} to {to_ms} come from the world")

    def skip(self, from_ms: int, to_ms: int) -> None:
        """Let the time pass."""


class Node(Device):
    """One device of the city.

    Args:
        org: first part of its topics.
        row: what the registry says of it.
        writers: shared by all nodes.
        world_ms: what time it is in the city.
    """

    def __init__(
        self, org: str, row: DeviceRow, writers: Writers, world_ms: Callable[[], int]
    ) -> None:
        super().__init__(org, row.id, _Fed(row), row.interval_ms or 60_000)
        self._writers, self._world_ms = writers, world_ms
        self._events: deque[bytes] = deque(maxlen=MOST_EVENTS)
        self._most = KEPT_READINGS if row.interval_ms else KEPT_EVENTS
        self.kept = deque(maxlen=self._most)

    def take(self, time_ms: int, values: Sequence[int], status: int) -> Reading:
        """Keep a reading that the world has made."""
        measured = [None if value == NULL else value for value in values]
        reading = Reading(self.next_seq, time_ms, tail_of(measured, status))
        self.next_seq += 1
        self.last_ms = time_ms
        self.overwritten += len(self.kept) == self._most
        self.kept.append(reading)
        return reading

    def recall(self, readings: list[Reading]) -> None:
        """Find in the flash what was recorded before the first connection: all of it is owed."""
        self.kept.extend(readings)
        self.sent, self.last_ms = readings[-1].seq, readings[-1].time_ms
        self.next_seq = self.sent + 1
        self._resend.append((readings[0].seq, self.sent))

    def tell(self, event: Event) -> None:
        """Say something on lane e as soon as there is a connection."""
        self._events.append(event_payload(event))

    def reboot(self) -> None:
        """Come back from a power cut."""
        self.boot += 1

    @property
    def is_sent(self) -> bool:
        """Whether everything has left the node at least once."""
        return not self._events and self.sent + 1 >= self.next_seq

    @property
    def is_half_full(self) -> bool:
        """Whether readings without a receipt fill half of the memory."""
        return len(self.kept) > self._most // 2

    @override
    def event(self) -> bytes | None:
        return self._events.popleft() if self._events else None

    @override
    def birth(self, now_ms: int) -> bytes:
        return super().birth(self._world_ms())

    @override
    def come_up(self, now_ms: int) -> None:
        super().come_up(self._world_ms())

    @override
    def _rows(self, readings: list[Reading]) -> bytes:
        writer = self._writers.writer(self.model.profile)
        base_ms = readings[0].time_ms
        writer.open(self.log, self.boot, readings[0].seq, CLOCK_SNTP, base_ms)
        for reading in readings:
            *values, status = json.loads("[" + reading.tail)
            writer.add(reading.time_ms - base_ms, tuple(values), status)
        return writer.close()

    def as_json(self, readings: list[Reading]) -> bytes:
        """Return readings as a message in JSON: for people, and for a dump."""
        return super()._rows(readings)


def event_payload(event: Event) -> bytes:
    """Return the message of an event (docs/protocol.md §7)."""
    return json.dumps({"c": event.code, "t": event.time_ms}, separators=(",", ":")).encode()
