"""What people wrote down when a meter was put up, taken down or exchanged, as registers at marks.

A meter that is taken down within a slot shows its last register at the end of it, one that is put
up its first at the begin: so both ends of its life are bounded by registers like all between.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from gateway.energy.vee import Exchange
from gateway.registry import ALWAYS_MS, NEVER_MS, MeterFact


class Shown(NamedTuple):
    """What a meter showed by a person's note, NaN = not noted."""

    row: int
    time_ms: int  # of a mark
    import_wh: float
    export_wh: float


class Protocol(NamedTuple):
    """Of some meters."""

    exchanges: Sequence[Exchange] = ()
    shown: Sequence[Shown] = ()


NO_PROTOCOL = Protocol()


def protocol_of(row: int, meters: Sequence[MeterFact], interval_ms: int) -> Protocol:
    """Return what is noted of the meters behind one device.

    Args:
        row: the device's.
        meters: one after the other, at least one.
        interval_ms: between marks.
    """
    exchanges: list[Exchange] = []
    shown: list[Shown] = []
    if meters[0].from_ms > ALWAYS_MS:
        shown.append(_first(row, meters[0], interval_ms))
    for old, new in pairwise(meters):
        gone, come = _last(row, old, interval_ms), _first(row, new, interval_ms)
        if gone.time_ms >= come.time_ms:  # no mark at which there was none
            exchanges += _at_once(row, old, new)
            continue
        shown += [gone, come]
        if old.serial != new.serial:
            exchanges.append(_apart(gone, come))
            shown[-1] = come._replace(import_wh=_or_zero(come.import_wh))
    if meters[-1].to_ms < NEVER_MS:
        shown.append(_last(row, meters[-1], interval_ms))
    return Protocol(exchanges, [one for one in shown if math.isfinite(one.import_wh)])


def is_later(meters: Sequence[MeterFact], since_ms: int) -> bool:
    """Return whether one of them was put up or taken down since a moment."""
    newest = meters[-1]
    return newest.from_ms >= since_ms or since_ms <= newest.to_ms < NEVER_MS


def joined(parts: Iterable[Protocol]) -> Protocol:
    """Return the protocols of some devices together."""
    exchanges: list[Exchange] = []
    shown: list[Shown] = []
    for one in parts:
        exchanges += one.exchanges
        shown += one.shown
    return Protocol(exchanges, shown)


def _at_once(row: int, old: MeterFact, new: MeterFact) -> Iterator[Exchange]:
    """Yield an exchange within a slot, if it is one and anything was noted."""
    noted = (old.last_wh, new.first_wh, old.last_export_wh, new.first_export_wh)
    if old.serial != new.serial and noted != (None, None, None, None):
        ends, export_ends = map(_or_nan, noted[:2]), map(_or_nan, noted[2:])
        (last, first), (last_export, first_export) = ends, export_ends
        yield Exchange(row, new.from_ms, last, first, last_export, first_export)


def _apart(gone: Shown, come: Shown) -> Exchange:
    """Return an exchange with a time between in which there was no meter.

    It is where the new one begins: what the old one counted ends at its own last mark. A new one
    counts from zero, if nobody says better.
    """
    return Exchange(
        *(gone.row, come.time_ms, gone.import_wh, _or_zero(come.import_wh)),
        *(gone.export_wh, come.export_wh),
    )


def _first(row: int, meter: MeterFact, interval_ms: int) -> Shown:
    mark_ms = meter.from_ms // interval_ms * interval_ms
    return Shown(row, mark_ms, _or_nan(meter.first_wh), _or_nan(meter.first_export_wh))


def _last(row: int, meter: MeterFact, interval_ms: int) -> Shown:
    mark_ms = -(-meter.to_ms // interval_ms) * interval_ms
    return Shown(row, mark_ms, _or_nan(meter.last_wh), _or_nan(meter.last_export_wh))


def _or_nan(wh: float | None) -> float:
    return math.nan if wh is None else wh


def _or_zero(wh: float) -> float:
    return 0.0 if math.isnan(wh) else wh
