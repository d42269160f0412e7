"""Which numbers of a device's logs are missing although later ones came."""

import json
from collections.abc import Iterable
from typing import NamedTuple

from gateway.ports import StreamRow

Gaps = list[list[int]]


class Completeness(NamedTuple):
    """What one device has sent, in its newest log; gaps are those of all its logs."""

    first: int
    last: int  # −1: it numbers nothing
    missing: int
    gaps: Gaps


def gaps_of(stream: StreamRow) -> Gaps:
    """Return the ranges above the high water that are missing although later ones came."""
    gaps, reached = [], stream.high_water
    for begin, end in json.loads(stream.ranges or "[]"):
        if begin > reached + 1 and begin > stream.high_water:
            gaps.append([reached + 1, begin - 1])
        reached = max(reached, end)
    return gaps


def last_of(stream: StreamRow) -> int:
    """Return the highest number that came."""
    return max((end for _, end in json.loads(stream.ranges or "[]")), default=stream.high_water)


def completeness_of(streams: Iterable[StreamRow]) -> Completeness:
    """Sum up the ledger of one device."""
    rows = list(streams)
    if not rows:
        return Completeness(0, -1, 0, [])
    newest = max(rows, key=lambda row: (row.last_time_ms, row.epoch))
    gaps = [gap for row in rows for gap in gaps_of(row)]
    missing = sum(end - begin + 1 for begin, end in gaps)
    return Completeness(newest.first, max(last_of(newest), newest.high_water), missing, gaps)
