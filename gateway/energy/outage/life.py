"""What one device's facts say of it alone: when it was without power, or silent."""

from collections.abc import Sequence
from enum import IntFlag
from typing import NamedTuple

from gateway.energy.outage.facts import NEVER_MS, FactKind
from gateway.energy.outage.policy import OutagePolicy

DOWN = 100  # a mark of our own: a reading with the bit POWER_DOWN
PROOFS = frozenset(
    {FactKind.POWER_RETURNED, FactKind.PHASE_OUT, FactKind.PHASE_BACK, FactKind.ONLINE}
)
Span = tuple[int, int]
Mark = tuple[int, int]  # time, FactKind or DOWN


class Sign(IntFlag):
    """What speaks for an episode; kept there as a plain number, which is ten times quicker."""

    GASP = 1
    FAILED = 2
    DOWN = 4
    PHASE = 8
    LOST = 16
    GAP = 32
    RETURNED = 128  # the device says that power came back at its end
    POWERED = 64  # readings were taken meanwhile, so only the link was gone


_WORD = int(Sign.GASP | Sign.FAILED | Sign.DOWN | Sign.PHASE | Sign.RETURNED)
_EXACT = int(Sign.GASP | Sign.FAILED | Sign.PHASE)
_ENDS = {int(FactKind.LAST_GASP): Sign.GASP, int(FactKind.POWER_FAILED): Sign.FAILED}
_BACKS = frozenset({int(FactKind.POWER_RETURNED), int(FactKind.ONLINE)})
_NO_SPAN = (-NEVER_MS, -NEVER_MS)


class Episode(NamedTuple):
    """A time in which a device had no power, or nothing was heard of it."""

    row: int
    low_ms: int  # it began between these
    high_ms: int
    end_ms: int  # NEVER_MS while it lasts
    signs: int  # Sign

    @property
    def is_exact(self) -> bool:
        """Return whether its beginning is known to the second."""
        return bool(self.signs & _EXACT)

    @property
    def has_word(self) -> bool:
        """Return whether the device itself speaks of its power."""
        return bool(self.signs & _WORD)


def of_service(
    episode: Episode, absences: Sequence[Span], interval_ms: int, now_ms: int
) -> list[Episode]:
    """Return what of an episode is of a meter that was there: before an absence, and behind it.

    Args:
        episode: of one device.
        absences: when it had no meter, by time.
        interval_ms: people's watches, and the reading that was still to come.
        now_ms: a meter that was put up may have been silent since.
    """
    served: list[Episode] = []
    for begin_ms, end_ms in absences:
        if episode.end_ms <= begin_ms or episode.high_ms >= end_ms:
            continue
        if episode.high_ms < begin_ms - interval_ms:
            served.append(episode._replace(end_ms=begin_ms))
        if min(episode.end_ms, now_ms) <= end_ms + 2 * interval_ms:
            return served
        episode = episode._replace(low_ms=end_ms, high_ms=end_ms + interval_ms)
    return [*served, episode]


class Life:
    """One device."""

    def __init__(
        self,
        row: int,
        interval_ms: int,
        spans: list[Span],
        marks: list[Mark],
        deaf: Sequence[Span] = (),
    ) -> None:
        self._row, self._interval_ms, self._spans, self._marks = row, interval_ms, spans, marks
        self._deaf = deaf
        self._points = [time_ms for time_ms, kind in marks if kind in PROOFS]
        self._found: list[Episode] = []

    def episodes(self, policy: OutagePolicy, allowed_ms: int, now_ms: int) -> list[Episode]:
        """Return the episodes, by their beginning."""
        for time_ms, kind in self._marks:
            if kind in _ENDS:
                self._out(time_ms, _ENDS[kind])
        phases = self._phases()
        for time_ms, kind in self._marks:
            if kind == FactKind.LOST:
                self._lost(time_ms, policy)
        self._gaps(allowed_ms, now_ms)
        for time_ms, kind in self._marks:
            if kind == DOWN:
                self._down(time_ms, policy.skew_s * 1000)
            elif kind == FactKind.POWER_RETURNED:
                # its birth may bear the clock of the gateway, and be a little older than its word
                self._mark(time_ms - 1000 * policy.skew_s, time_ms, Sign.RETURNED)
        return sorted(self._found + phases, key=lambda e: (e.high_ms, e.signs))

    def next_proof(self, time_ms: int) -> int:
        """Return when it was next known to have power, as far as the grid of readings tells."""
        after = [point for point in self._points if point > time_ms]
        for first, last in self._spans:
            if first > time_ms:
                after.append(first)
            elif last > time_ms:
                steps = (time_ms - first) // self._interval_ms + 1
                after.append(min(last, first + steps * self._interval_ms))
        return min(after, default=NEVER_MS)

    def last_proof(self, time_ms: int) -> int:
        """Return when it was last known to have power, not after ``time_ms``."""
        before = [point for point in self._points if point <= time_ms]
        for first, last in self._spans:
            if first <= time_ms:
                steps = (time_ms - first) // self._interval_ms
                before.append(min(last, first + steps * self._interval_ms))
        return max(before, default=-NEVER_MS)

    def _mark(self, low_ms: int, high_ms: int, sign: int) -> bool:
        """Add a sign to the episodes that overlap this time; return whether there were any."""
        is_found = False
        for place, known in enumerate(self._found):
            if known.low_ms <= high_ms and low_ms < known.end_ms:
                self._found[place] = known._replace(signs=known.signs | int(sign))
                is_found = True
        return is_found

    def _out(self, time_ms: int, sign: int) -> None:
        if not self._mark(time_ms, time_ms, sign):
            end_ms = self.next_proof(time_ms)
            self._found.append(Episode(self._row, time_ms, time_ms, end_ms, int(sign)))

    def _phases(self) -> list[Episode]:
        found: list[Episode] = []
        for time_ms, kind in self._marks:
            if kind == FactKind.PHASE_OUT and (not found or time_ms >= found[-1].end_ms):
                backs = [t for t, k in self._marks if t > time_ms and k == FactKind.PHASE_BACK]
                spans = [self._in_span(span, time_ms) for span in self._spans]
                end_ms = min([*backs, *spans], default=NEVER_MS)
                found.append(Episode(self._row, time_ms, time_ms, end_ms, int(Sign.PHASE)))
        return found

    def _in_span(self, span: Span, time_ms: int) -> int:
        if span[0] > time_ms:
            return span[0]
        if span[1] <= time_ms:
            return NEVER_MS
        steps = (time_ms - span[0]) // self._interval_ms + 1
        return min(span[1], span[0] + steps * self._interval_ms)

    def _lost(self, time_ms: int, policy: OutagePolicy) -> None:
        low_ms = max(self.last_proof(time_ms), time_ms - policy.will_delay_s * 1000)
        if self._mark(low_ms, time_ms, Sign.LOST):
            return
        # the will bears the clock of the broker, a reading that of the device
        skew_ms = policy.skew_s * 1000
        proof_ms = self.next_proof(time_ms + skew_ms)
        onlines = [t for t, kind in self._marks if kind == FactKind.ONLINE and t > time_ms]
        end_ms = min(onlines, default=proof_ms)
        readings = min(self._in_span(span, time_ms + skew_ms) for span in self._spans or [_NO_SPAN])
        signs = Sign.LOST | Sign.POWERED if readings < end_ms - skew_ms else Sign.LOST
        self._found.append(Episode(self._row, low_ms, time_ms, end_ms, int(signs)))

    def _gaps(self, allowed_ms: int, now_ms: int) -> None:
        proofs = sorted([*self._spans, *((point, point) for point in self._points)])
        reached = proofs[0][1] if proofs else NEVER_MS
        for first, last in [*proofs[1:], (NEVER_MS, NEVER_MS)]:
            until_ms = now_ms if first == NEVER_MS else first
            if until_ms - reached - self._deaf_ms(reached, until_ms) > allowed_ms:
                high_ms = reached + self._interval_ms
                if not self._mark(reached, first, Sign.GAP):
                    self._found.append(Episode(self._row, reached, high_ms, first, int(Sign.GAP)))
            reached = max(reached, last)

    def _deaf_ms(self, from_ms: int, until_ms: int) -> int:
        """Return how long nobody listened between two moments."""
        spans = ((max(begin, from_ms), min(end, until_ms)) for begin, end in self._deaf)
        return sum(max(0, end - begin) for begin, end in spans)

    def _down(self, time_ms: int, skew_ms: int) -> None:
        begin_ms = time_ms - self._interval_ms
        # the slot has the device's clock, what it explains may have that of the broker
        for early_ms in (0, skew_ms):
            if self._mark(begin_ms + 1 - early_ms, time_ms - 1, Sign.DOWN):
                return
        backs = [t for t, kind in self._marks if kind in _BACKS and begin_ms < t <= time_ms]
        end_ms = min(backs, default=time_ms)
        self._found.append(Episode(self._row, begin_ms, end_ms, end_ms, int(Sign.DOWN)))
