"""How well toll lanes work: shares, times and uptime of lanes over hours or days."""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.transport.tolls.passages import UNKNOWN_CLASS, Lanes, Outcome, Passages, is_repeated
from gateway.transport.tolls.policy import TollPolicy

_P95 = 0.95
_READ = (Outcome.OK, Outcome.LOW_BALANCE, Outcome.BLACKLISTED)
_EXCEPTIONS = (Outcome.LOW_BALANCE, Outcome.BLACKLISTED, Outcome.READ_FAILURE, Outcome.MANUAL)


class Periods(NamedTuple):
    """Hours or days that follow each other."""

    start_ms: int
    length_ms: int
    number: int

    @property
    def end_ms(self) -> int:
        """Return the end of the last one."""
        return self.start_ms + self.number * self.length_ms


class Figures(NamedTuple):
    """Figures of lanes, (lanes, periods); NaN where nothing is known."""

    passages: FloatArray  # vehicles, second reads left out
    repeated: FloatArray  # second reads
    etc_share: FloatArray  # settled by the tag alone, of all passages
    read_rate: FloatArray  # tags read, of those there: read or failed
    exception_rate: FloatArray  # low balance, blacklisted, read failure, by hand, of all
    mismatch_share: FloatArray  # declared class is another than the measured, of both known
    p95_ms: FloatArray  # time of a transaction with a tag, nearest rank
    veh_h: FloatArray
    uptime: FloatArray  # share of the period in which the lane was not silent against its plaza


class Silence(NamedTuple):
    """A lane from which nothing came while its plaza worked."""

    lane: int
    from_ms: int
    to_ms: int  # of its next passage, or the end of the time looked at
    expected: float  # passages that were due


def figures(seen: Passages, lanes: Lanes, periods: Periods, policy: TollPolicy) -> Figures:
    """Return what the lanes did in each period."""
    again = is_repeated(seen, lanes, policy)
    period = (seen.time_ms - periods.start_ms) // periods.length_ms
    inside = (period >= 0) & (period < periods.number)
    shape = (lanes.plaza.size, periods.number)

    def count(which: BoolArray) -> FloatArray:
        chosen = which & inside
        total = np.zeros(shape)
        np.add.at(total, (seen.lane[chosen], period[chosen]), 1.0)
        return total

    vehicles = count(~again)
    read = ~again & np.isin(seen.outcome, _READ)
    failed = ~again & (seen.outcome == Outcome.READ_FAILURE)
    known = ~again & (seen.declared != UNKNOWN_CLASS) & (seen.measured != UNKNOWN_CLASS)
    timed = read & inside
    return Figures(
        vehicles,
        count(again),
        _share(count(~again & (seen.outcome == Outcome.OK)), vehicles),
        _share(count(read), count(read | failed)),
        _share(count(~again & np.isin(seen.outcome, _EXCEPTIONS)), vehicles),
        _share(count(known & (seen.declared != seen.measured)), count(known)),
        _p95(seen.lane[timed] * periods.number + period[timed], seen.duration_ms[timed], shape),
        vehicles / (periods.length_ms / 3_600_000),
        _uptime(seen.take(~again), lanes, periods, policy),
    )


def silences(seen: Passages, lanes: Lanes, until_ms: int, policy: TollPolicy) -> list[Silence]:
    """Return when a lane was down, by lane and time.

    A lane has its share of what goes through its plaza. Between two of its passages so many of
    the plaza's other passages are so many of its own that were due; few of them are chance, and
    ``silent_expected`` are not. A plaza that is silent as a whole is not the lane's fault.
    """
    found: list[Silence] = []
    plaza = lanes.plaza[seen.lane]
    for lane, its_plaza in enumerate(lanes.plaza.tolist()):
        here = plaza == its_plaza
        own = seen.time_ms[here & (seen.lane == lane)]
        others = seen.time_ms[here & (seen.lane != lane)]
        if own.size and others.size:
            found += _gaps(lane, own, others, until_ms, policy.silent_expected)
    return found


def _gaps(lane: int, own: IntArray, others: IntArray, until_ms: int, limit: float) -> list[Silence]:
    ends = np.append(own[1:], max(until_ms, int(own[-1])))
    due = np.searchsorted(others, ends) - np.searchsorted(others, own, side="right")
    # what came in the silences themselves is no measure of the lane's share
    rate = own.size / max(others.size, 1)
    for _ in range(2):
        quiet = due * rate >= limit
        rate = own.size / max(others.size - int(due[quiet].sum()), 1)
    return [
        Silence(lane, int(own[k]), int(ends[k]), float(due[k] * rate))
        for k in np.flatnonzero(due * rate >= limit)
    ]


def _uptime(seen: Passages, lanes: Lanes, periods: Periods, policy: TollPolicy) -> FloatArray:
    up = np.full((lanes.plaza.size, periods.number), np.nan)
    begin = periods.start_ms + np.arange(periods.number) * periods.length_ms
    for plaza in np.unique(lanes.plaza):
        times = seen.time_ms[lanes.plaza[seen.lane] == plaza]
        works = np.searchsorted(times, begin + periods.length_ms) > np.searchsorted(times, begin)
        up[np.ix_(lanes.plaza == plaza, works)] = 1.0
    for silence in silences(seen, lanes, periods.end_ms, policy):
        last = np.minimum(begin + periods.length_ms, silence.to_ms)
        lost_ms = np.maximum(last - np.maximum(begin, silence.from_ms), 0)
        up[silence.lane] -= lost_ms / periods.length_ms
    return up


def _p95(cell: IntArray, values: IntArray, shape: tuple[int, int]) -> FloatArray:
    """Return the nearest-rank percentile of the values in each cell."""
    result = np.full(shape[0] * shape[1], np.nan)
    order = np.lexsort((values, cell))
    where, first, count = np.unique(cell[order], return_index=True, return_counts=True)
    rank = np.ceil(_P95 * count).astype(np.int64) - 1
    result[where] = values[order][first + rank]
    return result.reshape(shape)


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    unknown = np.full(whole.shape, np.nan)
    share: FloatArray = np.divide(part, whole, out=unknown, where=whole > 0)
    return share
