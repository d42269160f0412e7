"""Thieves and wrong wires of the city, and what the gateway makes of them.

A town of a few transformers: two weeks for the baseline, two in which nobody steals, then a thief
at every transformer for eight days. In another town some meters are registered at the
transformer next door.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gateway.ports import Alarm
from simulators.city.city import Order, Size
from simulators.city.frame import Span
from simulators.city.grid.layout import CABINET, Layout, build
from simulators.city.grid.loads import Loads
from simulators.city.grid.meters import CLOCK_S
from simulators.city.grid.roster import Roster
from simulators.city.weather import Weather
from tools.city_desk.network import Wear
from tools.city_desk.play import DAY_MS, HOUR_MS, START_MS, Played, Setting, play, span_of
from tools.plays import Counts

BASELINE_DAYS, HONEST_DAYS, THEFT_DAYS = 14, 14, 8
METERS = 120
WIRE_METERS, WIRE_DAYS, METERS_PER_WRONG = 240, 16, 30
LEAST_SHARE = 0.007  # of a transformer's energy: the acceptance line
_PLANNED = (0.0073, 0.012)
_IN_TIME_MS, _SEVEN_DAYS_MS = 2 * DAY_MS, 7 * DAY_MS
_FIRST = 3  # suspects
# Meters report six-hourly; the analyst looks after each midnight, when the day is complete. A late
# reading may change all of the 35 days behind it, and the engine works a day of a group out, or
# balances one, in each step: up to 72 before the newest is balanced. The gateway's analyst steps
# each second; ten times slower is what fits into a score, a hundred times slower is days late.
_AFTER_MIDNIGHT_MS, _LOOK_MS = 900_000, 10_000
_HALF_HOUR_MS = 1_800_000
_YEAR_DAYS = 364  # over which the seeds' towns begin
_DAYS_OF_MONTH = 30


class Condition(NamedTuple):
    """What the data are like."""

    name: str
    missing: float
    clock_s: float


CLEAN = Condition("clean", 0.0, CLOCK_S)
WORN = Condition("5 % missing, clocks wrong by 60 s", 0.05, 60.0)


class Theft(NamedTuple):
    """One thief, and what was said."""

    share: float  # of the transformer's energy, as it came to be
    alarmed_after_ms: int | None
    place: int | None  # among the suspects seven days later, from 0


@dataclass
class CityLosses(Counts):
    """Counts over towns."""

    thefts: int = 0
    in_two_days: int = 0
    in_first_three: int = 0
    too_small: int = 0  # less than ``LEAST_SHARE`` in the end: not scored
    clean_months: float = 0.0
    false_alarms: int = 0
    wrong_wires: int = 0
    wires_found: int = 0
    right_wires: int = 0
    wires_accused: int = 0


def score_thefts(folder: Path, seed: int, condition: Condition, meters: int = METERS) -> CityLosses:
    """Play one town with a thief at each transformer."""
    total = CityLosses()
    played, begin_ms = play_thefts(folder, seed, condition, meters)
    for theft in thefts(played):
        if theft.share < LEAST_SHARE:
            total.too_small += 1
            continue
        after_ms = theft.alarmed_after_ms
        total.thefts += 1
        total.in_two_days += after_ms is not None and after_ms <= _IN_TIME_MS
        total.in_first_three += theft.place is not None and theft.place < _FIRST
    places = {line.place for line in played.lines("balance")}
    alarms = [one for one in played.alarms() if one.kind == "loss"]
    total.false_alarms = sum(_is_false(one, begin_ms) for one in alarms)
    total.clean_months = len(places) * HONEST_DAYS / _DAYS_OF_MONTH
    return total


def play_thefts(folder: Path, seed: int, condition: Condition, meters: int) -> tuple[Played, int]:
    """Return a town, and when its thieves begin at the earliest."""
    start_ms = _start_ms(seed)
    begin_ms = start_ms + (BASELINE_DAYS + HONEST_DAYS) * DAY_MS
    span = span_of(BASELINE_DAYS + HONEST_DAYS + THEFT_DAYS, start_ms)
    size = Size(seed, meters, 0, clock_s=condition.clock_s)
    orders = list(_thieves(size, Span(begin_ms, span.to_ms)))
    return play(folder, _setting(size, span, orders, condition)), begin_ms


def thefts(played: Played) -> Iterator[Theft]:
    """Yield what became of each thief."""
    told = [(at_ms, one) for at_ms, one in played.told if one.kind == "loss"]
    balances = [(one, json.loads(one.body)["in_wh"]) for one in played.lines("balance")]
    for fact in played.facts():
        place = next(f"transformer:{name}" for name in fact.places if name.startswith("tba-"))
        through = sum(
            wh * _overlap(one.from_ms, one.to_ms, fact.from_ms)
            for one, wh in balances
            if one.place == place
        )
        thief = f"{next(name for name in fact.places if not name.startswith('tba-'))}"
        lines = [(at_ms, one) for at_ms, one in told if one.place == place]
        after = [at_ms - fact.from_ms for at_ms, one in lines if not one.cleared_ms]
        first = min((ms for ms in after if ms > 0), default=None)
        ranks = [
            _rank(one, thief)
            for at_ms, one in lines
            if fact.from_ms < at_ms <= fact.from_ms + _SEVEN_DAYS_MS + DAY_MS
        ]
        share = fact.magnitude["hidden_wh"] / through
        yield Theft(share, first, ranks[-1] if ranks else None)


def score_wires(
    folder: Path, seed: int, condition: Condition, meters: int = WIRE_METERS
) -> CityLosses:
    """Play one town in whose registry some meters hang next door."""
    size = Size(seed, meters, 0, clock_s=condition.clock_s)
    layout, roster = _grid(size)
    wrong = np.random.default_rng(seed).choice(
        _customers(layout), meters // METERS_PER_WRONG, replace=False
    )
    orders = [Order("wrong_transformer", {"where": roster.customers[k]}) for k in wrong]
    played = play(folder, _setting(size, span_of(WIRE_DAYS, _start_ms(seed)), orders, condition))
    accused = {
        one.place.partition(":")[2]: json.loads(one.evidence)["seems_at"].partition(":")[2]
        for one in played.alarms()
        if one.kind == "wrong_transformer" and not one.cleared_ms
    }
    true = {roster.customers[k]: roster.transformers[layout.transformer[k]] for k in wrong.tolist()}
    return CityLosses(
        wrong_wires=len(true),
        wires_found=sum(accused.get(name) == actual for name, actual in true.items()),
        right_wires=meters - len(true),
        wires_accused=len(accused.keys() - true.keys()),
    )


def _thieves(size: Size, span: Span) -> Iterator[Order]:
    """Yield a thief for each transformer, whose part of its energy is as planned."""
    rng = np.random.default_rng(size.seed)
    layout, roster = _grid(size)
    moments = np.arange(span.from_ms, span.to_ms, _HALF_HOUR_MS) + _HALF_HOUR_MS // 2
    load = Loads(size.seed, layout, Weather(size.seed)).at(moments).active_w.sum(axis=1)
    who = _customers(layout)
    who = who[layout.solar_w[who] == 0]
    for of in range(layout.feeder.size):
        own = who[layout.transformer[who] == of]
        wanted = rng.uniform(*_PLANNED) * load[layout.transformer == of].sum()
        able = own[load[own] * 0.9 >= wanted]
        thief = int(rng.choice(able))
        share = float(wanted / load[thief])
        kind = "theft" if share <= 0.5 else "bypass"  # noqa: PLR2004  # as the city's orders have it
        begin_ms = span.from_ms + int(rng.integers(0, DAY_MS))
        wish = {"where": roster.customers[thief], "share": share, "from_ms": begin_ms}
        yield Order(kind, wish | {"to_ms": span.to_ms})


def _setting(size: Size, span: Span, orders: Sequence[Order], condition: Condition) -> Setting:
    midnights = range(span.from_ms + DAY_MS, span.to_ms, DAY_MS)
    looks = [Span(at_ms, at_ms + _AFTER_MIDNIGHT_MS) for at_ms in midnights]
    return Setting(
        *(size, span, orders, looks),
        coarse_ms=DAY_MS,
        fine_ms=_LOOK_MS,
        report_ms=6 * HOUR_MS,
        wear=Wear(missing=condition.missing),
    )


def _grid(size: Size) -> tuple[Layout, Roster]:
    layout = build(size.seed, size.meters, 0)
    return layout, Roster(layout, size.interval_ms)


def _customers(layout: Layout) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.flatnonzero(layout.kind != CABINET)


def _start_ms(seed: int) -> int:
    """Return a local midnight; seeds are spread over a year, for the weather and the holidays."""
    return START_MS + seed * 97 % _YEAR_DAYS * DAY_MS


def _is_false(alarm: Alarm, thieves_ms: int) -> bool:
    """Return whether nobody stole: it was found before, or at a feeder, where nobody can."""
    return alarm.found_ms <= thieves_ms or not alarm.place.startswith("transformer:")


def _overlap(from_ms: int, to_ms: int, since_ms: int) -> float:
    return max(0, to_ms - max(from_ms, since_ms)) / (to_ms - from_ms)


def _rank(alarm: Alarm, thief: str) -> int | None:
    suspects = [one["device"] for one in json.loads(alarm.evidence).get("suspects", [])]
    return suspects.index(thief) if thief in suspects else None
