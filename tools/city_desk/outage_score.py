"""Outages of a city: how soon they are told, at which level, and whether a lost link is one.

Six faults forty minutes apart, one of each kind, in a city of a dozen transformers on two feeders.
The truth and the matching in place and time are those of ``simulators score``; what is added here
is the level, and that a line counts from when it was told first, also one that was taken back.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from gateway.ports import Alarm
from simulators.chance import mix, unit
from simulators.city.city import City, Order, Size
from simulators.city.frame import Scenario, Span
from simulators.score.match import Claim, Fact, false_alarms, match
from tools.city_desk.network import PERFECT, Wear
from tools.city_desk.play import DAY_MS, HOUR_MS, Played, Setting, near, play, span_of
from tools.plays import Counts, each

MINUTE_MS = 60_000
QUICK_S = 60
METERS, LANES = 720, 16
TURN_MS = 40 * 60_000  # from one fault to the next
# kind of the truth → kind of the line it should be told as
POWER = {
    "service_outage": "service_outage",
    "phase_loss": "partial_outage",
    "transformer_outage": "transformer_outage",
    "feeder_outage": "feeder_outage",
}
LINK, OF_DEVICE = "comms_outage", "link of a device"
KINDS = (*POWER, LINK, OF_DEVICE)
_ANY, _TOLD = "power", "told_ms"
_KINDS = frozenset({*POWER.values(), "substation_outage"})
_SLACK_MS = 150_000  # a will bears the time of the listener, and a clock is a minute wrong
_STEP_MS = 10 * MINUTE_MS
_WHOLE_MS = 5 * MINUTE_MS  # a slot of the city


class _Fault(NamedTuple):
    """One truth, with every place that a line at any level may name it by."""

    kind: str
    where: str
    span: Span
    places: frozenset[str]

    @classmethod
    def of(cls, scenario: Scenario, around: Mapping[str, set[str]]) -> "_Fault":
        span = Span(scenario.from_ms, scenario.to_ms)
        return cls(scenario.kind, scenario.where, span, frozenset(around[scenario.where]))

    def as_fact(self) -> Fact:
        return Fact(_ANY, self.places, *self.span, {})


@dataclass
class OutageCount(Counts):
    """Counts over cities."""

    power: int = 0
    told: int = 0
    late: int = 0  # told after a minute …
    late_as_link: int = 0  # … but until then as a lost link: nobody had said that power was gone
    level_right: int = 0
    links: int = 0
    links_as_power: int = 0
    false_power: int = 0
    delays_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # for a person who tunes


def table(seeds: Sequence[int]) -> Iterator[tuple[str, OutageCount]]:
    """Yield the counts of all cities, and of a third of them without a last gasp."""
    for title, wear, part in (
        ("outages", PERFECT, seeds),
        ("outages where no meter can gasp", Wear(mute=1.0), seeds[: -(-len(seeds) // 3)]),
    ):
        total = OutageCount()
        for one in each(_counted, [(seed, wear) for seed in part]):
            total.add(one)
        yield title, total


def _counted(job: tuple[int, Wear]) -> OutageCount:
    count = OutageCount()
    add(job[0], count, job[1])
    return count


def orders_of(seed: int, begin_ms: int, kinds: Sequence[str] = KINDS) -> list[Order]:
    """Draw the faults of a city, one of each kind."""
    city = City(_size(seed), Span(begin_ms, begin_ms + HOUR_MS))
    meters = [d.id for d in city.devices() if d.profile in {"em1", "em3"} and d.uplink]
    orders = []
    for number, kind in enumerate(_shuffled(kinds, seed)):
        draws = [unit(seed, 81, number, k) for k in range(3)]
        from_ms = begin_ms + (number + 1) * TURN_MS + _whole(draws[0] * 10 * MINUTE_MS)
        wish: dict[str, object] = {
            "from_ms": from_ms,
            "to_ms": from_ms + _whole((10 + draws[1] * 10) * MINUTE_MS),
        }
        if kind == OF_DEVICE:
            wish["where"] = meters[int(draws[2] * len(meters))]
        orders.append(Order(LINK if kind == OF_DEVICE else kind, wish))
    return orders


def add(seed: int, count: OutageCount, wear: Wear = PERFECT, kinds: Sequence[str] = KINDS) -> None:
    """Play one city and add it to the counts."""
    span = span_of((len(kinds) + 1) * TURN_MS / DAY_MS)
    size, orders = _size(seed), orders_of(seed, span.from_ms, kinds)
    fine = near(City(size, span, orders), after_ms=3 * MINUTE_MS)
    with TemporaryDirectory() as folder:
        setting = Setting(size, span, orders, fine, coarse_ms=_STEP_MS, wear=wear)
        judge(play(Path(folder), setting), count)


def judge(played: Played, count: OutageCount) -> None:
    """Add what was told of a city."""
    around = _around(played.city)
    facts = [_Fault.of(s, around) for s in played.city.scenarios if s.kind in POWER]
    links = [_Fault.of(s, around) for s in played.city.scenarios if s.kind == LINK]
    told = _claims(played.told)
    hits, wrong = match([one.as_fact() for one in facts], told, _SLACK_MS)
    lost = _told_as(LINK, played.told)
    mistaken, _ = match([one.as_fact() for one in links], wrong, _SLACK_MS)
    stands = [alarm for alarm in played.alarms() if "withdrawn" not in alarm.evidence]
    count.power += len(facts)
    for fact, hit in zip(facts, hits, strict=True):
        count.told += bool(hit.claims)
        if hit.claims:
            told_ms = min(claim.estimate[_TOLD] for claim in hit.claims)
            count.delays_s.append(max(0.0, (told_ms - fact.span.from_ms) / 1000))
            if count.delays_s[-1] > QUICK_S:
                count.late += 1
                count.late_as_link += any(
                    place == fact.where and fact.span.from_ms <= first_ms < told_ms
                    for place, first_ms in lost
                )
        is_right = _is_right(fact, stands)
        count.level_right += is_right
        if not is_right:
            count.wrong.append(f"{fact.kind} {_near(fact, stands)}")
    count.links += len(links)
    for hit in mistaken:
        count.links_as_power += bool(hit.claims)
        count.wrong += [f"link told as {claim}" for claim in hit.claims[:1]]
    explained = {id(claim) for hit in mistaken for claim in hit.claims}
    stray = [claim for claim in wrong if id(claim) not in explained]
    count.false_power += sum(false_alarms(stray, _SLACK_MS).values())
    count.wrong += [f"nothing told as {claim}" for claim in stray]


def _is_right(fault: _Fault, stands: Sequence[Alarm]) -> bool:
    """Return whether one line stands of it, of the right kind and at the right place."""
    found = [alarm for alarm in _near(fault, stands) if "left_behind_by" not in alarm.evidence]
    if len(found) != 1:
        return False
    return found[0].kind == POWER[fault.kind] and _place(found[0]) == fault.where


def _near(fault: _Fault, stands: Iterable[Alarm]) -> list[Alarm]:
    low_ms, high_ms = fault.span.from_ms - _SLACK_MS, fault.span.to_ms + _SLACK_MS
    return [
        alarm
        for alarm in stands
        if alarm.kind in _KINDS
        and low_ms <= alarm.raised_ms <= high_ms
        and _place(alarm) in fault.places
    ]


def _around(city: City) -> dict[str, set[str]]:
    """Return for each device, transformer and feeder what a line about it may name."""
    above = {node.id: [tie.id for tie in node.parents] for w in city.worlds for node in w.nodes()}
    above |= {device.id: [tie.id for tie in device.parents] for device in city.devices()}
    uplink = {device.id: device.uplink for device in city.devices()}
    around: dict[str, set[str]] = defaultdict(set)
    for name in above:
        line, at = [name], name
        while above.get(at):
            at = above[at][0]
            line.append(at)
        for one in (*line, uplink.get(name, "")):
            around[one] |= set(line)
    return around


def _told_as(kind: str, told: Iterable[tuple[int, Alarm]]) -> list[tuple[str, int]]:
    """Return where and when lines of a kind were told."""
    return [(_place(alarm), now_ms) for now_ms, alarm in told if alarm.kind == kind]


def _claims(told: Iterable[tuple[int, Alarm]]) -> list[Claim]:
    """Return each line once: of the time it speaks of, with when it was told first."""
    lines: dict[tuple[str, str, int], Claim] = {}
    for now_ms, alarm in told:
        if alarm.kind in _KINDS and "withdrawn" not in alarm.evidence:
            claim = Claim((_ANY,), _place(alarm), alarm.raised_ms, {_TOLD: now_ms})
            lines.setdefault(alarm[:3], claim)
    return [*lines.values()]


def _place(alarm: Alarm) -> str:
    return alarm.place.partition(":")[2]


def _size(seed: int) -> Size:
    return Size(seed, METERS, LANES)


def _whole(time_ms: float) -> int:
    return round(time_ms / _WHOLE_MS) * _WHOLE_MS


def _shuffled(kinds: Sequence[str], seed: int) -> list[str]:
    order = sorted(range(len(kinds)), key=lambda place: mix(seed, 82, place))
    return [kinds[place] for place in order]
