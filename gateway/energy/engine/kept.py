"""The engine's state as bytes: what waits, who is watched, what the outage watch knows."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from gateway.energy.engine.days.pieces import Piece
from gateway.energy.engine.losses.desk import LossState
from gateway.energy.outage import Alarm, WatchState
from gateway.energy.outage.life import Mark, Span
from gateway.energy.outage.timeline import TimelineState

_VERSION = 6


class Kept(NamedTuple):
    """All that a restart needs and that is not in the store."""

    order: Sequence[int]  # device index of each row
    profile_of: dict[int, str]
    gasping: Sequence[str]
    heard_ms: dict[int, int]
    waiting: Sequence[tuple[Piece, int]]
    losses: LossState
    network: Sequence[tuple[str, int, int]]  # what looks at all groups, and when it is due
    day: int  # the local day of the last step
    edits: int  # bytes of the file of edits that have been seen
    watch: WatchState


class _Saved(NamedTuple):
    version: int
    order: list[int]
    profile_of: dict[int, str]
    gasping: list[str]
    heard_ms: dict[int, int]
    waiting: list[tuple[Piece, int]]
    losses: LossState
    network: list[tuple[str, int, int]]
    day: int
    edits: int
    now_ms: int
    columns: tuple[bytes, bytes, bytes]
    older: dict[int, list[Span]]
    marks: dict[int, list[Mark]]
    alarms: tuple[Alarm, ...]
    deaf: tuple[Span, ...] = ()


_DECODER = msgspec.msgpack.Decoder(_Saved)


def to_bytes(kept: Kept) -> bytes:
    """Return it as bytes."""
    timeline = kept.watch.timeline
    columns = (timeline.first_ms, timeline.last_ms, timeline.alive_ms)
    first, last, alive = (column.astype(np.int64).tobytes() for column in columns)
    return msgspec.msgpack.encode(
        _Saved(
            _VERSION,
            list(kept.order),
            kept.profile_of,
            list(kept.gasping),
            kept.heard_ms,
            list(kept.waiting),
            kept.losses,
            list(kept.network),
            kept.day,
            kept.edits,
            timeline.now_ms,
            (first, last, alive),
            timeline.older,
            timeline.marks,
            kept.watch.alarms,
            timeline.deaf,
        )
    )


def from_bytes(state: bytes) -> Kept | None:
    """Return what was kept; None at a first start, or where another version wrote it."""
    if not state:
        return None
    try:
        saved = _DECODER.decode(state)
    except msgspec.DecodeError:
        return None
    if saved.version != _VERSION:
        return None
    first, last, alive = (np.frombuffer(column, np.int64) for column in saved.columns)
    columns = (first, last, alive)
    timeline = TimelineState(saved.now_ms, *columns, saved.older, saved.marks, saved.deaf)
    return Kept(
        saved.order,
        saved.profile_of,
        saved.gasping,
        saved.heard_ms,
        saved.waiting,
        saved.losses,
        saved.network,
        saved.day,
        saved.edits,
        WatchState(timeline, saved.alarms),
    )
