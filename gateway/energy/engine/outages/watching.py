"""The outage watch with a memory of what operators were told.

What the watch says of the present may change with late facts: an outage began earlier, was one of
the whole feeder, or never was. A line that has been told is never taken back silently: it goes on
under its name, or it is ended with a word why.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import numpy as np

from gateway.energy.engine.findings.alarmbook import ended
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.outage import (
    NEVER_MS,
    Cause,
    Facts,
    Interruption,
    Level,
    OutagePolicy,
    OutageWatch,
    WatchState,
)
from gateway.energy.outage import Alarm as Outage
from gateway.ports import Alarm

MOST_NAMED = 50  # devices in the evidence of an alarm
_NAMES = {
    Level.SERVICE: ("device", "service_outage"),
    Level.TRANSFORMER: ("transformer", "transformer_outage"),
    Level.FEEDER: ("feeder", "feeder_outage"),
    Level.SUBSTATION: ("substation", "substation_outage"),
    Level.UPLINK: ("uplink", "comms_outage"),
}
PARTIAL, COMMS = "partial_outage", "comms_outage"
KINDS = frozenset({*(kind for _, kind in _NAMES.values()), PARTIAL, COMMS})
_SEVERITY = {"service_outage": 2, PARTIAL: 2, COMMS: 1, "transformer_outage": 3}
_NOTE, _MOST_SEVERE = 1, 4
Key = tuple[str, str, int]


class Told(NamedTuple):
    """Alarms as they were told, by the id under which the watch knows them."""

    ids: dict[str, Alarm]

    @classmethod
    def before(cls, alarms: Iterable[Alarm]) -> "Told":
        """Return what an earlier life has told; the watch will find most of it again."""
        return cls({f"before {n}": alarm for n, alarm in enumerate(alarms) if alarm.kind in KINDS})


class Outages:
    """Watches one roster.

    Args:
        roster: the devices; ``regroup`` after it changed.
        policy: thresholds.
        state: of the watch of an earlier life, with the rows of the roster or fewer.
        told: what operators have been told.
    """

    def __init__(
        self, roster: Roster, policy: OutagePolicy, state: WatchState | None, told: Told
    ) -> None:
        self._roster, self._policy, self._told = roster, policy, dict(told.ids)
        self._watch = OutageWatch(roster.topology(), policy, grown(state, len(roster.watched)))

    def regroup(self) -> None:
        """Take the roster as it is now."""
        state = grown(self._watch.state(), len(self._roster.watched))
        self._watch = OutageWatch(self._roster.topology(), self._policy, state)

    def state(self) -> WatchState:
        """Return what to give to the next one."""
        return self._watch.state()

    def interruptions(self) -> list[Interruption]:
        """Return whose power was gone, as far as the horizon goes."""
        return self._watch.interruptions()

    def learn(self, now_ms: int, facts: Facts) -> None:
        """Take facts in of a past that is still being read, and say nothing yet."""
        self._watch.feed(now_ms, facts)

    def feed(self, now_ms: int, facts: Facts) -> list[Alarm]:
        """Take facts in; return the alarms that are new or have changed."""
        self._watch.feed(now_ms, facts)
        lines: list[Alarm] = []
        stand = {outage.id: outage for outage in self._watch.alarms}
        by_key = {_key(alarm): name for name, alarm in self._told.items() if name not in stand}
        for name, outage in stand.items():
            line = self._line(outage, now_ms)
            known = self._told.get(name) or self._adopt(by_key.get(_key(line)))
            if known is not None and known[:2] != line[:2]:
                lines.append(ended(known, now_ms, f"now {line.kind} of {line.place}"))
                known = None
            if known is not None:  # it keeps its beginning, by which it is known
                line = line._replace(raised_ms=known.raised_ms, found_ms=known.found_ms)
            if line != known:
                lines.append(line)
            self._told[name] = line
        lines += self._forget(stand.keys(), now_ms)
        # one line under one key: what is told last holds, and the end of one never hides another
        return [*{_key(line): line for line in sorted(lines, key=_ended_first)}.values()]

    def _adopt(self, name: str | None) -> Alarm | None:
        return None if name is None else self._told.pop(name, None)

    def _forget(self, standing: Iterable[str], now_ms: int) -> list[Alarm]:
        """End what does not stand any more; what is older than the horizon is over anyway."""
        lines = []
        standing = set(standing)
        told_again = {_key(self._told[name]) for name in standing if name in self._told}
        oldest_ms = now_ms - self._policy.horizon_h * 3_600_000
        for name in [name for name in self._told if name not in standing]:
            alarm = self._told.pop(name)
            is_over = alarm.cleared_ms and alarm.cleared_ms <= oldest_ms
            if not is_over and _key(alarm) not in told_again:
                lines.append(ended(alarm, now_ms, "later facts say that it was not"))
        return lines

    def _line(self, outage: Outage, now_ms: int) -> Alarm:
        level, kind = _NAMES[outage.level]
        if outage.cause is Cause.COMMS:
            kind = COMMS
        elif outage.is_partial:
            kind = PARTIAL
        names = [self._roster.watched[row].name for row in outage.rows[:MOST_NAMED]]
        evidence: dict[str, object] = {
            "devices": len(outage.rows),
            "available": outage.available,
            "score_nats": round(outage.score, 2),
            "facts": {one.name: [one.times, round(one.weight, 2)] for one in outage.evidence},
            "names": names,
        }
        if outage.parent:
            evidence["left_behind_by"] = outage.parent
        severity = _SEVERITY.get(kind, _MOST_SEVERE)
        if self._is_momentary(outage):  # for the record, of MAIFI: nobody need drive out
            evidence["is_momentary"], severity = True, _NOTE
        return Alarm(
            kind,
            f"{level}:{self._name(outage)}",
            outage.begin_ms,
            now_ms,
            0 if outage.end_ms == NEVER_MS else outage.end_ms,
            severity,
            round(1 / (1 + math.exp(-min(abs(outage.score), 50.0))), 4),
            msgspec.json.encode(evidence).decode(),
        )

    def _is_momentary(self, outage: Outage) -> bool:
        """Return whether the power came back by itself, as behind a recloser."""
        length_ms = outage.end_ms - outage.begin_ms
        return outage.cause is Cause.POWER and length_ms <= self._policy.momentary_max_s * 1000

    def _name(self, outage: Outage) -> str:
        roster = self._roster
        if outage.level is Level.SERVICE:
            return roster.watched[outage.node].name
        of_level = {
            Level.TRANSFORMER: roster.transformers,
            Level.FEEDER: roster.feeders,
            Level.SUBSTATION: roster.substations,
            Level.UPLINK: roster.uplinks,
        }
        return of_level[outage.level].names[outage.node]


def grown(state: WatchState | None, rows: int) -> WatchState | None:
    """Return a state with as many rows as there are devices now."""
    if state is None:
        return None
    timeline = state.timeline
    missing = np.full(rows - len(timeline.first_ms), -1, np.int64)
    columns = (timeline.first_ms, timeline.last_ms, timeline.alive_ms)
    first, last, alive = (np.concatenate([column, missing]) for column in columns)
    grown_timeline = timeline._replace(first_ms=first, last_ms=last, alive_ms=alive)
    return state._replace(timeline=grown_timeline)


def _key(alarm: Alarm) -> Key:
    return alarm.kind, alarm.place, alarm.raised_ms


def _ended_first(alarm: Alarm) -> tuple[bool, int]:
    return "withdrawn" not in alarm.evidence, alarm.raised_ms
