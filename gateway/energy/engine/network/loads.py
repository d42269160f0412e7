"""Load of transformers and feeders by their own meters: lines of days, overloads as alarms.

A feeder is what the meter at its head says; without one, what its transformers give together,
where all of them are known.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gateway.energy import load
from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.days.gridbook import GridBook
from gateway.energy.engine.findings.alarmbook import Finding
from gateway.energy.engine.findings.bodies import encode, number, numbers, tabled
from gateway.energy.engine.grid.places import counted, taken
from gateway.energy.engine.grid.roster import INSTRUMENTS, Roster, above
from gateway.energy.engine.network.voltages import FEEDER, TRANSFORMER, Span
from gateway.energy.engine.policies import EnergyPolicies
from gateway.energy.load import Advice, Course, Profile
from gateway.energy.series import PHASES, bridge
from gateway.model import FloatArray, IntArray
from gateway.ports import Result
from gateway.views.engineering import time_text

LOAD, LOAD_WEEK, ADVICE, OVERLOAD = "load", "load_week", "advice", "overload"
SLOT_MS = 900_000  # of the meters of transformers
PER_DAY = DAY_MS // SLOT_MS
_SEVERITY = 3
_ABOVE_PU = (0.8, 1.0, 1.2)
_CURVE_PU = np.arange(0.1, 1.55, 0.1)
_SURE = 0.95  # a meter of class 0.5 against a rating


class Level(NamedTuple):
    """All nodes of a level, through some slots."""

    name: str
    nodes: Sequence[str]
    course: Course
    rating_va: FloatArray


class Loads:
    """Reads the meters of transformers.

    Args:
        book: what they gave.
        roster: names, places, ratings.
        policies: thresholds.
    """

    def __init__(self, book: GridBook, roster: Roster, policies: EnergyPolicies) -> None:
        self._book, self._roster, self._policies = book, roster, policies

    def levels(self, span: Span) -> list[Level]:
        """Return transformers and feeders through some days."""
        slots = (span.stop_ms - span.start_ms) // SLOT_MS
        transformers, feeders = self._roster.transformers.names, self._roster.feeders.names
        into = _nothing(len(transformers), slots, span.start_ms)
        heads = _nothing(len(feeders), slots, span.start_ms)
        for group in self._book.groups(span.first_day, span.stop_day, self._measuring(span)):
            for place, at in enumerate(span.places):
                of_day = group.days.get(span.first_day + place)
                if of_day is not None and of_day.course is not None:
                    own = counted(taken(at, self._roster.rows_of(of_day.course_index)))
                    course = _in_quarters(of_day.course)
                    _enter(into, course, own.transformer, place * PER_DAY)
                    is_head = own.is_head & (own.transformer < 0)
                    _enter(heads, course, np.where(is_head, own.feeder, -1), place * PER_DAY)
        total = _nothing(len(feeders), slots, span.start_ms)
        for place, at in enumerate(span.places):
            feeder_of = above(at.transformer, at.feeder, len(transformers))
            _sum_up(total, into, feeder_of, slice(place * PER_DAY, (place + 1) * PER_DAY))
        total = _better(heads, total)
        rated, rated_feeders = self._roster.rating_va(span.start_ms + DAY_MS // 2)
        return [
            Level(TRANSFORMER, transformers, into, rated),
            Level(FEEDER, feeders, total, rated_feeders),
        ]

    def _measuring(self, span: Span) -> set[str]:
        """Return the profiles of what measures nodes."""
        rows = np.flatnonzero(np.any([at.is_head for at in span.places], axis=0)).tolist()
        heads = {self._roster.watched[row].device_index for row in rows}
        sends = self._roster.profile_of
        return {*INSTRUMENTS, *(sends[index] for index in heads if index in sends)}

    def overloads(self, span: Span) -> list[Finding]:
        """Return the times of some days in which a node was above what it can carry."""
        policy = self._policies.load_at(span.start_ms)
        found: list[Finding] = []
        for level in self.levels(span):
            known = np.isfinite(level.course.active_w)
            course = level.course._replace(
                active_w=bridge(level.course.active_w, policy.bridge, np.fmin),
                reactive_var=bridge(level.course.reactive_var, policy.bridge, np.fmin),
            )
            for one in load.overloads(course, level.rating_va, policy):
                end = (one.end_ms - span.start_ms) // SLOT_MS
                rest = known[one.node, end:]
                is_open = len(rest) <= policy.bridge and not rest.any()
                evidence: dict[str, object] = {
                    "peak_pu": number(one.peak_pu),
                    "rating_kva": number(level.rating_va[one.node] / 1000),
                    "limit_pu": policy.overload_at,
                }
                place = f"{level.name}:{level.nodes[one.node]}"
                end_ms = 0 if is_open else one.end_ms
                goes_on = one.begin_ms == span.start_ms
                made = Finding(
                    OVERLOAD, place, one.begin_ms, end_ms, _SEVERITY, _SURE, evidence, goes_on
                )
                found.append(made)
        return found

    def lines(self, span: Span) -> list[Result]:
        """Return the load of one day."""
        policy = self._policies.load_at(span.start_ms)
        results: list[Result] = []
        if span.stop_ms - span.start_ms < SLOT_MS:
            return results
        for level in self.levels(span):
            found = load.profile(load.tally(level.course, level.rating_va), level.rating_va, policy)
            course = _courses(level)
            results += [
                Result(
                    LOAD,
                    f"{level.name}:{level.nodes[node]}",
                    span.start_ms,
                    span.start_ms + DAY_MS,
                    encode({**_body(found, node), "course": course[node]}),
                )
                for node in np.flatnonzero(found.coverage > 0).tolist()
            ]
        return results


def weekly(
    level: Level, found: Profile, advices: Sequence[Advice], week: tuple[int, int]
) -> Iterator[Result]:
    """Yield the load of a week's nodes, and what would help them, ranked over all of them."""
    curve = found.duration[:, np.rint(_CURVE_PU / load.BIN_PU).astype(np.int64)]
    for node, name in enumerate(level.nodes):
        if not found.coverage[node] > 0:
            continue
        place = f"{level.name}:{name}"
        body = {
            **_body(found, node),
            "duration": {
                "loading_pu": numbers(_CURVE_PU),
                "share_of_time": numbers(curve[node]),
            },
        }
        yield Result(LOAD_WEEK, place, *week, encode(body))
        told = [
            {
                "what": one.what,
                "rank": rank,
                "severity": number(one.severity),
                "coverage": number(one.coverage),
                "evidence": {key: number(value) for key, value in one.evidence},
            }
            for rank, one in enumerate(advices, 1)
            if one.node == node
        ]
        yield Result(ADVICE, place, *week, encode({"advice": told}))


def _courses(level: Level) -> list[dict[str, object]]:
    """Return what went through each node, quarter by quarter."""
    course, amps = level.course, level.course.current_a
    mean = amps.sum(axis=0) / PHASES  # NaN unless all three are known
    uneven = np.divide(amps.max(axis=0), mean, out=np.full(mean.shape, np.nan), where=mean > 0)
    columns = {
        "active_w": np.rint(course.active_w),
        "apparent_va": np.rint(load.apparent_va(course)),
        "imbalance": uneven - 1,
    }
    tables = {name: tabled(values) for name, values in columns.items()}
    return [
        {
            "interval_s": SLOT_MS // 1000,
            "rating_va": number(level.rating_va[node]),
            **{name: table[node] for name, table in tables.items()},
        }
        for node in range(len(course.active_w))
    ]


def _body(found: Profile, node: int) -> dict[str, object]:
    above = {
        f"{share:g}": number(found.duration[node, round(share / load.BIN_PU)])
        for share in _ABOVE_PU
    }
    plain = (
        *("coverage", "peak_va", "peak_pu", "loading_pu", "load_factor", "power_factor"),
        *("imbalance", "unbalance_loss", "export_wh", "reverse_peak_w"),
    )
    body: dict[str, object] = {name: number(getattr(found, name)[node]) for name in plain}
    return body | {"peak_at": time_text(int(found.peak_ms[node])), "share_of_time_above_pu": above}


def _nothing(nodes: int, slots: int, start_ms: int) -> Course:
    shape = (nodes, slots)
    return Course(
        np.full(shape, np.nan),
        np.full(shape, np.nan),
        np.full((PHASES, *shape), np.nan),
        start_ms,
        SLOT_MS,
    )


def _enter(into: Course, part: Course, node: IntArray, first: int) -> None:
    """Put the meters of nodes in; where a node has two, they add up."""
    slots = min(part.active_w.shape[1], into.active_w.shape[1] - first)
    if slots <= 0:
        return
    here = slice(first, first + slots)
    for row in np.flatnonzero(node >= 0).tolist():
        place = int(node[row])
        has_one = np.isfinite(into.active_w[place, here]).any()
        pairs = (
            (into.active_w[place, here], part.active_w[row, :slots]),
            (into.reactive_var[place, here], part.reactive_var[row, :slots]),
            (into.current_a[:, place, here], part.current_a[:, row, :slots]),
        )
        for target, values in pairs:
            target[:] = target + values if has_one else values


def _in_quarters(course: Course) -> Course:
    """Return a course with slots of a quarter of an hour; a mean over half an hour is both."""
    times = course.interval_ms // SLOT_MS
    if times <= 1:
        return course
    parts = [np.repeat(part, times, axis=-1) for part in course[:3]]
    return Course(parts[0], parts[1], parts[2], course.start_ms, SLOT_MS)


def _better(heads: Course, sums: Course) -> Course:
    """Return what the meter at the head of a feeder says, and where it is silent the sum."""
    has_head = np.isfinite(heads.active_w)
    return sums._replace(
        active_w=np.where(has_head, heads.active_w, sums.active_w),
        reactive_var=np.where(has_head, heads.reactive_var, sums.reactive_var),
        current_a=np.where(has_head, heads.current_a, sums.current_a),
    )


def _sum_up(total: Course, parts: Course, above_of: IntArray, here: slice) -> None:
    for node in range(len(total.active_w)):
        below = np.flatnonzero(above_of == node)
        if len(below):
            total.active_w[node, here] = parts.active_w[below, here].sum(axis=0)
            total.reactive_var[node, here] = parts.reactive_var[below, here].sum(axis=0)
            total.current_a[:, node, here] = parts.current_a[:, below, here].sum(axis=1)
