"""What a family of mappings remembers of its topics: shapes of messages, and stamps given."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from operator import attrgetter
from typing import NamedTuple

import msgspec
import numpy as np

from gateway.decode.collect import as_integers
from gateway.decode.foreign.compiled import Message
from gateway.decode.foreign.fast import FastShape, compile_shape, signature
from gateway.decode.foreign.options import Options
from gateway.decode.plain import Run
from gateway.decode.wire import MAX_PAYLOAD_BYTES
from gateway.errors import RejectedError
from gateway.model import IntArray, Reason, Record
from gateway.ports import Collecting, LatestRow, Route

_MAX_TOPICS = 65_536  # a topic tree can be made up without end
_MAX_SHAPES = 1024  # compiled, of all messages of a family; 2 KB each
_MAX_MISSES = 16  # a topic that changes its shape so often is not worth it
_MAX_STAMPS = 65_536
FEW = 24  # fewer at once cost more in arrays than one by one
_NO_CLOCK = int(Reason.NO_CLOCK)
_MAX_AHEAD_MS = 1000  # a device that floods must not run into the future

Routes = Mapping[tuple[int, str], Route]
"""By reading and part, in the order of the rows."""

_topic_of = attrgetter("topic")
_heads_of = attrgetter("heads")


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


@dataclass(frozen=True, eq=False, slots=True)  # equal only to itself: a quick key
class _Kind:
    """Messages that are read alike."""

    shape: FastShape
    message: Message


class _Fast(NamedTuple):
    """What is known of a topic whose messages have one shape."""

    kind: _Kind
    routes: tuple[Route, ...]  # of each row
    heads: tuple[int, ...]  # of each row: device index, whether it is registered
    is_timed: bool  # its messages say when: their rows need no stamp of ours


class Learnt:
    """Topics whose messages have one shape."""

    def __init__(self, options: Options, stamps: Stamps) -> None:
        self._ages_ms, self._stamps = options.source_max_age_ms, stamps
        self._fast: dict[bytes, _Fast] = {}
        self._misses: dict[bytes, int] = {}
        self._kinds: dict[object, _Kind | None] = {}

    def forget(self) -> None:
        """Ask the directory anew from now on."""
        self._fast.clear()

    def decode(self, record: Record, out: Collecting) -> bool:
        """Add the readings of a message if it has the shape that its topic is known for."""
        number, received_ms, source, _, topic, payload = record
        fast = self._fast.get(topic)
        if fast is None:
            return False
        kind, routes, _, _ = fast
        shape, message = kind.shape, kind.message
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
        for (_, _, raw, _, pick), (device, _, is_registered) in zip(shape.rows, routes):  # noqa: B905  # half of its time, and ``learn`` has compared them
            if not time_ms:
                at_ms = self._stamps.of(device, raw.profile, received_ms)
            head = device, time_ms, number, at_ms, is_registered, max_age_ms
            out.add_raw(raw, head, values if pick is None else pick(values))
        return True

    def decode_plain(self, records: Sequence[Record], out: Collecting) -> list[Record]:
        """Add messages of known shapes that say their time, at once; return the other records."""
        known = self._fast.get
        runs: defaultdict[_Kind | None, list[Record]] = defaultdict(list)
        for record, fast in zip(records, map(known, map(_topic_of, records)), strict=True):
            runs[fast.kind if fast is not None and fast.is_timed else None].append(record)
        others: list[Record] = []
        for kind, group in runs.items():
            if kind is None or len(group) < FEW:
                others += group
            else:
                run = Run(group, list(map(self._fast.__getitem__, map(_topic_of, group))))
                others += run.add(partial(self._add_all, kind, out))
        return others

    def _add_all(self, kind: _Kind, out: Collecting, run: Run[_Fast]) -> bool:
        """Add messages of one kind; or nothing, and return False, where one of them is odd."""
        shape, message = kind.shape, kind.message
        number, received_ms, source, _, _, payloads = zip(*run.records, strict=True)
        if max(map(len, payloads)) > MAX_PAYLOAD_BYTES or not (shape.time and message.clock):
            return False
        try:
            roots = list(map(shape.decode, payloads))
            said = map(shape.time, roots)
            time_ms = as_integers(list(map(message.clock.instant, said, received_ms, repeat(0))))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, RejectedError):
            return False
        if not time_ms.all():
            return False
        numbers = shape.table(roots)
        times = time_ms, as_integers(number), as_integers(received_ms)
        max_age_ms = np.maximum(self._ages(source), message.max_age_ms)
        routes = chain.from_iterable(map(_heads_of, run.origins))
        heads = np.fromiter(routes, np.int64).reshape(len(roots), len(shape.rows), 2)
        for place, row in enumerate(shape.rows):
            device, is_registered = heads[:, place].T
            table = numbers if row.pick is None else numbers[:, row.places]
            out.add_table(row.shape, np.stack((device, *times, is_registered, max_age_ms)), table)
        return True

    def _ages(self, sources: Sequence[int]) -> IntArray:
        if not self._ages_ms:
            return np.zeros(len(sources), np.int64)
        return np.array(self._ages_ms, np.int64)[as_integers(sources)]

    def learn(
        self,
        message: Message,
        root: dict[str, object],
        routes: Routes,
        topic: bytes,
        time_ms: int,
    ) -> None:
        """Remember the shape of a message whose every value went into a column."""
        clock = message.clock
        is_odd = clock is not None and (clock.against is not None or len(clock.path) != 1)
        if is_odd or self._misses.get(topic, 0) >= _MAX_MISSES:
            return
        kind = self._kind(message, root)
        rows = [] if kind is None else [(row.reading, row.part) for row in kind.shape.rows]
        if kind is not None and rows == list(routes):
            if len(self._fast) >= _MAX_TOPICS:
                self._fast.clear()
            of_rows = tuple(routes.values())
            heads = chain.from_iterable((one.device_index, one.is_registered) for one in of_rows)
            self._fast[topic] = _Fast(kind, of_rows, tuple(heads), time_ms > 0)

    def _kind(self, message: Message, root: dict[str, object]) -> _Kind | None:
        key = id(message), signature(root)  # a message lives as long as its family
        if key not in self._kinds:
            if len(self._kinds) >= _MAX_SHAPES:
                self._kinds.clear()
            time_key = None if message.clock is None else str(message.clock.path[0])
            widths = [
                (target.profile, len(blank))
                for target, blank in zip(message.targets, message.blank, strict=True)
            ]
            shape = compile_shape(root, message.tree, time_key, widths)
            self._kinds[key] = None if shape is None else _Kind(shape, message)
        return self._kinds[key]

    def _miss(self, topic: bytes) -> None:
        """Take note that a topic changes its shape; one that often does is left to the walk."""
        self._fast.pop(topic, None)
        if len(self._misses) >= _MAX_TOPICS:
            self._misses.clear()
        self._misses[topic] = self._misses.get(topic, 0) + 1
