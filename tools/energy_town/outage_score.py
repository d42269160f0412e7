"""Plays faults to the outage watch and counts what it got right."""

from dataclasses import dataclass, field

from gateway.energy.outage import Alarm, Cause, FactKind, OutagePolicy, OutageWatch
from tools.energy_town.outages import START_MS, Fault, Heard, Town, as_facts
from tools.plays import Counts

_STEP_MS = 5000
_NEAR_MS = 150_000
_AT_ONCE_MS = 30_000  # sooner than any connection is missed
_WORDS = frozenset({FactKind.LAST_GASP, FactKind.PHASE_OUT})


@dataclass
class OutageScore(Counts):
    """Counts over seeds."""

    power: int = 0
    level_right: int = 0
    missed: int = 0
    links: int = 0
    links_as_power: int = 0
    power_as_link: int = 0
    false_power: int = 0
    delays_s: list[float] = field(default_factory=list)
    spoken_of_s: list[float] = field(default_factory=list)  # … where a device had a word at once
    wrong: list[tuple[Fault, list[Alarm]]] = field(default_factory=list)


def play(town: Town, heard: list[Heard], policy: OutagePolicy) -> tuple[OutageWatch, list[Alarm]]:
    """Feed in steps of seconds; return the watch and every alarm as first raised.

    The raised alarms bear the time of raising in ``end_ms``.
    """
    watch = OutageWatch(town.topology, policy)
    raised: list[Alarm] = []
    place, now = 0, START_MS - 2 * 3_600_000
    while place < len(heard):
        now = max(now + _STEP_MS, heard[place].at_ms - _STEP_MS)  # quiet hours pass at once
        upto = place
        while upto < len(heard) and heard[upto].at_ms <= now:
            upto += 1
        changes = watch.feed(now, as_facts(heard[place:upto]))
        raised += [c.alarm._replace(end_ms=now) for c in changes if c.what == "raised"]
        place = upto
    return watch, raised


def score(seed: int, policy: OutagePolicy, hours: int, count: int, total: OutageScore) -> None:
    """Add one town to the score; delays are of faults that last longer than a minute."""
    town = Town(seed)
    faults = town.faults(hours, count)
    heard = town.heard(faults, hours)
    watch, raised = play(town, heard, policy)
    explained: set[str] = set()
    for fault in faults:
        near = [a for a in watch.alarms if _concerns(a, fault)]
        explained |= {a.id for a in near}
        spoken = [a for a in raised if _concerns(a, fault)]
        if fault.is_power:
            times = _power(fault, near, spoken, total)
            total.delays_s += times
            total.spoken_of_s += times if _has_word(fault, heard) else []
        else:
            _link(fault, near, spoken, total)
    stray = (a for a in watch.alarms if a.cause is Cause.POWER and a.id not in explained)
    total.false_power += sum(1 for _ in stray)


def _concerns(alarm: Alarm, fault: Fault) -> bool:
    is_near = fault.begin_ms - _NEAR_MS - 1_800_000 <= alarm.begin_ms <= fault.end_ms + _NEAR_MS
    return is_near and not fault.rows.isdisjoint(alarm.rows)


def _has_word(fault: Fault, heard: list[Heard]) -> bool:
    """Return whether a device told of it before anybody could miss it."""
    return any(
        one.row in fault.rows
        and one.kind in _WORDS
        and fault.begin_ms <= one.at_ms <= fault.begin_ms + _AT_ONCE_MS
        for one in heard
    )


def _power(fault: Fault, near: list[Alarm], spoken: list[Alarm], total: OutageScore) -> list[float]:
    """Count an outage; return after how many seconds it was told, if it was."""
    total.power += 1
    found = [a for a in near if a.cause is Cause.POWER and not a.parent]
    total.missed += not found
    total.power_as_link += not found and bool(near)
    right = len(found) == 1 and found[0].level is fault.level
    right &= not found or found[0].is_partial is (fault.kind == "phase")
    total.level_right += right
    if not right:
        total.wrong.append((fault, near))
    times = [a.end_ms - fault.begin_ms for a in spoken if a.cause is Cause.POWER]
    return [min(times) / 1000] if times else []


def _link(fault: Fault, near: list[Alarm], spoken: list[Alarm], total: OutageScore) -> None:
    total.links += 1
    if any(a.cause is Cause.POWER for a in near + spoken):
        total.links_as_power += 1
        total.wrong.append((fault, near))
