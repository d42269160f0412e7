"""Transport as an engine of the analyst: what detectors say becomes states, alarms, series.

Theory of operation
    Rows go into the interval that they measured. An interval that is closed is worked out at
    once: who is believed, what stands in the way, how the traffic is (``live``). The states of the
    last twenty minutes are kept, so a row that comes late makes the intervals from its own on
    anew; what was found there and is no more is withdrawn.

    Quarters of an hour are worked out from the store, a while after they are over and again
    whenever a row of theirs comes, however late (``quarters``): these are the series that stay.

    State is written down every five minutes and not at every step: after a crash what came since
    comes again, and findings replace their like.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np

from gateway.model import ReadingBatch
from gateway.ports import Alarm, Changes, Findings, Memo, Result
from gateway.stats import Stats
from gateway.store.derived import AlarmQuery
from gateway.transport.engine.advising import advice_alarms
from gateway.transport.engine.alarms import ALARMS_MS, DOMAIN, AlarmBook
from gateway.transport.engine.assetwork import AssetWork
from gateway.transport.engine.backlog import backlog_of
from gateway.transport.engine.feed import Feed
from gateway.transport.engine.house import House
from gateway.transport.engine.kept import Kept, Moves, moved, pack, slim, unpack
from gateway.transport.engine.live import HISTORY_MS, Live, LiveState, Step
from gateway.transport.engine.news import News
from gateway.transport.engine.policies import TransportPolicies
from gateway.transport.engine.publish import Publisher
from gateway.transport.engine.reasons import Reasons
from gateway.transport.engine.remembered import memos_of, recalled
from gateway.transport.engine.roadside import PROFILES as ROADSIDE
from gateway.transport.engine.roadside import Roadside
from gateway.transport.engine.roadwords import Words
from gateway.transport.engine.roster import LANES, Roster
from gateway.transport.engine.telling import KINDS, health_alarms, incident_alarms

__all__ = ["House", "TransportEngine", "TransportPolicies"]

BUDGET_S = 0.4  # of a step; the interval in hand is finished
SAVE_EVERY_MS = 300_000
GAP_MS = 180_000  # so long without a row of anybody is our own silence, and not the detectors'
_MOST_ALARMS = 20_000
_FOREVER_MS = 1 << 53


class TransportEngine:
    """``ports.Engine`` of the transport sector.

    Args:
        house: store, results, profiles, registry.
        policies: limits of all rooms.
        stats: its own numbers.
        stopwatch: seconds, for the budget of a step.
    """

    domain = DOMAIN

    def __init__(
        self,
        house: House,
        policies: TransportPolicies,
        stats: Stats,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._house, self._policies, self._stats = house, policies, stats
        self._stopwatch = stopwatch
        self.restore(b"")

    def restore(self, state: bytes) -> None:
        """Go on from the state of the last findings that were written."""
        kept, house = unpack(state), self._house
        profile = house.profiles[LANES]
        self._roster = Roster(house.registry, house.profiles)
        raster_ms = kept.raster_ms if kept else profile.interval_s * 1000
        self._feed = Feed(house.reader, profile, raster_ms)
        self._news = News(house.reader, self._roster)
        self._kept = kept  # taken up by the first step, which knows the time
        self._live: Live | None = None
        self._book: AlarmBook | None = None
        self._publisher = Publisher(house.derived)
        self._reasons, self._assets = Reasons(house), AssetWork(house.registry)
        offset_min = self._policies.offset_min
        self._backlog = backlog_of(house, profile, self._publisher, kept, offset_min)
        self._memos: list[Memo] = []
        self._saved_ms = 0
        self._is_changed = False

    def step(self, changes: Changes, now_ms: int) -> Findings:
        """Take in what is new and work for about ``BUDGET_S``."""
        began_s = self._stopwatch()
        if self._book is None:
            self._take_up(now_ms)
        late_ms = self._take_in(changes, now_ms)
        if late_ms:
            self._go_back(late_ms)
        alarms = self._close(began_s, now_ms)
        results = self._publish(now_ms) if alarms is not None else []
        beside = self._roadside.step(now_ms, lambda: self._stopwatch() - began_s < BUDGET_S)
        results += beside.results + self._work_on(began_s, now_ms)
        self._is_changed |= alarms is not None
        self._stats.gauge("infragate_analysis_pending", len(self._backlog.waiting), domain=DOMAIN)
        self._stats.observe("infragate_analysis_step_seconds", self._stopwatch() - began_s)
        memos, self._memos = self._memos, []
        told = [*(alarms or ()), *beside.alarms]
        return Findings(told, results, self._state_if_due(now_ms), memos)

    # -- who there is --

    def _take_up(self, now_ms: int) -> None:
        """Go on where the life before was, as far as it was written down."""
        kept, house = self._kept, self._house
        query = AlarmQuery(now_ms - ALARMS_MS, _FOREVER_MS)
        told = house.derived.alarms(DOMAIN, query, _MOST_ALARMS)
        self._book = AlarmBook(one.alarm for one in told if one.alarm.kind in KINDS)
        self._news.learn_names()
        others = [one.alarm for one in told if one.alarm.kind not in KINDS]
        words = Words(self._roster, house.registry)
        self._roadside = Roadside(house, self._policies, words, others)
        self._roadside.begin(now_ms, kept.hours if kept else ())
        for name, senders in (kept.senders if kept else {}).items():
            self._roster.sends(np.array(senders, np.int64), name)
        if kept is None or kept.live is None:
            return
        self._build(now_ms)
        self._place(self._feed.again(kept.live.next_ms - HISTORY_MS, now_ms), now_ms)

    def _build(self, now_ms: int) -> None:
        """Make the road anew; what is known of its lanes stays."""
        road = self._roster.road(now_ms)
        before, kept = self._live, self._kept
        live = Live(road, self._policies, self._feed.slots.raster_ms)
        state = before.behind(before.shown) if before is not None else None
        if before is not None and state is not None:
            names = list(before.road.devices), list(before.road.stations)
        elif kept is not None and kept.live is not None:
            names, state = (kept.devices, kept.stations), kept.live
        else:
            names = [], []
        if state is not None:
            live.start(state.next_ms)
            assert live.state is not None  # noqa: S101  # started
            is_same = names == (list(road.devices), list(road.stations))
            moves = Moves.between(*names, road)
            state = slim(state) if is_same else moved(slim(state), slim(live.state), moves)
            live.state = recalled(self._house.derived, state, road)
            self._doubt(state.next_ms, before.state if before is not None else None)
        self._backlog.nights.book.drop()
        self._live, self._kept = live, None
        self._feed.slots.adopt(road)
        self._publisher.adopt(road)
        self._reasons.adopt(road, now_ms)

    def _doubt(self, from_ms: int, last: LiveState | None) -> None:
        """What was found since may be no more, until as much is worked out again."""
        assert self._book is not None  # noqa: S101  # taken up
        self._book.doubt(from_ms, from_ms if last is None else last.next_ms)

    # -- what came --

    def _take_in(self, changes: Changes, now_ms: int) -> int:
        """Put rows into their intervals; return the first one that was closed before, else 0."""
        met, is_new = self._news.take(changes)
        if changes.readings is None:
            self._catch_up(changes, now_ms)
        if is_new or (self._live is None and len(self._roster.senders(LANES))):
            self._build(now_ms)
        for one in met:
            if one.profile in ROADSIDE:
                self._roadside.take(one, now_ms)
        lanes = [one for one in met if one.profile == LANES]
        if self._feed.hear(lanes, self._roster.senders(LANES)):
            self._live = self._kept = None
            self._build(now_ms)
            self._place(self._feed.again(now_ms - HISTORY_MS, now_ms), now_ms)
        return self._place(lanes, now_ms)

    def _place(self, batches: Sequence[ReadingBatch], now_ms: int) -> int:
        return self._feed.place(batches, self._live, self._backlog.waiting, now_ms)

    def _catch_up(self, changes: Changes, now_ms: int) -> None:
        """Read the newest time again: too much came at once to be handed over."""
        newest = [high for _, high in changes.spans.get(LANES, ())]
        for low_ms, high_ms in changes.spans.get(LANES, ()):
            self._backlog.waiting.note_span(low_ms, high_ms, now_ms)
        if not newest:
            return
        self._build(now_ms)
        until_ms = min(max(newest), now_ms)
        self._place(self._feed.again(until_ms - HISTORY_MS, now_ms), now_ms)

    # -- what follows from it --

    def _go_back(self, begin_ms: int) -> None:
        """Work out intervals again, where that is still possible; their series are in any case."""
        live, book = self._live, self._book
        assert live is not None  # noqa: S101  # it closed the interval
        assert live.state is not None  # noqa: S101
        assert book is not None  # noqa: S101
        until_ms = live.state.next_ms
        if live.rewind(begin_ms):
            book.doubt(live.state.next_ms, until_ms)

    def _close(self, began_s: float, now_ms: int) -> list[Alarm] | None:
        """Work out what is closed; return what is new, None where no interval was."""
        live, found = self._live, None
        while live is not None and live.state is not None:
            begin_ms = live.state.next_ms
            following_ms = self._feed.slots.following(begin_ms)
            if following_ms > begin_ms + GAP_MS:
                live.start(following_ms)
                continue
            if not self._feed.slots.is_closed(begin_ms, now_ms):
                break
            found = [*(found or []), *self._tell(live.run(self._feed.slots.window(begin_ms)))]
            if self._stopwatch() - began_s > BUDGET_S:
                break
        if found is not None and live is not None and live.state is not None:
            self._feed.slots.forget(live.state.next_ms)
            assert self._book is not None  # noqa: S101  # taken up
            found += self._reasons.explain(live, self._book, now_ms)
        return found

    def _tell(self, step: Step) -> list[Alarm]:
        live, book = self._live, self._book
        assert live is not None  # noqa: S101  # it made the step
        assert live.state is not None  # noqa: S101
        assert book is not None  # noqa: S101
        began_ms, raster_ms = live.state.began_ms, self._feed.slots.raster_ms
        is_ours = self._feed.is_watched(live.road.device_index)
        # who measures at another interval is not watched, only summed up
        changes = [one for one in step.health if is_ours[one.lane]]
        alarms = health_alarms(changes, live.road)
        alarms += incident_alarms(step.incidents, live.road, began_ms, raster_ms)
        alarms += advice_alarms(live, book.open(), step.end_ms)
        self._memos += memos_of(live.behind(1), live.state, live.road)
        fresh = book.tell(alarms, step.end_ms)
        self._backlog.waiting.note_faults(fresh, step.end_ms)
        return fresh

    def _publish(self, now_ms: int) -> list[Result]:
        """Tell how traffic is; while intervals wait, only the newest would be of interest."""
        live = self._live
        if live is None or live.state is None:
            return []
        if self._feed.slots.is_closed(live.state.next_ms, now_ms):
            return []
        assert self._book is not None  # noqa: S101  # taken up
        books = self._book, self._roadside.book
        return [*self._publisher.live(live), *self._assets.lines(live, books, now_ms)]

    def _work_on(self, began_s: float, now_ms: int) -> list[Result]:
        """Work out quarters of an hour while there is time."""
        live, book = self._live, self._book
        assert book is not None  # noqa: S101  # taken up
        if live is None:
            return []
        worked = self._backlog.run(
            live, book, now_ms, lambda: self._stopwatch() - began_s < BUDGET_S
        )
        self._memos += worked.memos
        self._is_changed |= bool(worked.results)
        return worked.results

    def _state_if_due(self, now_ms: int) -> bytes | None:
        live = self._live
        if not self._is_changed or live is None or self._news.unmet:
            return None
        if 0 <= now_ms - self._saved_ms < SAVE_EVERY_MS:
            return None
        self._saved_ms, self._is_changed = now_ms, False
        return pack(
            Kept(
                0,
                self._roster.lists(),
                list(live.road.devices),
                list(live.road.stations),
                live.behind(live.shown),
                self._feed.slots.raster_ms,
                self._backlog.waiting.all(),
                self._roadside.waiting(),
                self._backlog.nights.learned_day,
            )
        )
