"""Violations of the voltage band as alarms, each at the highest place that it is one of.

Where most meters of a feeder are out of the band, that is one alarm of the feeder, and none of
its transformers and meters.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gateway.energy import voltage
from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.days.gridbook import GridBook, GroupDays
from gateway.energy.engine.findings.alarmbook import Finding
from gateway.energy.engine.findings.bodies import number
from gateway.energy.engine.findings.records import Record
from gateway.energy.engine.grid.places import Places, counted, taken
from gateway.energy.engine.grid.roster import INSTRUMENTS, Roster, above
from gateway.energy.engine.policies import EnergyPolicies
from gateway.energy.voltage import Census, Measures, Run, VoltagePolicy
from gateway.model import BoolArray, IntArray

KINDS = {"under": "undervoltage", "over": "overvoltage"}
SLOT_MS = 1_800_000  # of nodes: that of their customers' meters
DEVICE, TRANSFORMER, FEEDER = "device", "transformer", "feeder"
_SEVERITY = {DEVICE: 2, TRANSFORMER: 3, FEEDER: 3}
_ONE_METER = 0.9  # how sure one instrument is
_MOST_PART = 0.5  # of a violation, from which on it is that of the place above
Parents = tuple[tuple[str, int], ...]  # level and number, the highest first


class Span(NamedTuple):
    """The days looked at."""

    first_day: int
    start_ms: int
    stop_ms: int  # now, or the end of the days
    places: Sequence[Places]  # of each day

    @property
    def stop_day(self) -> int:
        """Return the day behind them."""
        return self.first_day + len(self.places)

    def on(self, time_ms: int) -> Places:
        """Return the places of the day of a moment within."""
        return self.places[min((time_ms - self.start_ms) // DAY_MS, len(self.places) - 1)]


class _Violation(NamedTuple):
    """Of a device or a node."""

    level: str
    number: int  # device index, or number of the node
    interval_ms: int
    run: Run
    is_open: bool
    out: int = 1  # meters, at most
    known: int = 1

    def half_hours(self) -> slice:
        """Return the half hours that it touches."""
        begin, end = (edge * self.interval_ms for edge in (self.run.begin, self.run.end))
        return slice(begin // SLOT_MS, -(-end // SLOT_MS))


class _Nodes:
    """Meters out of the band by node, and where a violation of a node stands already."""

    def __init__(self, sizes: dict[str, int], slots: int, policy: VoltagePolicy) -> None:
        self._policy = policy
        self._census = {level: Census.nothing(count, slots) for level, count in sizes.items()}
        self._cover: dict[tuple[str, str], BoolArray] = {
            (level, kind): np.zeros((count, slots), np.bool_)
            for level, count in sizes.items()
            for kind in KINDS
        }

    def count(self, part: Measures, at: Places, first: int) -> None:
        """Count meters in, at the slots from ``first`` on; ``at`` is where they hang."""
        for level, node in ((TRANSFORMER, at.transformer), (FEEDER, at.feeder)):
            self._census[level].add(part, node, first, self._policy)

    def violations(self, level: str, feeder_of: IntArray) -> Iterator[_Violation]:
        """Yield those of the nodes of a level; ``feeder_of`` each transformer."""
        census = self._census[level]
        below = (self._census[TRANSFORMER], feeder_of) if level == FEEDER else None
        for run in census.runs(self._policy, below):
            part = slice(run.begin, run.end)
            out = (census.under if run.kind == "under" else census.over)[run.row, part]
            known = census.known[run.row]
            is_open = _is_open(known > 0, run.end, self._policy)
            most = int(out.argmax())
            counts = int(out[most]), int(known[part][most])
            yield _Violation(level, run.row, SLOT_MS, run, is_open, *counts)

    def stands(self, one: _Violation) -> None:
        """Take what is below as part of it from now on."""
        if one.level in self._census:
            self._cover[one.level, one.run.kind][one.number, one.half_hours()] = True

    def cause(self, one: _Violation, parents: Parents) -> tuple[str, int] | None:
        """Return which of the places above a violation is part of, if of any."""
        for level, node in parents:
            if node >= 0 and level != one.level:
                cover = self._cover[level, one.run.kind][node, one.half_hours()]
                if cover.size and cover.mean() >= _MOST_PART:
                    return level, node
        return None


class Violations(NamedTuple):
    """All of some days."""

    found: list[Finding]  # each at the highest place
    parts: dict[tuple[str, str], str]  # kind and place → what it is part of
    records: list[Record]  # of every meter


class Voltages:
    """Looks for violations.

    Args:
        book: the voltages.
        roster: names and places.
        policies: the norm.
    """

    def __init__(self, book: GridBook, roster: Roster, policies: EnergyPolicies) -> None:
        self._book, self._roster, self._policies = book, roster, policies

    def findings(self, span: Span) -> Violations:
        """Return all violations of some days."""
        policy = self._policies.voltage_at(span.start_ms)
        sizes = {
            TRANSFORMER: len(self._roster.transformers.names),
            FEEDER: len(self._roster.feeders.names),
        }
        nodes = _Nodes(sizes, (span.stop_ms - span.start_ms) // SLOT_MS, policy)
        single = [
            one
            for group in self._book.groups(span.first_day, span.stop_day)
            for one in self._of_group(group, span, nodes, policy)
        ]
        at = span.places[-1]
        feeder_of = above(at.transformer, at.feeder, sizes[TRANSFORMER])
        violations = Violations([], {}, [])
        of_nodes = (nodes.violations(level, feeder_of) for level in (FEEDER, TRANSFORMER))
        for of_level in (*of_nodes, single):
            for one in of_level:
                cause = nodes.cause(one, self._parents(one, span))
                found = self._finding(one, span, policy)
                if cause is not None:
                    whole = f"part of {found.kind} of {self._place(*cause)}"
                    violations.parts[found.kind, found.place] = whole
                else:
                    nodes.stands(one)
                    violations.found.append(found)
                if one.level == DEVICE and one.run.end - one.run.begin >= policy.min_run:
                    violations.records.append(_record(one, found, span))
        return violations

    def _of_group(
        self, group: GroupDays, span: Span, nodes: _Nodes, policy: VoltagePolicy
    ) -> Iterator[_Violation]:
        slots = (span.stop_ms - span.start_ms) // group.interval_ms
        course = group.course(span.first_day, slots)
        under, over = voltage.out_of_band(course, policy)
        hot = np.flatnonzero((under | over).any(axis=1))
        whole = _bridged(course, hot, policy)
        if group.interval_ms == SLOT_MS and group.profile not in INSTRUMENTS:
            self._count(group, whole, span, nodes)
        of_hot = Measures(whole.voltage_low_pu[hot], whole.voltage_high_pu[hot])
        for run in voltage.runs(of_hot, policy):
            row = int(hot[run.row])
            known = np.isfinite(course.voltage_low_pu[row])
            is_open = _is_open(known, run.end, policy)
            index = int(group.device_index[row])
            yield _Violation(DEVICE, index, group.interval_ms, run, is_open)

    def _count(self, group: GroupDays, whole: Measures, span: Span, nodes: _Nodes) -> None:
        """Count the meters of a group in, each day where they hung on it."""
        rows = self._roster.rows_of(group.device_index)
        for place, at in enumerate(span.places):
            part = slice(place * group.per_day, min((place + 1) * group.per_day, whole.slots))
            days = Measures(whole.voltage_low_pu[:, part], whole.voltage_high_pu[:, part])
            own = counted(taken(at, rows))
            # the head of a feeder is at the substation: it is no customer's connection
            feeder = np.where(own.is_head, -1, own.feeder)
            nodes.count(days, own._replace(feeder=feeder), part.start)

    def _parents(self, one: _Violation, span: Span) -> Parents:
        at = span.on(span.start_ms + one.run.begin * one.interval_ms)
        if one.level == DEVICE:
            row = self._roster.row_of[one.number]
            return (FEEDER, int(at.feeder[row])), (TRANSFORMER, int(at.transformer[row]))
        if one.level == TRANSFORMER:
            feeder_of = above(at.transformer, at.feeder, len(self._roster.transformers.names))
            return ((FEEDER, int(feeder_of[one.number])),)
        return ()

    def _place(self, level: str, place: int) -> str:
        if level == DEVICE:
            return f"{level}:{self._roster.name(place)}"
        names = self._roster.feeders if level == FEEDER else self._roster.transformers
        return f"{level}:{names.names[place]}"

    def _finding(self, one: _Violation, span: Span, policy: VoltagePolicy) -> Finding:
        run, rule = one.run, policy.voltage
        evidence: dict[str, object] = {
            "worst_pu": number(run.worst_pu),
            "worst_v": number(run.worst_pu * policy.nominal_v),
            "limit_pu": rule.low if run.kind == "under" else rule.high,
            "norm": policy.name,
        }
        if one.level != DEVICE:
            evidence |= {"meters_out": one.out, "meters_known": one.known}
        end_ms = span.start_ms + run.end * one.interval_ms
        return Finding(
            KINDS[run.kind],
            self._place(one.level, one.number),
            span.start_ms + run.begin * one.interval_ms,
            0 if one.is_open else end_ms,
            _SEVERITY[one.level],
            _ONE_METER if one.level == DEVICE else round(one.out / one.known, 4),
            evidence,
            # cut by an edge it may be too short to be one: then it only goes on, if it was told
            goes_on=run.begin == 0 or run.end - run.begin < policy.min_run,
        )


def _bridged(course: Measures, rows: IntArray, policy: VoltagePolicy) -> Measures:
    """Return a course in which the gaps of some meters are closed; of others it matters not."""
    some = Measures(course.voltage_low_pu[rows], course.voltage_high_pu[rows])
    closed = voltage.bridged(some, policy.bridge)
    low, high = course.voltage_low_pu.copy(), course.voltage_high_pu.copy()
    low[rows], high[rows] = closed.voltage_low_pu, closed.voltage_high_pu
    return Measures(low, high)


def _record(one: _Violation, found: Finding, span: Span) -> Record:
    end_ms = span.start_ms + one.run.end * one.interval_ms
    body = {name: found.evidence[name] for name in ("worst_pu", "worst_v", "limit_pu", "norm")}
    return Record(found.place, found.kind, found.begin_ms, end_ms, body, one.run.begin == 0)


def _is_open(known: BoolArray, end: int, policy: VoltagePolicy) -> bool:
    """Return whether a violation lasts: since its end nothing was heard, and not for long."""
    return len(known) - end <= policy.bridge and not known[end:].any()
