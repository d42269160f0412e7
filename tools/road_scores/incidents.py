"""How good incident detection is: jams, floods and wrong-way drivers in otherwise sound cities.

Each city is watched for a day. Four things happen to it, one after the other, at times and places
that the seed draws, and every detector is sound. In the second score detectors break instead, and
nothing stands in the way; there detector health says whom to believe, as in the engine. In the
third cabinets lose their power, four times a day: what is found then and not in the same city with
power all day is of the darkness.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gateway.policies import load_policies
from gateway.transport.engine.live import Live
from gateway.transport.engine.policies import TransportPolicies
from gateway.transport.incidents import Incident, IncidentPolicy, IncidentWatch, Sign
from gateway.transport.series import NOWHERE, Road
from simulators.city.city import Order, parse_ms
from simulators.city.frame import Span, Truth
from simulators.road.world import Road as SimulatedRoad
from tools.road_scores.health import KINDS as FAULTS
from tools.road_scores.town import DAY_MS, HOUR_MS, INTERVAL_MS, Town

_START_MS = parse_ms("2026-11-03T00:00:00+07:00")
_KINDS = ("stalled_vehicle", "lane_closure", "queue_spillback", "road_flood")
# Local hours in which the incidents of a day begin: each has gone before the next one comes.
_BEGINS_H = ((6.5, 7.5), (10.0, 11.0), (13.5, 14.5), (17.0, 18.0))
_FAULTS_H = (5.5, 16.0)
_DARK_H = (6.0, 9.5, 13.0, 16.5)  # a quarter of an hour to two hours each
_DARK_MIN = (15.0, 120.0)
_WAVES_MS = 600_000  # a jam's waves are still of it


@dataclass
class IncidentScore:
    """Counts over seeds."""

    happened: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    felt: Counter[str] = field(default_factory=Counter)  # held traffic up
    delays_s: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    felt_delays_s: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    station_days: float = 0.0
    false: list[str] = field(default_factory=list)
    faulty_station_days: float = 0.0
    false_of_faults: list[str] = field(default_factory=list)
    dark_h: float = 0.0  # of stations
    false_of_darkness: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


def score(seed: int, lanes: int, total: IncidentScore) -> None:
    """Add a city with incidents."""
    start_ms = _START_MS + seed % 7 * DAY_MS
    span = Span(start_ms, start_ms + DAY_MS)
    rng = np.random.default_rng(seed)
    town = Town(seed, lanes, 60, span, _orders(rng, start_ms))
    found = watched(town)
    right: set[int] = set()
    for truth in _truths(town):
        right |= _judge(truth, found, town.road, start_ms, total)
    total.station_days += len(town.road.stations)
    total.false += [_told(seed, one, town.road) for one in found if one.number not in right]


def score_broken(seed: int, lanes: int, total: IncidentScore) -> None:
    """Add a city with broken detectors."""
    start_ms = _START_MS + seed % 7 * DAY_MS
    span = Span(start_ms, start_ms + DAY_MS)
    rng = np.random.default_rng(seed)
    loops = Town(seed, lanes, 60, span).road.devices
    broken = Town(seed, lanes, 60, span, _broken(rng, start_ms, loops))
    total.faulty_station_days += len(broken.road.stations)
    total.false_of_faults += [
        _told(seed, one, broken.road) + f" {_near(one, broken, start_ms)}"
        for one in watched_with_health(broken)
    ]


def score_dark(seed: int, lanes: int, total: IncidentScore) -> None:
    """Add a city whose cabinets lose their power."""
    start_ms = _START_MS + seed % 7 * DAY_MS
    span = Span(start_ms, start_ms + DAY_MS)
    lit = Town(seed, lanes, 60, span)
    dark = Town(seed, lanes, 60, span, _outages(np.random.default_rng(seed), start_ms, lit))
    total.dark_h += sum(
        (gone.span.to_ms - gone.span.from_ms) / HOUR_MS / dark.road.lanes[station]
        for gone in dark.city.absences()
        for station in dark.road.station[np.array(dark.road.devices) == gone.device]
    )
    usual = {(one.station, one.found) for one in watched_with_health(lit)}
    total.false_of_darkness += [
        _told(seed, one, dark.road) + f" {_dark_near(one, dark, start_ms)}"
        for one in watched_with_health(dark)
        if (one.station, one.found) not in usual
    ]


def watched(town: Town) -> list[Incident]:
    """Return every incident that the room finds in a city, as it was last."""
    policy = load_policies("incidents", IncidentPolicy).at("default", _START_MS)
    watch, found = IncidentWatch(town.road, policy), dict[int, Incident]()
    state = watch.fresh()
    for hour in town.hours():
        seen, state = watch.run(hour.window, state)
        found.update((one.number, one) for one in seen)
    return [found[number] for number in sorted(found)]


def watched_with_health(town: Town) -> list[Incident]:
    """Do the same as the engine does it, interval by interval."""
    live = Live(town.road, TransportPolicies.load())
    found: dict[int, Incident] = {}
    for hour in town.hours():
        if live.state is None:
            live.start(hour.span.from_ms)
        for at in range(hour.window.slots):
            step = live.run(hour.window.part(at, at + 1))
            found.update((one.number, one) for one in step.incidents)
    return [found[number] for number in sorted(found)]


def report(total: IncidentScore) -> list[str]:
    """Return the lines of the table."""
    lines = []
    for kind in (*_KINDS, "all"):
        kinds = _KINDS if kind == "all" else (kind,)
        count, found = (sum(one[k] for k in kinds) for one in (total.happened, total.found))
        delays = [delay for k in kinds for delay in total.delays_s[k]]
        felt = [delay for k in kinds for delay in total.felt_delays_s[k]]
        lines.append(
            f"{kind:<16} {found:>4} of {count:<4} {found / max(count, 1):7.1%}"
            f"  after {_mean(delays):4.0f} s (median {_median(delays):.0f})"
            f"; since it held traffic up: {_mean(felt):4.0f} s"
            f" (median {_median(felt):.0f}, {len(felt)} of {sum(total.felt[k] for k in kinds)})"
        )
    lines.append(_rate("sound detectors", total.false, total.station_days))
    return [*lines, *total.missed, *total.false[:30]]


def report_broken(total: IncidentScore) -> list[str]:
    """Return the lines of the second table."""
    days = total.faulty_station_days
    return [_rate("broken detectors", total.false_of_faults, days), *total.false_of_faults[:30]]


def report_dark(total: IncidentScore) -> list[str]:
    """Return the lines of the third table."""
    false = total.false_of_darkness
    head = f"false alarms of darkness: {len(false)} in {total.dark_h:.0f} station-hours of it"
    return [head, *false[:30]]


def _rate(name: str, false: Sequence[str], days: float) -> str:
    rate = 10 * len(false) / max(days, 1)
    return f"false alarms, {name}: {len(false)} in {days:.0f} station-days, {rate:.2f} in 10"


def _orders(rng: np.random.Generator, start_ms: int) -> list[Order]:
    orders = []
    for kind, (low_h, high_h) in zip(rng.permutation(_KINDS).tolist(), _BEGINS_H, strict=True):
        from_ms = start_ms + round(float(rng.uniform(low_h, high_h)) * HOUR_MS)
        orders.append(Order(kind, {"from_ms": from_ms}))
    return orders


def _broken(rng: np.random.Generator, start_ms: int, loops: Sequence[str]) -> list[Order]:
    orders = []
    for kind, where in zip(FAULTS, rng.permutation(len(loops)).tolist(), strict=False):
        from_ms = start_ms + round(float(rng.uniform(*_FAULTS_H)) * HOUR_MS)
        wish = {"where": loops[where], "from_ms": from_ms, "to_ms": from_ms + 6 * HOUR_MS}
        orders.append(Order(kind, wish))
    return orders


def _outages(rng: np.random.Generator, start_ms: int, town: Town) -> list[Order]:
    nodes = [node for world in town.city.worlds for node in world.nodes()]
    above = {node.id: node.parents[0].id for node in nodes if node.parents}
    cabinets = sorted({row.supply for row in town.devices} - {""})
    orders = []
    for hour in _DARK_H:
        from_ms = start_ms + round((hour + float(rng.uniform(0, 1))) * HOUR_MS)
        to_ms = from_ms + round(float(rng.uniform(*_DARK_MIN)) * 60_000)
        wish = {"where": above[str(rng.choice(cabinets))], "from_ms": from_ms, "to_ms": to_ms}
        orders.append(Order("transformer_outage", wish))
    return orders


def _truths(town: Town) -> list[Truth]:
    (road,) = (world for world in town.city.worlds if isinstance(world, SimulatedRoad))
    return [truth for truth in road.truth() if truth.kind in _KINDS]


def _judge(
    truth: Truth, found: Sequence[Incident], road: Road, start_ms: int, total: IncidentScore
) -> set[int]:
    """Count an incident; return the numbers of the alarms that are of it."""
    until_ms = max(truth.to_ms, int(truth.magnitude["queue_until_ms"])) + _WAVES_MS
    mine = [
        one
        for one in found
        if truth.from_ms <= _found_ms(one, start_ms) <= until_ms and _names(one, truth, road)
    ]
    total.happened[truth.kind] += 1
    felt_ms = int(truth.magnitude["queue_from_ms"])
    total.felt[truth.kind] += felt_ms > 0
    if not mine:
        total.missed.append(f"missed: {truth.kind} {truth.where} {truth.magnitude}")
        return set()
    total.found[truth.kind] += 1
    first_ms = min(_found_ms(one, start_ms) for one in mine)
    total.delays_s[truth.kind].append((first_ms - truth.from_ms) / 1000)
    if felt_ms:
        total.felt_delays_s[truth.kind].append(max(first_ms - felt_ms, 0) / 1000)
    return {one.number for one in mine}


def _names(one: Incident, truth: Truth, road: Road) -> bool:
    """Return whether an alarm is at the place: between two stations, one of which is touched."""
    after = int(road.downstream[one.station])
    places = {one.station, after if after != NOWHERE else one.station}
    return any(road.stations[place] in truth.touches for place in places)


def _found_ms(one: Incident, start_ms: int) -> int:
    """Return the end of the interval in which it was found."""
    return start_ms + (one.found + 1) * INTERVAL_MS


def _told(seed: int, one: Incident, road: Road) -> str:
    hour = one.found * INTERVAL_MS / HOUR_MS
    signs = "+".join(sign.name or "" for sign in Sign if sign in one.signs)
    return f"false: seed {seed} {road.stations[one.station]} at {hour:.2f} h, {signs}"


def _near(one: Incident, town: Town, start_ms: int) -> str:
    """Return the faults at or beside the place, to learn from."""
    road, at = town.road, _found_ms(one, start_ms)
    near = {one.station, int(road.upstream[one.station]), int(road.downstream[one.station])}
    stations = dict(zip(road.devices, road.station.tolist(), strict=True))
    return ", ".join(
        fault.kind
        for fault in town.city.scenarios
        if stations.get(fault.where) in near and fault.from_ms <= at <= fault.to_ms + HOUR_MS
    )


def _dark_near(one: Incident, town: Town, start_ms: int) -> str:
    """Return which stations were dark when it was found, or of late, to learn from."""
    at, road = _found_ms(one, start_ms), town.road
    stations = dict(zip(road.devices, road.station.tolist(), strict=True))
    dark = {
        (road.stations[stations[gone.device]], round((at - gone.span.to_ms) / 1000))
        for gone in town.city.absences()
        if gone.device in stations and gone.span.from_ms <= at <= gone.span.to_ms + HOUR_MS
    }
    return ", ".join(f"{name} {after_s:+d} s" for name, after_s in sorted(dark))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else float("nan")
