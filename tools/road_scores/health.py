"""How good detector health is: each kind of fault in a city whose other detectors are sound.

Two days are learned, on the third every corridor has a fault in the morning and one in the
afternoon, on the fourth the roads have jams, closed lanes and floods, and no detector is at fault.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gateway.policies import load_policies
from gateway.transport import health
from gateway.transport.health import Change, Fault, HealthPolicy
from gateway.transport.series import Road, RoadClass
from simulators.city.city import Order, parse_ms
from simulators.city.frame import Scenario, Span
from tools.road_scores.town import DAY_MS, HOUR_MS, Town

LEARNED_DAYS, DAYS = 2, 4
_FAULT_H = 5.5
_BEGINS_H = ((5.5, 7.0), (13.5, 16.0))  # local hours in which a fault of the half day begins
_START_MS = parse_ms("2026-11-03T00:00:00+07:00")
_DAY_S = 86_400


@dataclass(frozen=True)
class Kind:
    """A fault of the simulator."""

    named: frozenset[Fault]  # what it should be called
    within_s: int  # from its begin until it is found, as docs/transport.md states it


KINDS = {
    "detector_stuck": Kind(frozenset({Fault.LOCKED_ON}), 600),
    "detector_card_off": Kind(frozenset({Fault.NO_HITS}), 1800),
    "detector_constant": Kind(frozenset({Fault.NO_CHANGE}), 600),
    "detector_chatter": Kind(frozenset({Fault.CHATTER}), 120),
    "detector_hanging": Kind(frozenset({Fault.HANGING}), 3 * 3600),
    "detector_over_count": Kind(frozenset({Fault.OVER_COUNT, Fault.CHATTER}), _DAY_S),
    "detector_under_count": Kind(frozenset({Fault.UNDER_COUNT}), _DAY_S),
    "detector_cross_talk": Kind(frozenset({Fault.CROSS_TALK, Fault.OVER_COUNT}), _DAY_S),
}
_JAMS = ("stalled_vehicle", "lane_closure", "queue_spillback", "road_flood")


@dataclass
class HealthScore:
    """Counts over seeds."""

    faults: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    delays_s: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    false: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    detector_days: float = 0.0
    closures: int = 0
    closures_named: int = 0


def score(seed: int, lanes: int, total: HealthScore) -> None:
    """Add one city."""
    start_ms = _START_MS + seed % 7 * DAY_MS  # so that weekdays and weekends are learned and judged
    span = Span(start_ms, start_ms + DAYS * DAY_MS)
    road = Town(seed, lanes, 60, span).road  # the same city again: its places are needed first
    rng = np.random.default_rng(seed)
    town = Town(seed, lanes, 60, span, [*_faults(road, rng, start_ms), *_jams(road, rng, start_ms)])
    changes = watched(town)
    raised = [change for change in changes if not change.cleared_ms]
    right: set[int] = set()
    for fault in town.city.scenarios:
        if fault.kind in KINDS:
            right |= _judge_fault(fault, town.road, raised, total)
        elif fault.kind == "lane_closure":
            total.closures += 1
            total.closures_named += any(_is_closed(one, fault, town.road) for one in raised)
    for at, change in enumerate(raised):
        if at not in right and change.fault not in health.NOT_FAULTS:
            hours = (change.found_ms - start_ms) / HOUR_MS
            place = town.road.devices[change.lane]
            total.false.append(f"seed {seed}: {change.fault.name} {place} at {hours:.2f} h")
    total.detector_days += lanes * DAYS


def watched(town: Town) -> list[Change]:
    """Return all that the health room says of a city."""
    policy = load_policies(health.HEALTH_DOMAIN, HealthPolicy).at(health.HEALTH_POLICY, _START_MS)
    state, changes = health.new_health(town.road), list[Change]()
    for hour in town.hours():
        found = health.watch(state, hour.window, town.road, policy)
        state = found.state
        changes += found.changes
    return changes


def report(total: HealthScore) -> list[str]:
    """Return the lines of the table."""
    lines = []
    for kind, wanted in KINDS.items():
        count, found = total.faults[kind], total.found[kind]
        delays = total.delays_s[kind] or [float("nan")]
        p50, worst = np.median(delays), max(delays)
        lines.append(
            f"{kind:<22} {found:>4} of {count:<4} {found / max(count, 1):7.1%} within"
            f" {_told(wanted.within_s)}; named right {total.named[kind]}, found after"
            f" {_told(float(p50))}, at most {_told(worst)}"
        )
    rate = 1000 * len(total.false) / max(total.detector_days, 1)
    lines.append(f"false flags: {len(total.false)} in {total.detector_days:.0f} detector-days")
    lines.append(f"             {rate:.2f} in 1,000 (target: at most 1)")
    lines.append(f"closed lanes called so: {total.closures_named} of {total.closures}")
    return [*lines, *total.missed, *total.false[:20]]


def _faults(road: Road, rng: np.random.Generator, start_ms: int) -> list[Order]:
    kinds, orders = list(KINDS), list[Order]()
    corridor = road.corridor[road.section[road.station]]
    first = int(rng.integers(len(kinds)))
    for one in range(len(road.corridors)):
        rows = np.flatnonzero(corridor == one)
        for low_h, high_h in _BEGINS_H if rows.size else ():
            begin_h = LEARNED_DAYS * 24 + float(rng.uniform(low_h, high_h))
            from_ms = start_ms + round(begin_h * HOUR_MS)
            where = road.devices[int(rng.choice(rows))]
            kind = kinds[(len(orders) + first) % len(kinds)]
            to_ms = from_ms + round(_FAULT_H * HOUR_MS)
            orders.append(Order(kind, {"where": where, "from_ms": from_ms, "to_ms": to_ms}))
    return orders


def _jams(road: Road, rng: np.random.Generator, start_ms: int) -> list[Order]:
    orders = []
    for one in range(len(road.corridors)):
        inner = np.flatnonzero(road.corridor == one)[1:-1]
        if not inner.size:
            continue
        is_urban = road.road_class[inner[0]] == int(RoadClass.URBAN)
        kind = "queue_spillback" if is_urban else _JAMS[(one + int(rng.integers(4))) % len(_JAMS)]
        begin_h = (DAYS - 1) * 24 + float(rng.uniform(7.0, 16.0))
        wish: dict[str, object] = {"from_ms": start_ms + round(begin_h * HOUR_MS)}
        if kind != "road_flood":
            wish["where"] = road.sections[int(rng.choice(inner))]
        orders.append(Order(kind, wish))
    return orders


def _judge_fault(
    fault: Scenario, road: Road, raised: Sequence[Change], total: HealthScore
) -> set[int]:
    """Count a fault; return which of the changes are of it."""
    wanted, lane = KINDS[fault.kind], road.devices.index(fault.where)
    until_ms = fault.to_ms + HOUR_MS  # what was counted wrong may still be seen in its quarters
    mine = {
        at
        for at, change in enumerate(raised)
        if change.lane == lane and fault.from_ms <= change.found_ms <= until_ms
    }
    total.faults[fault.kind] += 1
    faults = [raised[at] for at in mine if raised[at].fault not in health.NOT_FAULTS]
    delays_s = [(change.found_ms - fault.from_ms) / 1000 for change in faults]
    if delays_s and min(delays_s) <= wanted.within_s:
        total.found[fault.kind] += 1
        total.delays_s[fault.kind].append(min(delays_s))
        total.named[fault.kind] += any(change.fault in wanted.named for change in faults)
    else:
        hour = (fault.from_ms - _START_MS) / HOUR_MS % 24
        total.missed.append(f"missed: {fault.kind} {fault.where} at {hour:.2f} h, {delays_s}")
    return mine


def _is_closed(change: Change, closure: Scenario, road: Road) -> bool:
    section = road.sections[int(road.section[road.station[change.lane]])]
    in_time = closure.from_ms <= change.found_ms <= closure.to_ms
    return change.fault is Fault.LANE_UNUSED and section == closure.where and in_time


def _told(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds > 5400 else f"{seconds / 60:.1f} min"  # noqa: PLR2004
