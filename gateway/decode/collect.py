"""Gathers the rows of many messages and turns them into columns at once.

One numpy call for 5,000 messages costs a tenth of 5,000 calls: this is why decoders hand over
plain lists (``add_rows``), or arrays where they have them anyway (``add_columns``).
"""

from array import array
from collections.abc import Sequence
from itertools import chain
from typing import cast

import numpy as np
from typing_extensions import override

from gateway.model import (
    NO_SEQ,
    BoolArray,
    DecodedBatch,
    Event,
    FloatArray,
    IntArray,
    Lane,
    Quality,
    ReadingBatch,
)
from gateway.ports import Collecting, RowsHeader


class _Gathered:
    """What one profile's messages have brought so far, in the order they came."""

    __slots__ = ("counts", "flat", "headers", "parts", "width")

    def __init__(self, width: int) -> None:
        self.width = width  # dt, values, status
        self.headers: list[RowsHeader] = []
        self.counts: list[int] = []
        self.flat: list[float | None] = []  # rows end to end, not yet in ``parts``
        self.parts: list[FloatArray] = []

    def close_part(self) -> None:
        """Move what lies in ``flat`` to ``parts`` as a matrix."""
        if self.flat:
            self.parts.append(_as_floats(self.flat).reshape(-1, self.width))
            self.flat = []


class Collector(Collecting):
    """Implements ``ports.Collecting`` for one batch of journal records; make a new one for each."""

    def __init__(self) -> None:
        self._profiles: dict[str, _Gathered] = {}
        self.events: list[Event] = []

    @override
    def add_rows(self, header: RowsHeader, rows: Sequence[Sequence[float | None]]) -> None:
        """Add rows ``[dt_ms, value…, status]`` of one message; widths already checked."""
        gathered = self._profiles.get(header.profile)
        if gathered is None:
            gathered = self._profiles[header.profile] = _Gathered(len(rows[0]))
        gathered.headers.append(header)
        gathered.counts.append(len(rows))
        gathered.flat += rows[0] if len(rows) == 1 else chain.from_iterable(rows)

    @override
    def add_columns(
        self, header: RowsHeader, dt_ms: IntArray, values: FloatArray, status: IntArray
    ) -> None:
        """Add the rows of one message as arrays; ``values`` has shape (rows, columns)."""
        gathered = self._profiles.get(header.profile)
        if gathered is None:
            gathered = self._profiles[header.profile] = _Gathered(values.shape[1] + 2)
        gathered.close_part()
        gathered.headers.append(header)
        gathered.counts.append(len(dt_ms))
        gathered.parts.append(np.column_stack((dt_ms, values, status)))

    @override
    def add_event(self, event: Event) -> None:
        """Add an event or a state message."""
        self.events.append(event)

    def batches(self) -> list[DecodedBatch]:
        """Return one batch for each profile seen, readings in the order of their messages."""
        return [_build(profile, gathered) for profile, gathered in self._profiles.items()]


def _as_floats(flat: list[float | None]) -> FloatArray:
    try:
        # A third faster than np.array, and nulls are rare: most devices measure every column.
        return np.frombuffer(array("d", cast("list[float]", flat)))
    except TypeError:
        return np.array(flat, dtype=np.float64)


def _build(profile: str, gathered: _Gathered) -> DecodedBatch:
    gathered.close_part()
    parts = gathered.parts
    table = parts[0] if len(parts) == 1 else np.concatenate(parts)
    counts = np.array(gathered.counts, dtype=np.int64)
    message = np.repeat(np.arange(len(counts)), counts)
    _, device, log, boot, seq, base_ms, lane, record, received_ms, registered, max_age_ms = zip(
        *gathered.headers, strict=True
    )

    def spread(column: Sequence[int]) -> IntArray:
        return np.array(column, dtype=np.int64)[message]

    received = spread(received_ms)
    time_ms, is_stamped = _times(table[:, 0], spread(base_ms), received, np.cumsum(counts) - 1)
    total = len(table)
    readings = ReadingBatch(
        profile=profile,
        device_index=spread(device),
        log=spread(log),
        seq=_sequence(spread(seq), counts),
        time_ms=time_ms,
        received_ms=received,
        values=np.ascontiguousarray(table[:, 1:-1]),
        status=np.nan_to_num(table[:, -1]).astype(np.int64),  # null: the device says nothing
        quality=np.full(total, Quality.RAW, dtype=np.int64),
        reasons=np.zeros(total, dtype=np.int64),
        record=spread(record),
    )
    return DecodedBatch(
        readings=readings,
        boot=spread(boot),
        is_backlog=np.array([name == Lane.BACKLOG for name in lane], dtype=np.bool_)[message],
        is_registered=np.array(registered, dtype=np.bool_)[message],
        is_stamped=is_stamped,
        max_age_ms=spread(max_age_ms),
    )


def _sequence(first: IntArray, counts: IntArray) -> IntArray:
    """Count up from each message's first number; a message without numbers keeps NO_SEQ."""
    begins = np.repeat(np.cumsum(counts) - counts, counts)
    return np.where(first == NO_SEQ, NO_SEQ, first + np.arange(len(first)) - begins)


def _times(
    dt: FloatArray, base_ms: IntArray, received_ms: IntArray, lasts: IntArray
) -> tuple[IntArray, BoolArray]:
    """Return when each reading was taken, and whether that had to come from the receive time.

    A device without clock sends its newest row as soon as it has it: the last row gets the
    receive time and the others keep their distance to it.
    """
    dt_ms = dt.astype(np.int64)
    is_stamped = base_ms == 0
    if not is_stamped.any():
        return base_ms + dt_ms, is_stamped
    counts = np.diff(lasts, prepend=-1)
    from_last = dt_ms - np.repeat(dt_ms[lasts], counts)
    return np.where(is_stamped, received_ms + from_last, base_ms + dt_ms), is_stamped
