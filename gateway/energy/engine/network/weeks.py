"""A week of the grid: how well voltages kept the norm, how transformers were loaded, what helps.

A running week is told of by its days that are over; late data makes its week again.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gateway.energy import load, voltage
from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.days.gridbook import GridBook, GroupDays
from gateway.energy.engine.days.griddays import voltages
from gateway.energy.engine.days.remembered import matched
from gateway.energy.engine.findings.bodies import encode, number
from gateway.energy.engine.grid.places import Places, counted, taken
from gateway.energy.engine.grid.roster import INSTRUMENTS, Roster
from gateway.energy.engine.network.loads import Loads, weekly
from gateway.energy.engine.network.voltages import FEEDER, TRANSFORMER, Span
from gateway.energy.engine.policies import EnergyPolicies
from gateway.energy.load import voltage_counts
from gateway.energy.voltage import Compliance, Tally, VoltagePolicy
from gateway.model import BoolArray, FloatArray, IntArray
from gateway.ports import Result

COMPLIANCE = "compliance"
_MONDAY = 3  # 1970-01-01 was a Thursday
_VERDICTS = {1: True, 0: False, -1: None}


class _Part(NamedTuple):
    """The week of a group's devices."""

    week: Tally
    places: Places
    is_instrument: BoolArray


class Weeks:
    """Adds days up.

    Args:
        book: the days.
        roster: names and places.
        policies: the norm, thresholds.
        loads: what transformers gave.
    """

    def __init__(
        self, book: GridBook, roster: Roster, policies: EnergyPolicies, loads: Loads
    ) -> None:
        self._book, self._roster, self._policies = book, roster, policies
        self._loads = loads

    def first_day(self, day: int) -> int:
        """Return the Monday of a day's week."""
        days = self._policies.voltage_at(self._policies.calendar.start_ms(day)).days
        return day - (day + _MONDAY) % days

    def lines(self, span: Span) -> list[Result]:
        """Return what is to be told of a week; ``span`` has its days that are over."""
        policy = self._policies.voltage_at(span.start_ms)
        week = (span.start_ms, span.start_ms + policy.days * DAY_MS)
        results: list[Result] = []
        parts: list[_Part] = []
        sizes = (len(self._roster.transformers.names), len(self._roster.feeders.names))
        counts = [np.zeros((size, load.VOLT_BINS), np.int64) for size in sizes]
        for group in self._book.groups(span.first_day, span.stop_day):
            total = _joined(group, span, len(policy.rule))
            found = voltage.compliance(total, policy)
            rows = self._roster.rows_of(group.device_index)
            dips = _dips(group)
            for row, index in enumerate(group.device_index.tolist()):
                body = _body(found, row, policy, len(span.places))
                if dips[row].any():
                    body |= {"sags": int(dips[row, 0]), "swells": int(dips[row, 1])}
                place = f"device:{self._roster.name(index)}"
                results.append(Result(COMPLIANCE, place, *week, encode(body)))
            at = counted(taken(span.places[-1], rows))
            parts.append(_Part(total, at, at.is_head | (group.profile in INSTRUMENTS)))
            if group.profile not in INSTRUMENTS:
                _count(counts, group, span, rows)
        results += self._of_nodes(parts, policy, week, len(span.places))
        results += self._of_loads(span, counts, week)
        return results

    def _of_nodes(
        self, parts: Sequence[_Part], policy: VoltagePolicy, week: tuple[int, int], days: int
    ) -> Iterator[Result]:
        if not parts:
            return
        total = Tally._make(
            np.concatenate(columns)
            for columns in zip(*(_of_customers(one, policy) for one in parts), strict=True)
        )
        meters = voltage.compliance(total, policy)
        for level, names in (
            (TRANSFORMER, self._roster.transformers.names),
            (FEEDER, self._roster.feeders.names),
        ):
            node = np.concatenate([getattr(one.places, level) for one in parts])
            found, keeping = voltage.of_nodes(total, meters, node, len(names))
            for place in np.flatnonzero(found.coverage.any(axis=1)).tolist():
                body = _body(found, place, policy, days)
                body["meters"] = int((node == place).sum())
                body["share_of_meters_that_keep"] = {
                    rule.name: number(keeping[place, k])
                    for k, rule in enumerate(policy.rule)
                    if np.isfinite(keeping[place, k])
                }
                yield Result(COMPLIANCE, f"{level}:{names[place]}", *week, encode(body))

    def _of_loads(
        self, span: Span, counts: Sequence[IntArray], week: tuple[int, int]
    ) -> Iterator[Result]:
        policy = self._policies.load_at(span.start_ms)
        for level, volts in zip(self._loads.levels(span), counts, strict=True):
            total = load.tally(level.course, level.rating_va, volts)
            found = load.profile(total, level.rating_va, policy)
            advices = load.advise(total, found, level.rating_va, policy)
            yield from weekly(level, found, advices, week)


def _joined(group: GroupDays, span: Span, rules: int) -> Tally:
    """Return the tallies of all devices of a group; a day that one has not is all unknown."""
    days = [group.days.get(day) for day in range(span.first_day, span.stop_day)]
    tallies = []
    for found in days:
        blank = _blank(len(group.device_index), rules, group.per_day)
        if found is not None:
            here, there = matched(group.device_index, found.device_index)
            for into, column in zip(blank, found.tally, strict=True):
                into[here] = column[there]
            blank.slots[:] = group.per_day
        tallies.append(blank)
    return voltage.joined(tallies)


def _blank(devices: int, rules: int, slots: int) -> Tally:
    return Tally(
        np.zeros((devices, rules), np.int64),
        np.zeros((devices, rules), np.int64),
        np.full(devices, slots, np.int64),
        np.full(devices, np.inf),
        np.full(devices, -np.inf),
    )


def _of_customers(part: _Part, policy: VoltagePolicy) -> Tally:
    """Return a tally without the voltages of instruments: the norm is of customers' connections."""
    is_voltage = np.array([rule.quantity == "voltage_pu" for rule in policy.rule])
    left_out = part.is_instrument[:, None] & is_voltage
    return Tally(
        np.where(left_out, 0, part.week.values),
        np.where(left_out, 0, part.week.inside),
        part.week.slots,
        np.where(part.is_instrument, np.inf, part.week.lowest_pu),
        np.where(part.is_instrument, -np.inf, part.week.highest_pu),
    )


def _dips(group: GroupDays) -> IntArray:
    total = np.zeros((len(group.device_index), 2), np.int64)
    for found in group.days.values():
        here, there = matched(group.device_index, found.device_index)
        total[here] += found.dips[there]
    return total


def _count(counts: Sequence[IntArray], group: GroupDays, span: Span, rows: IntArray) -> None:
    for place, at in enumerate(span.places):
        found = group.days.get(span.first_day + place)
        if found is None:
            continue
        here, _ = matched(group.device_index, found.device_index)
        own = counted(taken(at, rows[here]))
        low, high = voltages(found)
        for total, node in zip(counts, (own.transformer, own.feeder), strict=True):
            np.add(total, voltage_counts(low, high, node, len(total)), out=total)


def _body(found: Compliance, row: int, policy: VoltagePolicy, days: int) -> dict[str, object]:
    rules = {
        rule.name: {
            "share": number(found.share[row, k]),
            "coverage": number(found.coverage[row, k]),
            "holds": _VERDICTS[int(found.holds[row, k])],
        }
        for k, rule in enumerate(policy.rule)
        if found.coverage[row, k] > 0
    }
    return {
        "norm": policy.name,
        "days": days,
        "lowest_pu": _finite(found.lowest_pu, row),
        "highest_pu": _finite(found.highest_pu, row),
        "rules": rules,
    }


def _finite(values: FloatArray, row: int) -> float | int | None:
    return number(values[row]) if np.isfinite(values[row]) else None
