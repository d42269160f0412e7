"""One piece of work: a local day of a group of meters, from stored readings to results.

A piece reads all it needs from the store and from what other days left (``remembered``), so it may
be done at any time, again, and in any order; the queue does older days first, which saves work.
Where a gap reaches over midnight, the piece looks as far back and ahead as the gap does: only
registers at both of its ends tell what was used within.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gateway.energy import vee
from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.bills.besides import Besides, Worked, grid_memo
from gateway.energy.engine.bills.jobs import MOST_GAP_DAYS, Jobs, Run
from gateway.energy.engine.bills.publish import Publisher, Recalling
from gateway.energy.engine.days.pieces import Piece, name_of
from gateway.energy.engine.days.remembered import DayMemo, carry_of, is_same_past, pack
from gateway.energy.engine.days.sheets import Days
from gateway.energy.engine.findings.bodies import is_same_use
from gateway.energy.engine.findings.series import DOMAIN, INTERVALS
from gateway.energy.engine.policies import EnergyPolicies
from gateway.model import IntArray
from gateway.ports import Alarm, Memo, Result


class Outcome(NamedTuple):
    """What a piece brought."""

    results: Sequence[Result] = ()
    memos: Sequence[Memo] = ()
    touched: frozenset[Piece] = frozenset()  # other days that must be looked at again
    alarms: Sequence[Alarm] = ()
    again_ms: int = 0  # when more of it can be told, though nothing comes; 0 = nothing


class _Gaps(NamedTuple):
    """Which meters have no register at an end of the day, and how far their gap may reach."""

    rows: IntArray
    first_day: int
    stop_day: int


class DayWork:
    """Does pieces, one after the other.

    Args:
        jobs: what VEE makes of readings.
        publisher: what is told of it.
        recall: what was told before.
        policies: of the calendar and of how long a day matters.
        besides: what else a day brings.
    """

    def __init__(
        self,
        jobs: Jobs,
        publisher: Publisher,
        recall: Recalling,
        policies: EnergyPolicies,
        besides: Besides,
    ) -> None:
        self._besides = besides
        self._jobs, self._publisher = jobs, publisher
        self._recall, self._policies = recall, policies
        self.heard_ms = jobs.heard_ms  # newest reading of each device

    def do(self, piece: Piece, now_ms: int) -> Outcome:
        """Work a piece out from what is stored now."""
        start_ms = self._policies.calendar.start_ms(piece.day)
        interval_ms = self._jobs.interval_ms(piece)
        slots = min(DAY_MS // interval_ms, (now_ms - start_ms) // interval_ms)
        if slots <= 0:
            return Outcome()
        if self._jobs.is_meter(piece):
            return self._of_meters(piece, slots, now_ms)
        norm = self._policies.voltage_at(start_ms)
        recorded = self._jobs.recorded(piece, slots, now_ms, norm)
        return Outcome(memos=[grid_memo(piece, recorded)])

    def _of_meters(self, piece: Piece, slots: int, now_ms: int) -> Outcome:
        past, kin = self._jobs.memos(piece), self._jobs.kin(piece)
        if self._jobs.is_told(piece):
            single = self._jobs.told(piece, slots, past, kin)
        else:
            sheet = self._jobs.sheet(piece, now_ms)
            meters = self._jobs.meters(piece, sheet, past)
            of_day = ((meters, sheet), (piece.day, slots), past, now_ms)
            single = self._jobs.run(piece, *of_day) if len(meters) else None
        if single is None:
            return Outcome()
        found, touched = self._with_gaps(piece, single.found, past, now_ms)
        is_complete = slots == DAY_MS // found.interval_ms
        memo = self._publisher.memo(piece, single.window, found, is_complete)
        if is_complete and not is_same_past(past.get(piece.day), memo):
            depth = self._policies.vee_at(found.start_ms).ladder.depth_days
            touched |= {piece._replace(day=d) for d in past if piece.day < d <= piece.day + depth}
            touched.add(piece._replace(day=piece.day + 1))
        before = [past[piece.day]] if piece.day in past else []
        touched |= self._jobs.touched(piece, kin, [memo, *before])
        results = self._publisher.intervals(found, now_ms)
        figures, is_ready = self._publisher.figures(piece, memo, past, kin)
        results += figures
        worked = Worked(piece, single.window, found, memo, past, is_ready)
        beside = self._besides.of(worked, now_ms)
        memos = [Memo(name_of(piece), piece.day, pack(memo)), *beside.memos]
        results += beside.results
        again_ms = self._publisher.again_ms(found, now_ms) if is_complete else 0
        return Outcome(results, memos, frozenset(touched - {piece}), beside.alarms, again_ms)

    def _with_gaps(
        self, piece: Piece, found: vee.Intervals, past: dict[int, DayMemo], now_ms: int
    ) -> tuple[vee.Intervals, set[Piece]]:
        """Return a day with what registers outside of it tell of its gaps, and days touched."""
        if self._jobs.is_told(piece):  # no register closes a gap
            return found, set()
        meters = found.device_index
        gaps = self._gaps(piece, found, carry_of(past.get(piece.day - 1), meters), now_ms)
        if not len(gaps.rows):
            return found, set()
        longer = self._run_longer(piece, meters[gaps.rows], gaps, past, now_ms)
        unlike = self._unlike_stored(piece, longer.found, gaps.first_day)
        return _joined(found, longer.found, gaps.rows), unlike

    def _gaps(self, piece: Piece, found: vee.Intervals, carry: vee.Carry, now_ms: int) -> _Gaps:
        """Return the meters for which the day alone does not tell, though more is known."""
        calendar = self._policies.calendar
        is_good = np.isfinite(found.register_wh)
        end_ms = found.start_ms + found.slots * found.interval_ms
        sent = [self.heard_ms.get(index, 0) for index in found.device_index.tolist()]
        noted = self._jobs.noted_ms(piece, found.device_index, end_ms, now_ms)
        heard = np.maximum(np.array(sent, np.int64), noted)
        goes_on = ~is_good[:, -1] & (heard > end_ms) & (end_ms < now_ms)
        oldest_ms = calendar.start_ms(piece.day - MOST_GAP_DAYS)
        goes_back = ~is_good[:, 0] & (carry.known_ms >= oldest_ms)
        rows = np.flatnonzero(goes_on | (goes_back & is_good.any(axis=1)))
        known = carry.known_ms[rows][goes_back[rows]]
        first = int(calendar.day(known).min()) if len(known) else piece.day
        latest_ms = int(heard[goes_on].max(initial=0))
        last = int(calendar.day(np.array([latest_ms]))[0]) if latest_ms else piece.day
        return _Gaps(rows, first, min(max(last, piece.day), piece.day + MOST_GAP_DAYS) + 1)

    def _run_longer(
        self, piece: Piece, meters: IntArray, gaps: _Gaps, past: dict[int, DayMemo], now_ms: int
    ) -> Run:
        start_ms = self._policies.calendar.start_ms(gaps.first_day)
        interval_ms = self._jobs.interval_ms(piece)
        whole = (gaps.stop_day - gaps.first_day) * (DAY_MS // interval_ms)
        slots = min(whole, (now_ms - start_ms) // interval_ms)
        days = Days(gaps.first_day, gaps.stop_day)
        sheet = self._jobs.sheet(piece, now_ms, days, self._jobs.with_checks(piece, meters))
        return self._jobs.run(piece, (meters, sheet), (gaps.first_day, slots), past, now_ms)

    def _unlike_stored(self, piece: Piece, longer: vee.Intervals, first_day: int) -> set[Piece]:
        """Return the earlier days of the gap of which something else is stored than is known now.

        Later ones are looked at again when the past that they lean on has changed.
        """
        places = self._publisher.places(longer.device_index)
        per_day = DAY_MS // longer.interval_ms
        unlike = set()
        for day in range(first_day, piece.day):
            first = (day - first_day) * per_day
            start_ms = longer.start_ms + first * longer.interval_ms
            stored = self._recall.lines(DOMAIN, INTERVALS, start_ms, places)
            told = ((row, stored[name].body) for row, name in enumerate(places) if name in stored)
            if any(not is_same_use(body, longer, row, first) for row, body in told):
                unlike.add(piece._replace(day=day))
        return unlike


def _joined(found: vee.Intervals, longer: vee.Intervals, rows: IntArray) -> vee.Intervals:
    """Return a day with some meters' slots as the longer window has them."""
    first = (found.start_ms - longer.start_ms) // found.interval_ms
    part = slice(first, first + found.slots)
    joined = {}
    for name in ("import_wh", "export_wh", "quality", "reasons", "method", "is_final"):
        column = getattr(found, name).copy()
        column[rows] = getattr(longer, name)[:, part]
        joined[name] = column
    if longer.check_index is not None and found.check_index is not None:
        source = found.check_index.copy()
        source[rows] = longer.check_index[:, part]
        joined["check_index"] = source
    return replace(found, **joined)
