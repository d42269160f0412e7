"""What a family of mappings remembers of its topics: shapes of messages, and stamps given."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from gateway.decode.foreign.compiled import Message
from gateway.decode.foreign.fast import FastShape, compile_shape, signature
from gateway.decode.foreign.options import Options
from gateway.model import Reason, Record
from gateway.ports import Collecting, LatestRow, Route

_MAX_TOPICS = 65_536  # a topic tree can be made up without end
_MAX_SHAPES = 1024  # compiled, of all messages of a family; 2 KB each
_MAX_MISSES = 16  # a topic that changes its shape so often is not worth it
_MAX_STAMPS = 65_536
_NO_CLOCK = int(Reason.NO_CLOCK)
_MAX_AHEAD_MS = 1000  # a device that floods must not run into the future

Routes = Mapping[tuple[int, str], Route]
"""By reading and part, in the order of the rows."""


class Stamps:
    """Receive times of rows without a time of their own, each once.

    A reading without number is known by device, profile and time: two values that a device sends
    within a millisecond, on a topic each, would be taken for one sent twice.
    """

    def __init__(self) -> None:
        self._last_ms: dict[tuple[int, str], int] = {}

    def of(self, device_index: int, profile: str, received_ms: int) -> int:
        """Return the receive time, or the next millisecond that is free."""
        key = device_index, profile
        last_ms = self._last_ms.get(key, 0)
        is_taken = received_ms <= last_ms < received_ms + _MAX_AHEAD_MS
        stamp_ms = last_ms + 1 if is_taken else received_ms
        if len(self._last_ms) >= _MAX_STAMPS and key not in self._last_ms:
            self._last_ms.clear()
        self._last_ms[key] = stamp_ms
        return stamp_ms

    def resume(self, latest: Iterable[LatestRow]) -> None:
        """Go on from the newest readings: what was given in the last second is not given again."""
        stamped = [row for row in latest if row.reasons & _NO_CLOCK]
        since_ms = max((row.time_ms for row in stamped), default=0) - 2 * _MAX_AHEAD_MS
        recent = [row for row in stamped if row.time_ms >= since_ms]
        self._last_ms = {(row.device_index, row.profile): row.time_ms for row in recent}


class _Fast(NamedTuple):
    """What is known of a topic whose messages have one shape."""

    shape: FastShape
    routes: tuple[Route, ...]  # of each row
    message: Message


class Learnt:
    """Topics whose messages have one shape."""

    def __init__(self, options: Options, stamps: Stamps) -> None:
        self._ages_ms, self._stamps = options.source_max_age_ms, stamps
        self._fast: dict[bytes, _Fast] = {}
        self._misses: dict[bytes, int] = {}
        self._shapes: dict[object, FastShape | None] = {}

    def forget(self) -> None:
        """Ask the directory anew from now on."""
        self._fast.clear()

    def decode(self, record: Record, out: Collecting) -> bool:
        """Add the readings of a message if it has the shape that its topic is known for."""
        number, received_ms, source, _, topic, payload = record
        fast = self._fast.get(topic)
        if fast is None:
            return False
        shape, routes, message = fast
        try:
            root = shape.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._miss(topic)
            return False
        time_ms = 0
        if shape.time is not None and message.clock is not None:
            time_ms = message.clock.instant(shape.time(root), received_ms, 0)
        ages, max_age_ms = self._ages_ms, message.max_age_ms
        max_age_ms = max(ages[source], max_age_ms) if ages else max_age_ms
        values = shape.numbers(root)
        at_ms = received_ms
        for (_, _, raw, pick), (device, _, is_registered) in zip(shape.rows, routes):  # noqa: B905  # half of its time, and ``learn`` has compared them
            if not time_ms:
                at_ms = self._stamps.of(device, raw.profile, received_ms)
            head = device, time_ms, number, at_ms, is_registered, max_age_ms
            out.add_raw(raw, head, values if pick is None else pick(values))
        return True

    def learn(
        self, message: Message, root: dict[str, object], routes: Routes, topic: bytes
    ) -> None:
        """Remember the shape of a message whose every value went into a column."""
        clock = message.clock
        is_odd = clock is not None and (clock.against is not None or len(clock.path) != 1)
        if is_odd or self._misses.get(topic, 0) >= _MAX_MISSES:
            return
        shape = self._shape(message, root)
        if shape is not None and [(row.reading, row.part) for row in shape.rows] == list(routes):
            if len(self._fast) >= _MAX_TOPICS:
                self._fast.clear()
            self._fast[topic] = _Fast(shape, tuple(routes.values()), message)

    def _shape(self, message: Message, root: dict[str, object]) -> FastShape | None:
        key = message.form.name, signature(root)
        if key not in self._shapes:
            if len(self._shapes) >= _MAX_SHAPES:
                self._shapes.clear()
            time_key = None if message.clock is None else str(message.clock.path[0])
            widths = [
                (target.profile, len(blank))
                for target, blank in zip(message.targets, message.blank, strict=True)
            ]
            self._shapes[key] = compile_shape(root, message.tree, time_key, widths)
        return self._shapes[key]

    def _miss(self, topic: bytes) -> None:
        """Take note that a topic changes its shape; one that often does is left to the walk."""
        self._fast.pop(topic, None)
        if len(self._misses) >= _MAX_TOPICS:
            self._misses.clear()
        self._misses[topic] = self._misses.get(topic, 0) + 1
