"""Energy as an engine of the analyst: what came into the store becomes bills, alarms and lineage.

Theory of operation
    Every step takes in what is new: readings and events go to the outage watch as facts, and the
    local days that they touch are noted as *pieces* (a day of a group of meters). Then pieces are
    worked out, oldest day first, until half a second is over. A piece is a function of the store
    and of what other days left behind, so it does not matter how often it is done, or after which
    crash; a late reading makes its day, and those that lean on it, a piece again.

    State is written down twice a minute and not at every step: after a crash what came since
    comes again, and findings replace their like. Alarms that were told before a crash and are not
    found again are ended, not forgotten.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gateway.energy.engine.daywork import DayWork
from gateway.energy.engine.hearing import NOTHING, facts_of_events, facts_of_readings
from gateway.energy.engine.interruptions import Interruptions
from gateway.energy.engine.jobs import Jobs
from gateway.energy.engine.kept import Kept, from_bytes, to_bytes
from gateway.energy.engine.outages import Outages, Told
from gateway.energy.engine.pieces import GROUP, Piece, Pieces
from gateway.energy.engine.policies import EnergyPolicies
from gateway.energy.engine.publish import DOMAIN, Publisher
from gateway.energy.engine.roster import SECTOR, Roster, is_meter
from gateway.energy.outage import Facts
from gateway.model import Event, ReadingBatch
from gateway.ports import Alarm, Changes, Findings, Memo, Result
from gateway.profiles import Profile
from gateway.registry import Registry
from gateway.stats import Stats
from gateway.store import StoreReader
from gateway.store.derived import AlarmQuery, DerivedReader

__all__ = ["EnergyEngine", "EnergyPolicies", "House"]

BUDGET_S = 0.4  # of a step; the piece in hand is finished
SAVE_EVERY_MS = 30_000
CATCH_UP_MS = 6 * 3_600_000  # of readings in a step, where too much came at once
LAST_GASP = 99
_MOST_ALARMS = 10_000
_FOREVER_MS = 1 << 53


class House(NamedTuple):
    """Where the engine reads."""

    reader: StoreReader
    derived: DerivedReader
    profiles: Mapping[str, Profile]
    registry: Registry | None


class Unmet(NamedTuple):
    """What is visible already of devices that the next checkpoint will name: a second's worth."""

    readings: Sequence[ReadingBatch] = ()
    events: Sequence[Event] = ()

    @property
    def is_any(self) -> bool:
        """Return whether anything waits."""
        return bool(self.readings or self.events)


class EnergyEngine:
    """``ports.Engine`` of the energy sector.

    Args:
        house: store, results, profiles, registry.
        policies: limits, tariffs, holidays.
        stats: its own numbers.
        stopwatch: seconds, for the budget of a step.
    """

    domain = DOMAIN

    def __init__(
        self,
        house: House,
        policies: EnergyPolicies,
        stats: Stats,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._house, self._policies, self._stats = house, policies, stats
        self._stopwatch = stopwatch
        self._meters = {name for name, one in house.profiles.items() if is_meter(one)}
        self._heard = {
            name
            for name, one in house.profiles.items()
            if one.sector == SECTOR and one.shape == "series"
        }
        self.restore(b"")

    def restore(self, state: bytes) -> None:
        """Go on from the state of the last findings that were written."""
        kept = from_bytes(state)
        house = self._house
        self._roster = Roster(house.registry, house.profiles)
        self._roster.gasping.update(kept.gasping if kept else ())
        self._top = -1  # highest device index that the store has told a name of
        self._unmet = Unmet()
        if kept:
            self._roster.take(house.reader.devices(), kept.watch.timeline.now_ms, kept.order)
            for index, profile in kept.profile_of.items():
                self._roster.sends(np.array([index]), profile)
        self._pieces = Pieces(kept.waiting if kept else ())
        publisher = Publisher(house.derived, self._roster, self._policies)
        jobs = Jobs(
            house.reader,
            house.derived,
            house.profiles.__getitem__,
            self._roster,
            self._policies,
        )
        self._work = DayWork(jobs, publisher, house.derived, self._policies)
        self._work.heard_ms.update(kept.heard_ms if kept else {})
        self._day = kept.day if kept else 0
        self._restored = kept
        self._outages: Outages | None = None
        self._interruptions = Interruptions(self._roster)
        self._to_read: list[tuple[int, int]] = []  # times, for the watch; oldest first
        self._saved_ms = 0
        self._is_changed = True

    def step(self, changes: Changes, now_ms: int) -> Findings:
        """Take in what is new and work for about ``BUDGET_S``."""
        began_s = self._stopwatch()
        facts = self._take_in(changes, now_ms)
        outages = self._watch(now_ms)
        all_facts = Facts.joined([NOTHING, *facts])
        alarms: list[Alarm] = []
        told: list[Result] = []
        if self._to_read:  # who is not read yet is not silent
            outages.learn(self._to_read[0][0], all_facts)
        else:
            alarms = outages.feed(now_ms, all_facts)
            told, touched = self._interruptions.update(outages.interruptions(), now_ms)
            self._note(touched, now_ms)
        self._turn_of_day(now_ms)
        results, memos = self._work_on(began_s, now_ms)
        self._is_changed |= bool(facts or alarms or results)
        self._stats.gauge("infragate_analysis_pending", len(self._pieces), domain=DOMAIN)
        self._stats.observe("infragate_analysis_step_seconds", self._stopwatch() - began_s)
        return Findings(alarms, [*told, *results], self._state_if_due(now_ms), memos)

    # -- what is new --

    def _take_in(self, changes: Changes, now_ms: int) -> list[Facts]:
        """Note which days are touched; return the facts for the watch."""
        is_new = self._meet(changes, now_ms)
        ours = [b for b in (*self._unmet.readings, *(changes.readings or ())) if self._is_ours(b)]
        readings, events, self._unmet = _parted(
            ours, [*self._unmet.events, *changes.events], self._top
        )
        for batch in readings:
            is_new |= self._roster.sends(batch.device_index, batch.profile)
        for event in events:
            if event.code == LAST_GASP and event.device_index in self._roster.row_of:
                is_new |= self._roster.has_gasped(event.device_index)
        if is_new and self._outages is not None:
            self._outages.regroup()
        facts = [facts_of_events(events, self._roster)] if events else []
        if changes.readings is None:
            self._take_spans(changes.spans, now_ms)
        for batch in readings:
            self._take_batch(batch, now_ms)
            facts.append(self._facts(batch))
        return facts + self._catch_up()

    def _is_ours(self, batch: ReadingBatch) -> bool:
        return batch.profile in self._heard

    def _meet(self, changes: Changes, now_ms: int) -> bool:
        """Learn who there is; return whether anything is new."""
        house, is_new = self._house, False
        seen = [event.device_index for event in changes.events]
        seen += [int(batch.device_index.max(initial=-1)) for batch in changes.readings or ()]
        if self._unmet.is_any or changes.readings is None or max(seen, default=-1) > self._top:
            rows = house.reader.devices()
            is_new = self._roster.take(rows, now_ms)
            self._top = max((row.device_index for row in rows), default=-1)
        if changes.readings is None:
            for row in house.reader.latest():
                if row.profile in self._heard:
                    is_new |= self._roster.sends(np.array([row.device_index]), row.profile)
                    self._hear(row.device_index, row.time_ms)
        return is_new

    def _take_spans(self, spans: Mapping[str, Sequence[tuple[int, int]]], now_ms: int) -> None:
        """Note all meters for all days of the spans; read the newest time again for the watch."""
        calendar = self._policies.calendar
        horizon_ms = self._policies.outage_at(now_ms).horizon_h * 3_600_000
        top = max((one.device_index for one in self._roster.watched), default=-1)
        for profile in self._meters & spans.keys():
            groups = range(top // GROUP + 1)
            for low_ms, high_ms in spans[profile]:
                edges = calendar.day(np.array([low_ms - 1, high_ms]))
                days = range(int(edges[0]), int(edges[1]) + 1)
                pieces = [Piece(day, profile, group) for day in days for group in groups]
                self._pieces.add(pieces, now_ms, at_once=True)
        begins = range(now_ms - horizon_ms, now_ms, CATCH_UP_MS)
        self._to_read = [(at, min(at + CATCH_UP_MS, now_ms + 1)) for at in begins]

    def _take_batch(self, batch: ReadingBatch, now_ms: int) -> None:
        if batch.profile not in self._meters:
            return
        calendar = self._policies.calendar
        group = batch.device_index // GROUP
        # a reading at midnight ends one day and begins the next
        for time_ms in (batch.time_ms, batch.time_ms - 1):
            places = np.unique(np.stack([calendar.day(time_ms), group]), axis=1)
            touched = [Piece(day, batch.profile, of) for day, of in places.T.tolist()]
            self._pieces.add(touched, now_ms)
        order = np.argsort(batch.time_ms, kind="stable")
        newest = zip(batch.device_index[order].tolist(), batch.time_ms[order].tolist(), strict=True)
        for index, time_ms in dict(newest).items():
            self._hear(index, time_ms)

    def _hear(self, device_index: int, time_ms: int) -> None:
        heard_ms = self._work.heard_ms
        heard_ms[device_index] = max(heard_ms.get(device_index, 0), time_ms)

    def _catch_up(self) -> list[Facts]:
        if not self._to_read:
            return []
        span, everybody = self._to_read.pop(0), (0, _FOREVER_MS)
        rows_of = self._house.reader.rows_of
        return [
            self._facts(page)
            for profile in sorted(self._heard)
            for page in rows_of(profile, everybody, *span)
            if len(page)
        ]

    def _facts(self, batch: ReadingBatch) -> Facts:
        nominal_v = self._policies.vee_at(int(batch.time_ms[0])).meter.nominal_v
        profile = self._house.profiles[batch.profile]
        return facts_of_readings(batch, profile, self._roster, nominal_v)

    # -- what follows from it --

    def _watch(self, now_ms: int) -> Outages:
        if self._outages is None:
            policy = self._policies.outage_at(now_ms)
            since_ms = now_ms - policy.horizon_h * 3_600_000
            query = AlarmQuery(since_ms, _FOREVER_MS)
            told = self._house.derived.alarms(DOMAIN, query, _MOST_ALARMS)
            state = self._restored.watch if self._restored else None
            before = Told.before(one.alarm for one in told)
            self._outages = Outages(self._roster, policy, state, before)
            asked = Result("", "", since_ms, _FOREVER_MS, "")
            self._interruptions.recall(self._house.derived, asked)
            self._restored = None
        return self._outages

    def _note(self, touched: Sequence[tuple[int, int, int]], now_ms: int) -> None:
        """Note the days of interruptions: a slot without power is no gap."""
        calendar = self._policies.calendar
        for index, begin_ms, end_ms in touched:
            profile = self._roster.profile_of.get(index)
            if profile in self._meters:
                first, last = calendar.day(np.array([begin_ms, min(end_ms, now_ms)])).tolist()
                days = range(first, last + 1)
                self._pieces.add([Piece(day, profile, index // GROUP) for day in days], now_ms)

    def _turn_of_day(self, now_ms: int) -> None:
        """At midnight every group's day is closed, also of those that are silent."""
        today = int(self._policies.calendar.day(np.array([now_ms]))[0])
        if self._day and today != self._day:
            sends = self._roster.profile_of.items()
            groups = {(name, index // GROUP) for index, name in sends if name in self._meters}
            self._pieces.add([Piece(self._day, *group) for group in groups], now_ms)
        self._day = today

    def _work_on(self, began_s: float, now_ms: int) -> tuple[list[Result], list[Memo]]:
        results: list[Result] = []
        memos: list[Memo] = []
        done: set[tuple[str, int]] = set()
        while self._stopwatch() - began_s < BUDGET_S:
            # what a group's earlier day left is not written yet: its next day waits for that
            piece = self._pieces.next(now_ms, done)
            if piece is None:
                break
            before_s = self._stopwatch()
            outcome = self._work.do(piece, now_ms)
            cost_ms = round((self._stopwatch() - before_s) * 1000)
            self._pieces.done(piece, cost_ms)
            self._pieces.add(outcome.touched, now_ms)
            done.add(piece[1:])
            results += outcome.results
            memos += outcome.memos
        return results, memos

    def _state_if_due(self, now_ms: int) -> bytes | None:
        is_behind = bool(self._to_read) or self._unmet.is_any
        if not self._is_changed or is_behind or self._is_early(now_ms) or self._outages is None:
            return None
        self._saved_ms, self._is_changed = now_ms, False
        kept = Kept(
            self._roster.order(),
            self._roster.profile_of,
            sorted(self._roster.gasping),
            self._work.heard_ms,
            self._pieces.waiting(),
            self._day,
            self._outages.state(),
        )
        return to_bytes(kept)

    def _is_early(self, now_ms: int) -> bool:
        return 0 <= now_ms - self._saved_ms < SAVE_EVERY_MS


def _parted(
    readings: Sequence[ReadingBatch], events: Sequence[Event], top: int
) -> tuple[list[ReadingBatch], list[Event], Unmet]:
    """Return what is of devices with a name, and what must wait for the next checkpoint."""
    met = [batch.take(batch.device_index <= top) for batch in readings]
    unmet = [batch.take(batch.device_index > top) for batch in readings]
    return (
        [batch for batch in met if len(batch)],
        [event for event in events if event.device_index <= top],
        Unmet(
            [batch for batch in unmet if len(batch)],
            [event for event in events if event.device_index > top],
        ),
    )
