"""How often the reason of a silence is right: power, communications or device.

Cabinets hang on a grid with outages; modems lose their link, devices die, and meters' concentrators
lose theirs. The energy side is the real outage watch, fed with what it would have heard.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gateway.energy.outage import Alarm as Outage
from gateway.energy.outage import Cause as OutageCause
from gateway.energy.outage import FactKind, Facts, Level, OutagePolicy, OutageWatch
from gateway.policies import load_policies
from gateway.transport import health
from gateway.transport.health import Cause, Feeds, HealthPolicy, Roadside, Silences
from simulators.city.city import City, Order, Size, parse_ms
from simulators.city.frame import LAST_GASP, DeviceRow, Readings, Span
from tools.road_scores.hearing import BACK_MS, grid_of, heard_of
from tools.road_scores.town import HOUR_MS, INTERVAL_MS

_START_MS = parse_ms("2026-11-03T06:00:00+07:00")
_HOURS, _METERS = 10, 600
_DECIDED_MS = 300_000  # after the last sign of life
_AFTER_MS = 900_000  # after the last silence is over
_WILL_MS = (45_000, 135_000)  # 0.5 to 1.5 x a keepalive of 90 s
_POWER_RETURNED = 2
_TRUE = {"dark": Cause.POWER, "cut off": Cause.COMMS}


@dataclass
class CauseScore:
    """Counts over seeds: silent devices by their true cause."""

    silent: Counter[Cause] = field(default_factory=Counter)
    right_soon: Counter[Cause] = field(default_factory=Counter)
    right_after: Counter[Cause] = field(default_factory=Counter)
    wrong: Counter[tuple[str, str, str]] = field(default_factory=Counter)


def score(seed: int, lanes: int, total: CauseScore) -> None:
    """Add one city."""
    rng = np.random.default_rng(seed)
    town = _Town(seed, lanes, rng)
    for absence in town.road_absences:
        if absence.span.to_ms - absence.span.from_ms < _DECIDED_MS:
            continue  # over before anybody decides
        row = town.number[absence.device]
        is_dead = (absence.device, absence.span.from_ms) in town.dead
        true = Cause.DEVICE if is_dead else _TRUE[absence.reason]
        soon = town.cause(row, absence.span.from_ms + _DECIDED_MS)
        after = town.cause(row, absence.span.to_ms + _AFTER_MS)
        total.silent[true] += 1
        total.right_soon[true] += soon is true
        total.right_after[true] += after is true
        for when, said in (("soon", soon), ("after", after)):
            if said is not true:
                total.wrong[when, true.name, "nothing" if said is None else said.name] += 1


def report(total: CauseScore) -> list[str]:
    """Return the lines of the table."""
    lines = []
    for name, right in (("5 min", total.right_soon), ("its end", total.right_after)):
        for cause in Cause:
            count = max(total.silent[cause], 1)
            what = f"{right[cause]:>5} of {total.silent[cause]:<5}"
            lines.append(
                f"{cause.name.lower():<7} after {name:<8} {what} {right[cause] / count:.1%}"
            )
        every = sum(total.silent.values())
        share = sum(right.values()) / max(every, 1)
        lines.append(f"all     after {name:<8} {sum(right.values()):>5} of {every:<5} {share:.1%}")
    return [*lines, *(f"{' '.join(kind)}: {count}" for kind, count in total.wrong.items())]


class _Town:
    """A city with all that was heard of it."""

    def __init__(self, seed: int, lanes: int, rng: np.random.Generator) -> None:
        size = Size(seed, _METERS, lanes)
        span = Span(_START_MS, _START_MS + _HOURS * HOUR_MS)
        orders = _orders(City(size, span), rng)
        self.city = City(size, span, orders)
        self.dead = {
            (one.where, one.from_ms - one.from_ms % INTERVAL_MS)
            for one in self.city.scenarios
            if one.kind == "detector_dead"
        }
        self.devices = self.city.devices()
        self.number = {row.id: k for k, row in enumerate(self.devices)}
        self.absences = self.city.absences()
        self.is_road = np.array([row.uplink.startswith("modem-") for row in self.devices])
        self.road_absences = [a for a in self.absences if self.is_road[self.number[a.device]]]
        nodes = [node for world in self.city.worlds for node in world.nodes()]
        self.topology = grid_of(nodes, self.devices)
        supplies = sorted({row.supply for row in self.devices} - {""})
        uplinks = sorted({row.uplink for row in self.devices})
        meter_of = {row.parents[0].id: row.id for row in self.devices if row.sector == "energy"}
        self.meters = np.array([self.number[meter_of[name]] for name in supplies], np.int64)
        self.side = Roadside(
            np.array([supplies.index(r.supply) if r.supply else -1 for r in self.devices]),
            np.array([uplinks.index(row.uplink) for row in self.devices]),
        )
        self.policy = load_policies("health", HealthPolicy).at("health", _START_MS)
        self.outage_policy = load_policies("outage", OutagePolicy).at("vn", _START_MS)
        self._will_ms = rng.integers(*_WILL_MS, len(self.absences))
        self._silent: dict[int, Silences] = {}
        self._out: dict[int, tuple[Outage, ...]] = {}
        self._listen()

    def cause(self, row: int, now_ms: int) -> Cause | None:
        """Return what a silence is put down to at a moment, None where nothing is sure."""
        if now_ms not in self._silent:  # all devices of a cabinet are judged at one moment
            self._silent[now_ms] = self._silences(now_ms)
        silences = self._silent[now_ms]
        if not silences.begin_ms[row]:
            return None
        feeds = self._feeds(int(silences.begin_ms[row]), now_ms)
        found = health.root_cause(silences, self.side, feeds, self.policy)
        cause = int(found.cause[row])
        return None if cause == health.UNKNOWN else Cause(cause)

    def _listen(self) -> None:
        readings: list[Readings] = []
        self.gasps: list[tuple[int, int]] = []
        facts: list[tuple[int, Facts]] = []
        for _, step in self.city.steps(HOUR_MS):
            readings += step.readings
            for event in step.events:
                row = self.number[event.device]
                kind = FactKind.LAST_GASP if event.code == LAST_GASP else FactKind.POWER_RETURNED
                if event.code in {LAST_GASP, _POWER_RETURNED}:
                    facts.append((event.at_ms, Facts.of(row, kind, event.at_ms)))
                if event.code == LAST_GASP:
                    self.gasps.append((row, event.at_ms))
        self.heard = heard_of(readings, self.number, self.absences)
        for absence, will_ms in zip(self.absences, self._will_ms.tolist(), strict=True):
            row, span = self.number[absence.device], absence.span
            lost_ms = span.from_ms + will_ms
            if lost_ms < span.to_ms:
                facts.append((lost_ms, Facts.of(row, FactKind.LOST, lost_ms)))
            back_ms = span.to_ms + BACK_MS
            facts.append((back_ms, Facts.of(row, FactKind.ONLINE, back_ms)))
        self.facts = sorted(facts, key=lambda fact: fact[0])

    def _silences(self, now_ms: int) -> Silences:
        """Return whose words are missing now, or were until shortly."""
        size, heard = len(self.devices), self.heard
        known = heard.came_ms <= now_ms
        last = np.zeros(size, np.int64)
        np.maximum.at(last, heard.device[known], heard.time_ms[known])
        begin, flags = np.zeros(size, np.int64), np.zeros((3, size), np.bool_)
        for absence, will_ms in zip(self.absences, self._will_ms.tolist(), strict=True):
            row, span = self.number[absence.device], absence.span
            told_ms = span.from_ms + will_ms
            if not self.is_road[row] or not told_ms <= now_ms <= span.to_ms + 2 * _AFTER_MS:
                continue
            if told_ms >= span.to_ms:
                continue  # back before anybody noticed
            mine = known & (heard.device == row)
            before = heard.time_ms[mine & (heard.time_ms <= span.from_ms)]
            has_rhythm = self.devices[row].interval_ms == INTERVAL_MS
            guess = told_ms - sum(_WILL_MS) // 2
            begin[row] = before.max(initial=0) if has_rhythm and before.size else guess
            is_back = now_ms >= span.to_ms + BACK_MS
            within = heard.time_ms[mine]
            flags[0, row] = is_back
            late = (within > span.from_ms) & (within < span.to_ms)
            flags[1, row] = is_back and bool(late.any())
            flags[2, row] = is_back and absence.reason == "dark"
        nobody = np.zeros(size, np.bool_)
        return Silences(begin, np.maximum(last, begin), flags[0], flags[1], flags[2], nobody)

    def _feeds(self, begin_ms: int, now_ms: int) -> Feeds:
        """Return what the energy side knows of all cabinets about a silence."""
        if now_ms not in self._out:
            self._out[now_ms] = self._outages(now_ms)
        outages = self._out[now_ms]
        near_ms = self.policy.cause.window_s * 1000
        count = len(self.meters)
        out, gasped, silent = (np.zeros(count, np.bool_) for _ in range(3))
        power = np.full(count, np.nan)
        for k, meter in enumerate(self.meters.tolist()):
            out[k] = any(self._covers(one, meter, begin_ms, near_ms) for one in outages)
            gasped[k] = any(
                row == meter and abs(at_ms - begin_ms) <= near_ms and at_ms <= now_ms
                for row, at_ms in self.gasps
            )
            heard, interval_ms = self.heard, self.devices[meter].interval_ms
            mine = (heard.device == meter) & (heard.came_ms <= now_ms) & (heard.time_ms > begin_ms)
            mine &= heard.time_ms <= begin_ms + 2 * interval_ms
            if mine.any():
                power[k] = heard.power_w[mine][np.argmin(heard.time_ms[mine])]
            else:
                silent[k] = now_ms - begin_ms > interval_ms + near_ms
        return Feeds(out, gasped, silent, power)

    def _covers(self, one: Outage, meter: int, begin_ms: int, near_ms: int) -> bool:
        is_then = one.begin_ms - near_ms <= begin_ms <= one.end_ms + near_ms
        if one.cause is not OutageCause.POWER or one.is_partial or not is_then:
            return False
        if one.level is Level.SERVICE:
            return one.node == meter
        transformer = int(self.topology.transformer[meter])
        above = {
            Level.TRANSFORMER: transformer,
            Level.FEEDER: int(self.topology.feeder_of[transformer]),
        }
        substation = int(self.topology.substation_of[above[Level.FEEDER]])
        return one.node == above.get(one.level, substation)

    def _outages(self, now_ms: int) -> tuple[Outage, ...]:
        watch = OutageWatch(self.topology, self.outage_policy)
        heard = self.heard
        known = (heard.came_ms <= now_ms) & ~self.is_road[heard.device]
        size = int(known.sum())
        live = heard.came_ms[known] - heard.time_ms[known] < _DECIDED_MS
        parts = [fact for at_ms, fact in self.facts if at_ms <= now_ms and not self._of_road(fact)]
        columns = (heard.device[known], np.zeros(size, np.int64), heard.time_ms[known])
        parts.append(Facts(*columns, np.ones(size), np.zeros(size, np.int64), ~live))
        watch.feed(now_ms, Facts.joined(parts))
        return watch.alarms

    def _of_road(self, fact: Facts) -> bool:
        return bool(self.is_road[fact.row[0]])


def _orders(city: City, rng: np.random.Generator) -> list[Order]:
    """Draw what goes wrong: each in an hour of its own, so that each has one true cause."""
    devices = city.devices()
    loops = [row.id for row in devices if row.profile == "tl1"]
    nodes = [node for world in city.worlds for node in world.nodes()]
    above = {node.id: node.parents[0].id for node in nodes if node.parents}
    cabinets = sorted({row.supply for row in devices} - {""})
    concentrators = sorted({row.uplink for row in devices} - {""} - _modems(devices))
    places = [
        ("transformer_outage", above[str(rng.choice(cabinets))]),
        ("road_comms_outage", str(rng.choice(loops))),
        ("detector_dead", str(rng.choice(loops))),
        ("comms_outage", str(rng.choice(concentrators))),
        ("transformer_outage", above[str(rng.choice(cabinets))]),
        ("road_comms_outage", str(rng.choice(loops))),
        ("detector_dead", str(rng.choice(loops))),
        ("detector_dead", str(rng.choice(loops))),
    ]
    orders = []
    for hour, (kind, where) in enumerate(places, start=1):
        from_ms = _START_MS + hour * HOUR_MS + int(rng.integers(0, 600_000))
        to_ms = from_ms + int(rng.integers(600_000, 1_800_000))
        orders.append(Order(kind, {"where": where, "from_ms": from_ms, "to_ms": to_ms}))
    return orders


def _modems(devices: Sequence[DeviceRow]) -> set[str]:
    return {row.uplink for row in devices if row.uplink.startswith("modem-")}
