"""The facts of all devices as sets: spans of readings, marks of events.

So the order of arrival cannot matter.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gateway.energy.outage.facts import NEVER_MS, FactKind, Facts, Topology, is_power_down
from gateway.energy.outage.life import DOWN, PROOFS, Episode, Life, Mark, Span
from gateway.energy.outage.policy import OutagePolicy
from gateway.model import BoolArray, IntArray

_NONE = -1
_JOIN = 1.5  # readings up to so many intervals apart are one span
# of a device; the oldest go first
MAX_MARKS = 128
MAX_SPANS = 2048  # more than half of the minutes of two days, arriving in the worst order
MAX_DEAF = 256  # a gateway in a crash loop would note without end
_PRUNE_MS = 6 * 3_600_000


class TimelineState(NamedTuple):
    """What is kept over a restart."""

    now_ms: int
    first_ms: IntArray
    last_ms: IntArray
    alive_ms: IntArray
    older: dict[int, list[Span]]
    marks: dict[int, list[Mark]]
    deaf: tuple[Span, ...] = ()  # when nobody listened: that a device was silent then says nothing

    def heard_since(self, started_ms: int) -> "TimelineState":
        """Return it with the knowledge that nobody listened between its moment and a start."""
        if started_ms <= self.now_ms:
            return self
        deaf = (*self.deaf, (self.now_ms, started_ms))
        return self._replace(deaf=deaf[-MAX_DEAF:])


class Timeline:
    """The facts of all devices within the horizon, and their episodes."""

    def __init__(
        self, topology: Topology, policy: OutagePolicy, state: TimelineState | None = None
    ) -> None:
        rows = len(topology.device_index)
        self._interval_ms = topology.interval_ms
        self._policy = policy
        silence = policy.silence_intervals * topology.interval_ms + policy.silence_grace_s * 1000
        self._allowed_ms = silence.astype(np.int64)
        if state is None:
            blank = (np.full(rows, _NONE), np.full(rows, _NONE), np.full(rows, _NONE))
            state = TimelineState(0, *blank, {}, {})
        self._now_ms, self._pruned_ms = state.now_ms, 0
        self._first, self._last = state.first_ms.copy(), state.last_ms.copy()
        self.alive_ms = state.alive_ms.copy()
        self._older = {row: list(spans) for row, spans in state.older.items()}
        self._marks = {row: set(marks) for row, marks in state.marks.items()}
        self._deaf = state.deaf
        self._newest_mark = np.full(rows, _NONE)
        for row, marks in self._marks.items():
            self._newest_mark[row] = max(marks)[0]
        self._flat: IntArray | None = None  # ``_older`` as columns row, first, last
        self.episodes: dict[int, tuple[Episode, ...]] = {}
        self._open: set[int] = set()  # devices with an episode that lasts
        silent = np.flatnonzero((self.alive_ms != _NONE) & (self._due_ms() < self._now_ms))
        self._refresh({*self._older, *self._marks, *silent.tolist()}, self._now_ms)

    @property
    def now_ms(self) -> int:
        """Return the moment up to which silence is judged."""
        return self._now_ms

    def state(self) -> TimelineState:
        """Return what to give to the next one."""
        marks = {row: sorted(marks) for row, marks in self._marks.items()}
        older = {row: list(spans) for row, spans in self._older.items()}
        columns = (self._first.copy(), self._last.copy(), self.alive_ms.copy())
        return TimelineState(self._now_ms, *columns, older, marks, self._deaf)

    def add(self, now_ms: int, facts: Facts) -> set[int]:
        """Take facts in; return the devices whose episodes may have changed."""
        oldest = now_ms - self._policy.horizon_h * 3_600_000
        facts = facts.take(facts.time_ms >= oldest)
        is_reading = facts.kind == int(FactKind.READING)
        is_low = is_reading & (facts.voltage_pu < self._policy.collapse_pu)
        is_down = is_reading & is_power_down(facts.status)
        # a stored reading with the bit was taken on the battery; a live one came over the mains
        is_proof = is_reading & ~is_low & ~(is_down & facts.is_backlog)
        touched = self._add_readings(facts.row[is_proof], facts.time_ms[is_proof])
        touched |= self._add_marks(facts, is_down, DOWN)
        touched |= self._add_marks(facts, is_low, int(FactKind.PHASE_OUT))
        touched |= self._add_marks(facts, ~is_reading, None)
        is_alive = is_proof | is_low | np.isin(facts.kind, list(PROOFS))
        np.maximum.at(self.alive_ms, facts.row[is_alive], facts.time_ms[is_alive])
        touched |= set(np.flatnonzero(self._is_silent(now_ms)).tolist())
        self._prune(oldest)
        return self._refresh(touched, now_ms)

    def is_heard(self, after_ms: int) -> BoolArray:
        """Return who took a reading within two of its intervals after this moment.

        No later: what we say of an outage must not change with what is heard weeks after it.
        """
        until_ms = after_ms + 2 * self._interval_ms
        heard: BoolArray = (self._last > after_ms) & (self._first <= until_ms)
        if self._flat is None:
            flat = [(row, *span) for row, spans in self._older.items() for span in spans]
            self._flat = np.array(flat, np.int64).reshape(-1, 3)
        row, first, last = self._flat.T
        heard[row[(last > after_ms) & (first <= until_ms[row])]] = True
        return heard

    def _is_silent(self, now_ms: int) -> BoolArray:
        """Return whose silence has become long enough since the last time."""
        was, self._now_ms = self._now_ms, now_ms
        due = self._due_ms()
        silent: BoolArray = (self.alive_ms != _NONE) & (due < now_ms) & (due >= was)
        return silent

    def _due_ms(self) -> IntArray:
        """Return when the silence of each device becomes one that counts."""
        due: IntArray = self.alive_ms + self._allowed_ms
        for begin_ms, end_ms in self._deaf:
            is_cut = (self.alive_ms < end_ms) & (due > begin_ms)
            due = np.where(is_cut, due + end_ms - np.maximum(self.alive_ms, begin_ms), due)
        return due

    def _add_marks(self, facts: Facts, chosen: BoolArray, kind: int | None) -> set[int]:
        rows = facts.row[chosen].tolist()
        kinds = facts.kind[chosen].tolist() if kind is None else [kind] * len(rows)
        for row, what, time_ms in zip(rows, kinds, facts.time_ms[chosen].tolist(), strict=True):
            marks = self._marks.setdefault(row, set())
            marks.add((time_ms, what))
            self._newest_mark[row] = max(self._newest_mark[row], time_ms)
            if len(marks) > MAX_MARKS:
                marks.remove(min(marks))
        return set(rows)

    def _add_readings(self, rows: IntArray, times: IntArray) -> set[int]:
        """Take readings in, one of each device at a time; most prolong the newest span."""
        order = np.lexsort((times, rows))
        rows, times = rows[order], times[order]
        # a reading may end what is open; of other devices only one out of line matters
        touched = self._open & set(rows.tolist()) if self._open else set()
        while rows.size:
            is_first = np.ones(rows.size, np.bool_)
            is_first[1:] = rows[1:] != rows[:-1]
            touched |= self._add_one_each(rows[is_first], times[is_first])
            rows, times = rows[~is_first], times[~is_first]
        return touched

    def _add_one_each(self, row: IntArray, time_ms: IntArray) -> set[int]:
        first, last = self._first[row], self._last[row]
        is_new = last == _NONE
        follows = (time_ms > last) & (time_ms - last <= _JOIN * self._interval_ms[row])
        is_known = (first <= time_ms) & (time_ms <= last)
        self._first[row[is_new]] = time_ms[is_new]
        grows = is_new | follows
        self._last[row[grows]] = time_ms[grows]
        is_next = ~is_new & (time_ms > last) & ~follows
        for one, when in zip(row[is_next].tolist(), time_ms[is_next].tolist(), strict=True):
            self._begin_span(one, when)
        is_late = ~(grows | is_known | is_next)
        for one, when in zip(row[is_late].tolist(), time_ms[is_late].tolist(), strict=True):
            self._insert(one, when)
        is_silence = is_next & (time_ms - last > self._allowed_ms[row])
        is_before = time_ms <= self._newest_mark[row]  # tells when what is marked began or ended
        return set(row[is_late | is_silence | is_before].tolist())

    def _begin_span(self, row: int, time_ms: int) -> None:
        older = self._older.setdefault(row, [])
        older.append((int(self._first[row]), int(self._last[row])))
        del older[:-MAX_SPANS]
        self._first[row] = self._last[row] = time_ms
        self._flat = None

    def _insert(self, row: int, time_ms: int) -> None:
        spans = [*self._older.get(row, ()), (int(self._first[row]), int(self._last[row]))]
        spans.append((time_ms, time_ms))
        spans.sort()
        allowed = _JOIN * int(self._interval_ms[row])
        joined = [spans[0]]
        for begin, end in spans[1:]:
            if begin - joined[-1][1] <= allowed:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((begin, end))
        self._first[row], self._last[row] = joined.pop()
        self._older[row] = joined[-MAX_SPANS:]
        self._flat = None

    def _prune(self, oldest_ms: int) -> None:
        if oldest_ms < self._pruned_ms + _PRUNE_MS:
            return
        self._pruned_ms = oldest_ms
        self._flat = None
        self._deaf = tuple(span for span in self._deaf if span[1] >= oldest_ms)
        older = {row: [s for s in spans if s[1] >= oldest_ms] for row, spans in self._older.items()}
        self._older = {row: spans for row, spans in older.items() if spans}
        since = {row: min(oldest_ms, self._open_since(row)) for row in self._marks}
        marks = {row: _from(since[row], marks) for row, marks in self._marks.items()}
        self._marks = {row: kept for row, kept in marks.items() if kept}
        for row, episodes in list(self.episodes.items()):
            if all(episode.end_ms < oldest_ms for episode in episodes):
                del self.episodes[row]

    def _open_since(self, row: int) -> int:
        opened = (e.low_ms for e in self.episodes.get(row, ()) if e.end_ms == NEVER_MS)
        return min(opened, default=NEVER_MS)

    def _refresh(self, rows: Iterable[int], now_ms: int) -> set[int]:
        changed = set()
        for row in rows:
            found = self._episodes(row, now_ms)
            if found != self.episodes.get(row, ()):
                changed.add(row)
                self.episodes[row] = found
                if not found:
                    del self.episodes[row]
            if any(episode.end_ms == NEVER_MS for episode in found):
                self._open.add(row)
            else:
                self._open.discard(row)
        return changed

    def _episodes(self, row: int, now_ms: int) -> tuple[Episode, ...]:
        spans = list(self._older.get(row, ()))
        if self._last[row] != _NONE:
            spans.append((int(self._first[row]), int(self._last[row])))
        marks = sorted(self._marks.get(row, ()))
        life = Life(row, int(self._interval_ms[row]), spans, marks, self._deaf)
        return tuple(life.episodes(self._policy, int(self._allowed_ms[row]), now_ms))


def _from(since_ms: int, marks: set[Mark]) -> set[Mark]:
    return {mark for mark in marks if mark[0] >= since_ms}
