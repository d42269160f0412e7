"""What a day of meters brings beside its bill: memos for the grid, readiness, insight."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gateway.energy import vee
from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.bills.customers import Customers
from gateway.energy.engine.bills.jobs import Jobs
from gateway.energy.engine.bills.readiness import Readiness
from gateway.energy.engine.days.griddays import GridDay, grid_day, memo_name, pack_day
from gateway.energy.engine.days.pieces import Piece, month_of
from gateway.energy.engine.days.remembered import DayMemo
from gateway.energy.engine.days.volts import MOST_DAYS, volts_memo
from gateway.energy.engine.findings.alarmbook import AlarmBook
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.engine.policies import EnergyPolicies
from gateway.energy.series import Window
from gateway.model import BoolArray
from gateway.ports import Alarm, Memo, Result
from gateway.store.derived import DerivedReader


class Worked(NamedTuple):
    """A piece as it was worked out."""

    piece: Piece
    window: Window
    found: vee.Intervals
    memo: DayMemo
    past: dict[int, DayMemo]
    is_ready: BoolArray  # for the bill of its month


class Beside(NamedTuple):
    """What that brings."""

    results: Sequence[Result]
    memos: Sequence[Memo]
    alarms: Sequence[Alarm]


class Besides:
    """Makes it.

    Args:
        recall: what was found before.
        jobs: readings of a piece.
        roster: names and places.
        policies: norms and limits.
    """

    def __init__(
        self, recall: DerivedReader, jobs: Jobs, roster: Roster, policies: EnergyPolicies
    ) -> None:
        self._jobs, self._policies = jobs, policies
        self._readiness = Readiness(recall, roster, policies)
        self._customers = Customers(roster, policies, AlarmBook(recall))

    def of(self, worked: Worked, now_ms: int) -> Beside:
        """Return what a day of meters brings."""
        piece, found, memo = worked.piece, worked.found, worked.memo
        meters = memo.device_index
        norm = self._policies.voltage_at(found.start_ms)
        is_instrument = self._jobs.is_instrument(piece, meters)
        of_grid = grid_day(piece, worked.window, found, is_instrument, norm)
        memos = [grid_memo(piece, of_grid)]
        if memo.is_complete and now_ms - found.start_ms < MOST_DAYS * DAY_MS:
            memos.append(volts_memo(piece, worked.window))
        if self._policies.calendar.start_ms(month_of(piece.day)[1]) <= now_ms:
            memos += self._readiness.memos(piece, meters, worked.is_ready, now_ms)
        if not memo.is_complete:
            return Beside((), memos, ())
        today = int(self._policies.calendar.day(np.array([now_ms]))[0])
        days = [worked.past[day] for day in sorted(worked.past) if day < piece.day]
        results, alarms = self._customers.look([*days, memo], today - 1, now_ms)
        return Beside(results, memos, alarms)


def grid_memo(piece: Piece, of_grid: GridDay) -> Memo:
    """Return the grid's memo of a piece."""
    return Memo(memo_name(piece.profile, piece.group), piece.day, pack_day(of_grid))
