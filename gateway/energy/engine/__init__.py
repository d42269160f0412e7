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
from collections.abc import Callable, Sequence

import numpy as np

from gateway.energy.edits import EditBook
from gateway.energy.engine.amended import Amended
from gateway.energy.engine.bills.besides import Besides
from gateway.energy.engine.bills.daywork import DayWork
from gateway.energy.engine.bills.jobs import Jobs
from gateway.energy.engine.bills.publish import Publisher
from gateway.energy.engine.days.kin import kin_of, tellers
from gateway.energy.engine.days.pieces import GROUP, Piece, Pieces, of_mains
from gateway.energy.engine.days.sheets import Sheets
from gateway.energy.engine.findings.series import DOMAIN
from gateway.energy.engine.grid.roster import Roster, is_told
from gateway.energy.engine.house import House
from gateway.energy.engine.kept import Kept, from_bytes, to_bytes
from gateway.energy.engine.losses.desk import LossDesk, LossState
from gateway.energy.engine.network.look import Network
from gateway.energy.engine.news import News
from gateway.energy.engine.outages.hearing import NOTHING
from gateway.energy.engine.outages.interruptions import Interruptions
from gateway.energy.engine.outages.watching import Outages, Told
from gateway.energy.engine.policies import EnergyPolicies
from gateway.energy.outage import Facts
from gateway.ports import Alarm, Changes, Findings, Memo, Result
from gateway.stats import Stats
from gateway.store.derived import AlarmQuery

__all__ = ["EnergyEngine", "EnergyPolicies", "House", "is_told"]

BUDGET_S = 0.4  # of a step; the piece in hand is finished
SAVE_EVERY_MS = 30_000
_MOST_ALARMS = 10_000
_FOREVER_MS = 1 << 53


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
        self.restore(b"")

    def restore(self, state: bytes) -> None:
        """Go on from the state of the last findings that were written."""
        kept = from_bytes(state)
        house = self._house
        self._roster = Roster(house.registry, house.profiles)
        self._roster.gasping.update(kept.gasping if kept else ())
        if kept:
            self._roster.take(house.reader.devices(), kept.watch.timeline.now_ms, kept.order)
            for index, profile in kept.profile_of.items():
                self._roster.sends(np.array([index]), profile)
        self._pieces = Pieces(kept.waiting if kept else ())
        self._edits = EditBook(house.data_dir)
        self._edits_seen = kept.edits if kept else 0
        publisher = Publisher(house.derived, self._roster, self._policies, self._edits)
        sheets = Sheets(house.reader, house.profiles.__getitem__, self._policies)
        jobs = Jobs(
            sheets,
            house.derived,
            house.profiles.__getitem__,
            self._roster,
            self._policies,
            self._edits,
        )
        besides = Besides(house.derived, jobs, self._roster, self._policies)
        self._work = DayWork(jobs, publisher, house.derived, self._policies, besides)
        newest_ms = self._work.heard_ms
        newest_ms.update(kept.heard_ms if kept else {})
        self._news = News(house, self._policies, self._roster, self._pieces, newest_ms, sheets)
        losses = kept.losses if kept else LossState()
        self._losses = LossDesk(house, self._roster, self._policies, losses)
        self._amended = Amended(house, self._roster, self._policies)
        due = kept.network if kept else ()
        self._network = Network(house, self._roster, self._policies, due)
        self._day = kept.day if kept else 0
        self._restored = kept
        self._outages: Outages | None = None
        self._interruptions = Interruptions(self._roster)
        self._saved_ms = 0
        self._is_changed = True

    def step(self, changes: Changes, now_ms: int) -> Findings:
        """Take in what is new and work for about ``BUDGET_S``."""
        began_s = self._stopwatch()
        facts, is_new = self._news.take_in(changes, now_ms)
        is_new |= self._roster.moves(now_ms)
        if is_new and self._outages is not None:
            self._outages.regroup()
        outages = self._watch(now_ms)
        all_facts = Facts.joined([NOTHING, *facts])
        alarms: list[Alarm] = []
        told: list[Result] = []
        if self._news.to_read:  # who is not read yet is not silent
            outages.learn(self._news.to_read[0][0], all_facts)
        else:
            alarms = outages.feed(now_ms, all_facts)
            told, touched = self._interruptions.update(outages.interruptions(), now_ms)
            self._network.note_interruptions([line.from_ms for line in told], now_ms)
            self._note(touched, now_ms)
        self._note_what_else(now_ms)
        results, memos, alerts = self._work_on(began_s, now_ms)
        alarms += alerts
        if not memos:  # what looks at all groups reads what they have written
            found = self._losses.step(now_ms, {piece.day for piece in self._pieces.soon(now_ms)})
            seen = self._network.step(self._day, now_ms)
            alarms += [*found.alarms, *seen.alarms]
            results += [*found.results, *seen.results]
            memos += found.memos
        self._is_changed |= bool(facts or alarms or results)
        self._measure(began_s, now_ms)
        state = self._state_if_due(now_ms)
        memos += self._amended.memo(is_queue_kept=state is not None)
        return Findings(alarms, [*told, *results], state, memos)

    def _measure(self, began_s: float, now_ms: int) -> None:
        waiting = self._pieces.soon(now_ms)
        self._stats.gauge("infragate_analysis_pending", len(waiting), domain=DOMAIN)
        self._stats.observe("infragate_analysis_step_seconds", self._stopwatch() - began_s)

    # -- what follows from it --

    def _watch(self, now_ms: int) -> Outages:
        if self._outages is None:
            policy = self._policies.outage_at(now_ms)
            since_ms = now_ms - policy.horizon_h * 3_600_000
            query = AlarmQuery(since_ms, _FOREVER_MS)
            told = self._house.derived.alarms(DOMAIN, query, _MOST_ALARMS)
            state = self._restored.watch if self._restored else None
            if state is not None:
                heard = state.timeline.heard_since(self._house.started_ms)
                state = state._replace(timeline=heard)
            before = Told.before(one.alarm for one in told)
            self._outages = Outages(self._roster, policy, state, before)
            asked = Result("", "", since_ms, _FOREVER_MS, "")
            self._interruptions.recall(self._house.derived, asked)
            self._restored = None
        return self._outages

    def _note_what_else(self, now_ms: int) -> None:
        """Note the days that clock, people and registry touch."""
        self._turn_of_day(now_ms)
        self._note_edits(now_ms)
        self._note_amendments(now_ms)

    def _note(self, touched: Sequence[tuple[int, int, int]], now_ms: int) -> None:
        """Note the days of interruptions: a slot without power is no gap."""
        calendar = self._policies.calendar
        for index, begin_ms, end_ms in touched:
            profile = self._roster.profile_of.get(index)
            if profile in self._news.meters:
                first, last = calendar.day(np.array([begin_ms, min(end_ms, now_ms)])).tolist()
                days = range(first, last + 1)
                self._pieces.add([Piece(day, profile, index // GROUP) for day in days], now_ms)

    def _note_edits(self, now_ms: int) -> None:
        """Note the days of what people said since this life, or the one before it, last looked."""
        news = self._edits.news()
        known = {one.name: one.device_index for one in self._roster.watched} if news else {}
        for at, line in news:
            profiles = tellers(self._roster, known.get(line.device, -1))
            if at >= self._edits_seen and profiles:
                day = int(self._policies.calendar.day(np.array([line.slot_ms]))[0])
                index = np.array([known[line.device]])
                touched = {Piece(day, name, known[line.device] // GROUP) for name in profiles}
                touched |= of_mains(self._roster, index, np.array([day]))
                self._pieces.add(touched, now_ms, at_once=True)
                self._is_changed = True

    def _note_amendments(self, now_ms: int) -> None:
        """Note the days of which the registry says something else than in the life before."""
        again = self._amended.look(now_ms)
        self._is_changed |= self._pieces.add(again.pieces, now_ms, at_once=True)
        for day in again.days:
            self._network.note(day, self._day, now_ms, is_amended=True)
            if day < self._day:
                self._losses.note(day, now_ms, is_amended=True)

    def _turn_of_day(self, now_ms: int) -> None:
        """At midnight every group's day is closed, also of those that are silent."""
        today = int(self._policies.calendar.day(np.array([now_ms]))[0])
        if self._day and today != self._day:
            sends = self._roster.profile_of.items()
            groups = {(name, index // GROUP) for index, name in sends if name in self._news.worked}
            self._pieces.add([Piece(self._day, *group) for group in groups], now_ms)
            self._network.turn_of_day(self._day, now_ms)
        self._day = today

    def _work_on(self, began_s: float, now_ms: int) -> tuple[list[Result], list[Memo], list[Alarm]]:
        results: list[Result] = []
        memos: list[Memo] = []
        alarms: list[Alarm] = []
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
            self._pieces.add([piece] if outcome.again_ms else (), outcome.again_ms)
            done.add(piece[1:])
            done.update((name, piece.group) for name in kin_of(self._roster, piece.profile))
            results += outcome.results
            memos += outcome.memos
            alarms += outcome.alarms
            if outcome.memos:
                self._network.note(piece.day, self._day, now_ms)
            if outcome.memos and piece.day < self._day:
                self._losses.note(piece.day, now_ms)
        return results, memos, alarms

    def _state_if_due(self, now_ms: int) -> bytes | None:
        is_behind = self._news.is_behind
        if not self._is_changed or is_behind or self._is_early(now_ms) or self._outages is None:
            return None
        self._saved_ms, self._is_changed = now_ms, False
        kept = Kept(
            self._roster.order(),
            self._roster.profile_of,
            sorted(self._roster.gasping),
            self._work.heard_ms,
            self._pieces.waiting(),
            self._losses.state(),
            self._network.waiting(),
            self._day,
            self._edits.offset,
            self._outages.state(),
        )
        return to_bytes(kept)

    def _is_early(self, now_ms: int) -> bool:
        return 0 <= now_ms - self._saved_ms < SAVE_EVERY_MS
