"""Violations as they happen: runs of values out of the band, sags and swells."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gateway.energy.series import bridge
from gateway.energy.voltage.compliance import Measures
from gateway.energy.voltage.policy import VoltagePolicy
from gateway.model import BoolArray, FloatArray, IntArray

_MIN_METERS = 2  # one meter is no transformer, one transformer no feeder


class Run(NamedTuple):
    """Values out of the band, one after the other; of a meter, or of most meters of a node."""

    row: int  # of the meter, or number of the node
    kind: str  # under | over
    begin: int  # slots; ``end`` is not part of it
    end: int
    worst_pu: float
    is_open: bool  # reaches the end of the slots given


def out_of_band(measures: Measures, policy: VoltagePolicy) -> tuple[BoolArray, BoolArray]:
    """Return where values are under and over the band, (meters, slots)."""
    rule = policy.voltage
    with np.errstate(invalid="ignore"):
        return measures.voltage_low_pu < rule.low, measures.voltage_high_pu > rule.high


def runs(measures: Measures, policy: VoltagePolicy) -> list[Run]:
    """Return the violations of each meter that last ``min_run`` values, by row and begin.

    A value that is not known ends a run. Runs cut by the edges of the slots given are returned
    whatever their length: ``seamless`` joins those of days and drops what stays short.
    """
    under, over = out_of_band(measures, policy)
    found = _runs(under, measures.voltage_low_pu, "under", policy.min_run)
    found += _runs(over, measures.voltage_high_pu, "over", policy.min_run)
    return sorted(found)


def bridged(measures: Measures, most: int) -> Measures:
    """Return voltages with gaps of up to ``most`` slots closed by the milder of their ends.

    So a reading that was lost does not part a violation, and none is made up.
    """
    low = bridge(measures.voltage_low_pu, most, np.fmax)
    return Measures(low, bridge(measures.voltage_high_pu, most, np.fmin))


class Census(NamedTuple):
    """How many meters of each node are out of the band, (nodes, slots), and how far."""

    known: IntArray
    under: IntArray
    over: IntArray
    lowest_pu: FloatArray  # of those under; inf where none is
    highest_pu: FloatArray

    @classmethod
    def nothing(cls, nodes: int, slots: int) -> "Census":
        """Return one of no meters."""
        shape = (nodes, slots)
        return cls(
            np.zeros(shape, np.int64),
            np.zeros(shape, np.int64),
            np.zeros(shape, np.int64),
            np.full(shape, np.inf),
            np.full(shape, -np.inf),
        )

    def add(self, measures: Measures, node: IntArray, first: int, policy: VoltagePolicy) -> None:
        """Count meters in, at the slots from ``first`` on; ``node`` −1 = of none."""
        rows = np.flatnonzero(node >= 0)
        if not len(rows):
            return
        rows = rows[np.argsort(node[rows], kind="stable")]
        begins = np.flatnonzero(np.diff(node[rows], prepend=-1))
        at = (node[rows][begins][:, None], np.arange(first, first + measures.slots))
        low, high = measures.voltage_low_pu[rows], measures.voltage_high_pu[rows]
        self.known[at] += np.add.reduceat(np.isfinite(low), begins, axis=0, dtype=np.int64)
        under, over = (flags[rows] for flags in out_of_band(measures, policy))
        if under.any():
            self.under[at] += np.add.reduceat(under, begins, axis=0, dtype=np.int64)
            lowest = np.fmin.reduceat(low, begins, axis=0)
            self.lowest_pu[at] = np.fmin(self.lowest_pu[at], lowest)
        if over.any():
            self.over[at] += np.add.reduceat(over, begins, axis=0, dtype=np.int64)
            highest = np.fmax.reduceat(high, begins, axis=0)
            self.highest_pu[at] = np.fmax(self.highest_pu[at], highest)

    def runs(
        self, policy: VoltagePolicy, below: "tuple[Census, IntArray] | None" = None
    ) -> list[Run]:
        """Return the times when most known meters of a node are out together.

        Args:
            policy: how many are most.
            below: the nodes below these, and which of these each is under: most of them must be
                out, too, and two of them at least where there are.
        """
        found: list[Run] = []
        sides = ((self.under, "under", self.lowest_pu), (self.over, "over", self.highest_pu))
        for out, kind, worst in sides:
            most = (out >= _MIN_METERS) & (out >= policy.node_share * self.known)
            if below is not None:
                most &= self._are_most(*below, kind, policy)
            found += _runs(most, worst, kind, policy.min_run)
        return sorted(found)

    def _are_most(
        self, parts: "Census", above: IntArray, kind: str, policy: VoltagePolicy
    ) -> BoolArray:
        out = parts.under if kind == "under" else parts.over
        count, whole = np.zeros_like(self.known), np.zeros_like(self.known)
        has = above >= 0
        is_known = parts.known[has] > 0
        np.add.at(whole, above[has], is_known)
        np.add.at(count, above[has], is_known & (out[has] >= policy.node_share * parts.known[has]))
        enough = np.minimum(whole, _MIN_METERS)
        are: BoolArray = (count >= enough) & (count >= policy.node_share * whole)
        return are


def node_runs(measures: Measures, node: IntArray, nodes: int, policy: VoltagePolicy) -> list[Run]:
    """Return the times when most known meters of a node are out of the band together."""
    census = Census.nothing(nodes, measures.voltage_low_pu.shape[1])
    census.add(measures, node, 0, policy)
    return census.runs(policy)


def seamless(days: Sequence[tuple[int, int, list[Run]]], policy: VoltagePolicy) -> list[Run]:
    """Join the runs of windows that follow each other.

    Args:
        days: of each window the first slot and the end on a common count, and its runs.
        policy: how long a violation lasts at least.
    """
    joined: dict[tuple[int, str], list[Run]] = {}
    for first, _, found in days:
        for run in found:
            moved = run._replace(begin=run.begin + first, end=run.end + first)
            before = joined.setdefault((run.row, run.kind), [])
            if before and before[-1].end == moved.begin:
                worse = min if run.kind == "under" else max
                worst = worse(before[-1].worst_pu, moved.worst_pu)
                moved = moved._replace(begin=before.pop().begin, worst_pu=worst)
            before.append(moved)
    last = days[-1][1] if days else 0
    whole = [run for found in joined.values() for run in found]
    long_enough = (run for run in whole if run.end - run.begin >= policy.min_run)
    return sorted(run._replace(is_open=run.end == last) for run in long_enough)


def dips(values_pu: FloatArray, policy: VoltagePolicy) -> tuple[IntArray, IntArray]:
    """Return how many sags and swells of short values, (…, moments), began in each row."""
    with np.errstate(invalid="ignore"):
        sides = (values_pu < policy.sag_pu, values_pu > policy.swell_pu)
    begins = [side & ~np.roll(side, 1, axis=-1) for side in sides]
    for begin, side in zip(begins, sides, strict=True):
        begin[..., 0] = side[..., 0]
    return begins[0].sum(axis=-1), begins[1].sum(axis=-1)


def counted(register: FloatArray, rollover: float) -> FloatArray:
    """Return how much counters (meters, marks) rose; NaN marks are bridged, a reset starts at 0."""
    total = np.zeros(len(register))
    for row, values in enumerate(register):
        known = values[np.isfinite(values)]
        step = np.diff(known)
        is_over = (step < 0) & (known[:-1] > 0.9 * rollover) & (known[1:] < 0.1 * rollover)
        step = np.where(is_over, step + rollover, np.where(step < 0, known[1:], step))
        total[row] = step.sum()
    return total


def _runs(flags: BoolArray, pu: FloatArray, kind: str, min_run: int) -> list[Run]:
    slots = flags.shape[1]
    edges = np.diff(np.pad(flags, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, begin = np.nonzero(edges == 1)
    _, end = np.nonzero(edges == -1)
    worse = np.min if kind == "under" else np.max
    keep = (end - begin >= min_run) | (begin == 0) | (end == slots)
    places = zip(row[keep].tolist(), begin[keep].tolist(), end[keep].tolist(), strict=True)
    return [
        Run(one, kind, first, last, float(worse(pu[one, first:last])), last == slots)
        for one, first, last in places
    ]
