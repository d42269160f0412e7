"""Totals, estimates and voltages of the city: what meters measured, against what was true.

A street of homes and shops: sixteen days for habits, then ten in which every meter loses
readings for 1 to 24 hours, a concentrator is cut off, and voltages leave the band three times.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from gateway.energy.engine.network.voltages import KINDS
from gateway.model import BoolArray, FloatArray
from simulators.city.city import City, Order, Size
from simulators.city.frame import Span
from simulators.city.grid.layout import HOME
from simulators.city.grid.world import Grid
from tools.city_desk.network import Gap, Wear
from tools.city_desk.play import DAY_MS, HOUR_MS, START_MS, Played, Setting, play, span_of
from tools.city_desk.street import HALF_HOUR_MS, SLOT_MS, StreetTruth
from tools.plays import each

HABIT_DAYS, DAYS, METERS = 16, 26, 60
GAPS_H = (1, 2, 4, 12, 24)
STUDY_KWH = {1: 0.054, 2: 0.074, 4: 0.093, 12: 0.124, 24: 0.132}
_WH_PER_KWH = 1000
_LASTS_SLOTS = 12  # two values of a meter: the policy's ``min_run``
_LOOK_MS, _AFTER_MIDNIGHT_MS = 20_000, 240_000


@dataclass
class CityMeasures:
    """Counts over streets."""

    meters: int = 0
    exact: int = 0  # totals of the whole time right to 1 Wh
    worst_wh: float = 0.0
    violations: int = 0
    violations_found: int = 0
    lines: int = 0  # violations that were told
    lines_false: int = 0
    alarms: int = 0
    alarms_false: int = 0
    errors_kwh: dict[int, list[float]] = field(default_factory=dict)  # by hours of the gap
    flat_kwh: dict[int, list[float]] = field(default_factory=dict)  # of a straight line
    used_kwh: list[float] = field(default_factory=list)  # of a half hour, in the gaps

    def add(self, other: "CityMeasures") -> None:
        """Add the counts of other streets."""
        for one in fields(self):
            here, there = getattr(self, one.name), getattr(other, one.name)
            if isinstance(here, dict):
                for hours, errors in there.items():
                    here.setdefault(hours, []).extend(errors)
            elif one.name == "worst_wh":
                self.worst_wh = max(here, there)
            else:
                setattr(self, one.name, here + there)


def score_measures(
    folder: Path, seed: int, meters: int = METERS, days: int = DAYS, habit_days: int = HABIT_DAYS
) -> CityMeasures:
    """Play one street."""
    span = span_of(days, START_MS)
    size = Size(seed, meters, 0)
    plan = City(size, span)
    rng = np.random.default_rng(seed)
    grid = plan.worlds[0]
    assert isinstance(grid, Grid)  # noqa: S101  # of a city without lanes it is the first
    homes = [grid.roster.customers[k] for k in np.flatnonzero(grid.layout.kind == HOME)]
    gaps = list(_gaps(homes, span, habit_days, rng))
    orders = list(_orders(grid, span, habit_days, rng))
    midnights = range(span.from_ms + DAY_MS, span.to_ms, DAY_MS)
    setting = Setting(
        *(size, span, orders, [Span(at_ms, at_ms + _AFTER_MIDNIGHT_MS) for at_ms in midnights]),
        coarse_ms=12 * HOUR_MS,
        fine_ms=_LOOK_MS,
        wear=Wear(gaps=tuple(gaps)),
    )
    played = play(folder, setting)
    truth = StreetTruth(played.city, size)
    total = CityMeasures()
    told = _told(played, truth)
    _totals(told, truth, gaps, total)
    _estimates(told, truth, gaps, total)
    _voltages(played, truth, gaps, total)
    return total


def _gaps(
    homes: Sequence[str], span: Span, habit_days: int, rng: np.random.Generator
) -> Iterator[Gap]:
    """Yield the readings that each home loses: those within a gap, not those at its ends."""
    for name in homes:
        at_ms = span.from_ms + habit_days * DAY_MS
        for hours in rng.permutation(GAPS_H).tolist():
            at_ms += HALF_HOUR_MS * int(rng.integers(12, 30))
            end_ms = at_ms + hours * HOUR_MS
            if end_ms < span.to_ms - DAY_MS // 2:
                yield Gap(name, at_ms + 1, end_ms - 1, hours)
            at_ms = end_ms


def _orders(grid: Grid, span: Span, habit_days: int, rng: np.random.Generator) -> Iterator[Order]:
    """Yield low, hardly low and high voltages of a feeder, and a concentrator that is cut off."""
    begin_ms = span.from_ms + habit_days * DAY_MS
    parts = ((0.83, 0.88), (0.915, 0.94), (1.03, 1.07))
    room_ms = (span.to_ms - DAY_MS - begin_ms) // (len(parts) + 1)
    for number, (low, high) in enumerate(parts):
        from_ms = begin_ms + number * room_ms + int(rng.integers(0, room_ms // 2))
        to_ms = from_ms + int(rng.integers(2, 12)) * HOUR_MS
        factor = round(float(rng.uniform(low, high)), 4)
        feeder = str(rng.choice(grid.roster.feeders))
        times = {"from_ms": from_ms, "to_ms": min(to_ms, span.to_ms - DAY_MS)}
        yield Order("voltage_out_of_band", {"where": feeder, "factor": factor, **times})
    cut_ms = begin_ms + int(rng.integers(0, room_ms))
    where = str(rng.choice(grid.roster.concentrators))
    times = {"from_ms": cut_ms, "to_ms": cut_ms + int(rng.integers(6, 30)) * HOUR_MS}
    yield Order("comms_outage", {"where": where, **times})


def _told(played: Played, truth: StreetTruth) -> dict[str, FloatArray]:
    """Return every slot of every meter as the gateway tells it, Wh."""
    told = {name: np.full(len(known) - 1, np.nan) for name, known in truth.registers.items()}
    for one in played.lines("intervals"):
        slots = told.get(one.place.removeprefix("device:"))
        if slots is not None:
            first = (one.from_ms - truth.span.from_ms) // HALF_HOUR_MS
            shown = json.loads(one.body)["import_wh"][: len(slots) - first]
            slots[first : first + len(shown)] = [np.nan if v is None else v for v in shown]
    return told


def _totals(
    told: Mapping[str, FloatArray], truth: StreetTruth, gaps: Sequence[Gap], total: CityMeasures
) -> None:
    """Count the meters whose slots add up to what the registers say that came through."""
    lost = {(gap.device, mark) for gap in gaps for mark in truth.marks(gap)}
    for name, known in truth.registers.items():
        here = [k for k in range(len(known)) if np.isfinite(known[k]) and (name, k) not in lost]
        first, last = here[0], max(k for k in here if k < len(known) - 2)
        off = abs(np.nansum(told[name][first:last]) - (known[last] - known[first]))
        total.meters += 1
        total.exact += bool(off <= 1)
        total.worst_wh = max(total.worst_wh, float(off))


def _estimates(
    told: Mapping[str, FloatArray], truth: StreetTruth, gaps: Sequence[Gap], total: CityMeasures
) -> None:
    """Compare estimated slots of gaps with what was used in them."""
    for gap in gaps:
        marks = truth.marks(gap)
        part = slice(marks.start - 1, marks.stop)
        true, guess = np.diff(truth.registers[gap.device])[part], told[gap.device][part]
        if np.isfinite(true).all() and np.isfinite(guess).all():
            flat = np.abs(true.mean() - true) / _WH_PER_KWH
            ours = np.abs(guess - true) / _WH_PER_KWH
            total.errors_kwh.setdefault(gap.hours, []).extend(ours.tolist())
            total.flat_kwh.setdefault(gap.hours, []).extend(flat.tolist())
            total.used_kwh.extend((true / _WH_PER_KWH).tolist())


def _voltages(played: Played, truth: StreetTruth, gaps: Sequence[Gap], total: CityMeasures) -> None:
    """Count violations of meters; what fell into lost readings nobody can know."""
    slots = truth.is_out["under"].shape[1]
    unread = {name: np.zeros(slots, np.bool_) for name in truth.registers}
    for gap in gaps:
        unread[gap.device][truth.slots(gap.from_ms, gap.to_ms)] = True
    told: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for one in played.lines("violations"):
        body = json.loads(one.body)
        name = one.place.removeprefix("device:")
        if "withdrawn" not in body and name in truth.registers:
            told.setdefault((name, body["kind"]), []).append((one.from_ms, one.to_ms))
    for side, kind in KINDS.items():
        is_out = truth.is_out[side]
        for row, name in enumerate(truth.roster.customers):
            lines = told.get((name, kind), [])
            total.lines += len(lines)
            total.lines_false += sum(not is_out[row, truth.slots(*one)].any() for one in lines)
            runs = [run for run in _runs(is_out[row]) if not unread[name][slice(*run)].any()]
            total.violations += len(runs)
            total.violations_found += sum(_is_told(truth, run, lines) for run in runs)
    _alarms(played, truth, total)


def _is_told(truth: StreetTruth, run: tuple[int, int], lines: Sequence[tuple[int, int]]) -> bool:
    begin_ms, end_ms = (truth.span.from_ms + SLOT_MS * edge for edge in run)
    return any(one[0] < end_ms and one[1] > begin_ms for one in lines)


def _alarms(played: Played, truth: StreetTruth, total: CityMeasures) -> None:
    """Count the alarms of places of which most meters never left the band meanwhile."""
    sides = {kind: side for side, kind in KINDS.items()}
    for one in played.alarms():
        rows = _rows(truth, *one.place.split(":", 1)) if one.kind in sides else []
        if rows and "withdrawn" not in one.evidence:
            is_out = truth.is_out[sides[one.kind]][rows]
            here = is_out[:, truth.slots(one.raised_ms, one.cleared_ms or truth.span.to_ms)]
            total.alarms += 1
            total.alarms_false += bool(here.mean(axis=0).max(initial=0) < 0.5)  # noqa: PLR2004


def _rows(truth: StreetTruth, level: str, name: str) -> list[int]:
    """Return the customers of a place; none of an instrument of the utility."""
    roster, layout = truth.roster, truth.layout
    if level == "device":
        return [roster.customer(name)] if roster.is_customer(name) else []
    if level == "transformer":
        of = layout.transformer == roster.transformers.index(name)
    else:
        of = layout.feeder[layout.transformer] == roster.feeders.index(name)
    return np.flatnonzero(of).tolist()


def _runs(is_out: BoolArray) -> Iterator[tuple[int, int]]:
    """Yield the times that last as long as two values of a meter do."""
    edges = np.flatnonzero(np.diff(np.pad(is_out, 1).astype(np.int8)))
    for begin, end in edges.reshape(-1, 2).tolist():
        if end - begin >= _LASTS_SLOTS:
            yield begin, end


def table(total: CityMeasures) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Yield estimation errors by length of the gap."""
    for hours in GAPS_H:
        if total.errors_kwh.get(hours):
            yield (
                f"{hours} h",
                {
                    "ours": float(np.mean(total.errors_kwh[hours])),
                    "flat": float(np.mean(total.flat_kwh[hours])),
                    "study": STUDY_KWH[hours],
                },
            )


def measured(seeds: Sequence[int]) -> CityMeasures:
    """Return what streets of these seeds come to."""
    total = CityMeasures()
    for one in each(_street, seeds):
        total.add(one)
    return total


def _street(seed: int) -> CityMeasures:
    with TemporaryDirectory() as folder:
        return score_measures(Path(folder), seed)
