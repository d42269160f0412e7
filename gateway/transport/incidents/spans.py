"""Pairs of stations between which vehicles can stay: each with two witnesses.

A detector that miscounts looks like vehicles that vanish after it or before it. So a deficit
between a station and the next is believed when it shows as well from the station before, and as
well to the station after: no single station can make that up.
"""

from typing import NamedTuple

import numpy as np

from gateway.model import FloatArray, IntArray
from gateway.transport.series import NOWHERE, Road


class Spans(NamedTuple):
    """Spans of stations; the first ``pairs`` of them are neighbours, the rest are witnesses."""

    first: IntArray  # station where vehicles come in
    last: IntArray  # and where they leave
    km: FloatArray
    pairs: int
    witness: IntArray  # (pairs, 2): span from the station before, span to the one after; NOWHERE


def spans_of(road: Road) -> Spans:
    """Return the spans of a road."""
    first = np.flatnonzero(road.downstream != NOWHERE)
    last = road.downstream[first]
    before, after = road.upstream[first], road.downstream[last]
    from_before, to_after = before != NOWHERE, after != NOWHERE
    starts = np.concatenate((first, before[from_before], first[to_after]))
    ends = np.concatenate((last, last[from_before], after[to_after]))
    witness = np.full((first.size, 2), NOWHERE)
    witness[from_before, 0] = first.size + np.arange(np.count_nonzero(from_before))
    so_far = first.size + np.count_nonzero(from_before)
    witness[to_after, 1] = so_far + np.arange(np.count_nonzero(to_after))
    return Spans(starts, ends, road.km[ends] - road.km[starts], first.size, witness)
