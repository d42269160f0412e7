"""Readings of a piece, on their marks, judged by VEE."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from gateway.energy import vee
from gateway.energy.calendar import DAY_MS
from gateway.energy.edits import EditBook
from gateway.energy.engine.bills.checks import Checked, checked, shown
from gateway.energy.engine.bills.publish import edits_of
from gateway.energy.engine.bills.supply import Supplies, within, write_down
from gateway.energy.engine.days.griddays import GridDay
from gateway.energy.engine.days.kin import Kin, has, kin_days, touched_by
from gateway.energy.engine.days.pieces import GROUP, Piece, interval_of, month_of, name_of
from gateway.energy.engine.days.recorders import recorded
from gateway.energy.engine.days.remembered import DayMemo, carry_of, history_of, unpack
from gateway.energy.engine.days.sheets import Days, Sheets
from gateway.energy.engine.days.toldsheet import extra_of
from gateway.energy.engine.findings.series import DOMAIN
from gateway.energy.engine.grid.pairs import Check
from gateway.energy.engine.grid.protocol import Protocol as Notes
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.engine.policies import EnergyPolicies
from gateway.energy.placing import Sheet
from gateway.energy.series import Window
from gateway.energy.vee.clocks import clock_offsets
from gateway.energy.voltage import VoltagePolicy
from gateway.model import BoolArray, FloatArray, IntArray
from gateway.ports import Memo, Result
from gateway.profiles import Profile

MOST_GAP_DAYS = 31  # how far is looked for the register that ends a gap


class Remembering(Protocol):
    """``store.derived.DerivedReader``."""

    def results(
        self, domain: str, asked: Result, limit: int, after: tuple[int, str] = ...
    ) -> Sequence[Result]:
        """Return lines of a series that begin within a time."""

    def memos(self, domain: str, name: str, first: int, stop: int) -> Sequence[Memo]:
        """Return memos by number."""


class Run(NamedTuple):
    """A window and what VEE made of it."""

    window: Window
    found: vee.Intervals


class Jobs:
    """Makes jobs for VEE and runs them.

    Args:
        sheets: the readings.
        recall: what was found before.
        profile_of: a profile by its name.
        roster: which meters there are.
        policies: what they are judged by.
        edits: what people said of slots.
    """

    def __init__(
        self,
        sheets: Sheets,
        recall: Remembering,
        profile_of: Callable[[str], Profile],
        roster: Roster,
        policies: EnergyPolicies,
        edits: EditBook,
    ) -> None:
        self.heard_ms: dict[int, int] = {}  # newest reading of each device
        self._edits, self._supplies = edits, Supplies(recall, roster, self.heard_ms)
        self._sheets, self._recall, self._profile = sheets, recall, profile_of
        self._roster, self._policies = roster, policies

    def interval_ms(self, piece: Piece) -> int:
        """Return the length of a slot."""
        return interval_of(self._profile(piece.profile))

    def is_meter(self, piece: Piece) -> bool:
        """Return whether a piece is of meters, rather than of recorders."""
        return self._roster.is_meter(piece.profile)

    def is_told(self, piece: Piece) -> bool:
        """Return whether a piece is of meters of which only files tell."""
        return self._roster.is_told(piece.profile)

    def is_instrument(self, piece: Piece, meters: IntArray) -> BoolArray:
        """Return which meters measured a node of the grid that day."""
        noon_ms = self._policies.calendar.start_ms(piece.day) + DAY_MS // 2
        return self._roster.is_instrument(meters, piece.profile, noon_ms)

    def recorded(self, piece: Piece, slots: int, now_ms: int, norm: VoltagePolicy) -> GridDay:
        """Return the day of a piece of recorders."""
        sheet = self._sheets.of(piece, now_ms)
        devices = sheet.seen(sheet.span.slots + 1)
        self._roster.sends(devices, piece.profile)
        return recorded(self._profile(piece.profile), piece, sheet, (devices, slots), norm)

    def memos(self, piece: Piece) -> dict[int, DayMemo]:
        """Return the days that may matter: those behind it, and those of its month."""
        policies = self._policies
        depth = policies.vee_at(policies.calendar.start_ms(piece.day)).ladder.depth_days
        first, stop = month_of(piece.day)
        first = min(first, piece.day - MOST_GAP_DAYS - depth)
        stop = max(stop, piece.day + depth + 1)
        kept = self._recall.memos(DOMAIN, name_of(piece), first, stop)
        return {one.number: memo for one in kept if (memo := unpack(one.data)) is not None}

    def sheet(
        self, piece: Piece, now_ms: int, days: Days | None = None, meters: IntArray | None = None
    ) -> Sheet:
        """Return the marks of a day, or of some meters for the days of their gap."""
        return self._sheets.of(piece, now_ms, days, meters)

    def kin(self, piece: Piece) -> Kin:
        """Return the days of its month that another profile has of the same meters."""
        return kin_days(self._recall, self._roster, piece)

    def touched(self, piece: Piece, kin: Kin, days: Sequence[DayMemo]) -> set[Piece]:
        """Return the pieces of files of which this piece takes a day, or gives it back."""
        return touched_by(self._roster, kin, piece, days)

    def told(self, piece: Piece, slots: int, past: dict[int, DayMemo], kin: Kin) -> Run | None:
        """Let VEE judge a day of which files tell, so many slots; None where they do not."""
        sheet = self._sheets.told(piece)
        meters = sheet.seen()
        self._roster.sends(meters, piece.profile)
        is_taken = has(kin, piece.day, meters)  # by registers
        ours = [k for k in meters[~is_taken].tolist() if k in self._roster.row_of]
        if not ours and piece.day not in past:  # else it is written that nobody is left
            return None
        found = sheet.told(np.array(ours, np.int64), slots)
        job = self._job(piece, found.window, piece.day, past, extra_of(found))
        last_digit = job.meters._replace(resolution_wh=found.resolution_wh)
        return self._judged(job._replace(meters=last_digit))

    def meters(self, piece: Piece, sheet: Sheet, past: dict[int, DayMemo]) -> IntArray:
        """Return the meters of the piece: who sent, and who did the day before."""
        # whose only reading is at the midnight that ends the day has begun with the next one
        seen = [sheet.seen(sheet.span.slots)]
        self._roster.sends(sheet.seen(sheet.span.slots + 1), piece.profile)
        for memo in (past.get(piece.day - 1), past.get(piece.day)):
            if memo is not None:
                is_lasting = memo.carry.known_ms > self._policies.calendar.start_ms(
                    piece.day - MOST_GAP_DAYS
                )
                seen.append(memo.device_index[is_lasting])
        known = self._roster.profile_of
        every = np.unique(np.concatenate(seen)).tolist()
        ours = [index for index in every if known.get(index) == piece.profile]
        return np.array(ours, np.int64)

    def run(
        self,
        piece: Piece,
        readings: tuple[IntArray, Sheet],
        span: tuple[int, int],
        past: dict[int, DayMemo],
        now_ms: int,
    ) -> Run:
        """Let VEE judge the marks of meters from a day on, so many slots."""
        window = self._window(piece, readings, span)
        besides = self._checked(piece, readings[1], window, now_ms)
        return self._of_registers(piece, window, past, besides)

    def _window(
        self, piece: Piece, readings: tuple[IntArray, Sheet], span: tuple[int, int]
    ) -> Window:
        """Return the marks of meters from a day on, so many slots."""
        (meters, sheet), (day, slots) = readings, span
        since_ms = self._policies.calendar.start_ms(day) - sheet.span.start_ms
        window = sheet.window(meters, since_ms // self.interval_ms(piece), slots)
        write_down(self._noted(window), window)
        return window

    def _of_registers(
        self, piece: Piece, window: Window, past: dict[int, DayMemo], besides: Checked
    ) -> Run:
        policies = self._policies
        policy = policies.vee_at(window.start_ms).time_sync
        extra = vee.Extra(
            check_wh=besides.import_wh,
            check_index=besides.check_index,
            clock_offset_ms=clock_offsets(window, policies.calendar, policy),
            exchanges=tuple(within(self._noted(window), window)),
        )
        day = int(policies.calendar.day(np.array([window.start_ms]))[0])
        return self._judged(self._job(piece, window, day, past, extra))

    def _judged(self, job: vee.Job) -> Run:
        return Run(job.window, self._supplies.in_service(vee.run(job)))

    def _job(
        self, piece: Piece, window: Window, day: int, past: dict[int, DayMemo], extra: vee.Extra
    ) -> vee.Job:
        profile, policies = self._profile(piece.profile), self._policies
        policy, meters = policies.vee_at(window.start_ms), window.device_index
        before = [past[known] for known in sorted(past) if known < day]
        supply, said = self._supplies.of(window), tuple(self._said(window))
        return vee.Job(
            window,
            self._roster.meters(meters, profile, policy.meter, window.start_ms + DAY_MS // 2),
            policy,
            policies.calendar,
            history_of(before, meters, DAY_MS // window.interval_ms),
            carry_of(past.get(day - 1), meters),
            replace(extra, is_outage=supply.is_outage, lit=supply.lit, edits=said),
        )

    def _checked(self, piece: Piece, sheet: Sheet, window: Window, now_ms: int) -> Checked:
        """Return what the check meters of a window's meters showed in its slots.

        They are judged as any meter is, but by this window alone: what other days left of them
        may not be worked out yet, and the order of work must not matter.
        """
        pairs = [
            (row, one)
            for row, one in self._roster.pairs.checks_of(window.device_index)
            if one.link.from_ms < window.end_ms and window.start_ms < one.link.to_ms
        ]
        if not pairs:
            return Checked()
        first, last = (
            int(self._policies.calendar.day(np.array([at]))[0])
            for at in (window.start_ms, window.end_ms - 1)
        )
        found: dict[int, FloatArray] = {}
        for where, checks in self._by_piece(pairs, first).items():
            own = sheet
            if where[1:] != piece[1:]:
                days = None if first == last else Days(first, last + 1)
                own = self._sheets.of(where, now_ms, days, None if days is None else checks)
            slots = (window.end_ms - window.start_ms) // self.interval_ms(where)
            if slots > 0:
                of_checks = self._window(where, (checks, own), (first, slots))
                judged = self._of_registers(where, of_checks, {}, Checked()).found
                values = shown(judged, within(self._noted(of_checks), of_checks), window)
                found.update(zip(checks.tolist(), values, strict=True))
        return checked(window, pairs, found)

    def _by_piece(self, pairs: Sequence[tuple[int, Check]], day: int) -> dict[Piece, IntArray]:
        """Return the check meters that have sent a register, by the piece that they belong to."""
        sends = self._roster.profile_of
        found: dict[Piece, set[int]] = {}
        for _, one in pairs:
            if self._roster.has_register(sends.get(one.device_index, "")):
                piece = Piece(day, sends[one.device_index], one.device_index // GROUP)
                found.setdefault(piece, set()).add(one.device_index)
        return {piece: np.array(sorted(ones), np.int64) for piece, ones in found.items()}

    def with_checks(self, piece: Piece, meters: IntArray) -> IntArray:
        """Return meters and those of their check meters that are of the same piece."""
        pairs = self._roster.pairs.checks_of(meters)
        checks = self._by_piece(pairs, piece.day).get(piece)
        return meters if checks is None else np.union1d(meters, checks)

    def noted_ms(self, piece: Piece, meters: IntArray, since_ms: int, now_ms: int) -> IntArray:
        """Return the newest mark at which people noted a register of each meter, 0 = none."""
        newest = np.zeros(len(meters), np.int64)
        for one in self._roster.protocol(meters, self.interval_ms(piece), since_ms).shown:
            if one.time_ms <= now_ms:
                newest[one.row] = max(newest[one.row], one.time_ms)
        return newest

    def _noted(self, window: Window) -> Notes:
        """Return what people noted of the meters of a window."""
        return self._roster.protocol(window.device_index, window.interval_ms, window.start_ms)

    def _said(self, window: Window) -> list[vee.Edit]:
        names = [self._roster.name(index) for index in window.device_index.tolist()]
        return edits_of(self._edits, names, window.start_ms, window.end_ms)
