"""Readings of a piece from the store, placed on their marks and judged by VEE."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from gateway.energy import vee
from gateway.energy.calendar import DAY_MS
from gateway.energy.edits import EditBook
from gateway.energy.engine.griddays import GridDay
from gateway.energy.engine.pieces import GROUP, Piece, interval_of, month_of, name_of
from gateway.energy.engine.policies import EnergyPolicies
from gateway.energy.engine.publish import DOMAIN, INTERRUPTIONS, edits_of
from gateway.energy.engine.recorders import recorded
from gateway.energy.engine.remembered import DayMemo, carry_of, history_of, unpack
from gateway.energy.engine.roster import INSTRUMENTS, Roster
from gateway.energy.engine.volts import Marks, volts_memo
from gateway.energy.placing import Grid, place
from gateway.energy.series import Window
from gateway.energy.voltage import VoltagePolicy
from gateway.model import BoolArray, IntArray, ReadingBatch
from gateway.ports import Memo, Result
from gateway.profiles import Profile

MOST_GAP_DAYS = 31  # how far is looked for the register that ends a gap
_MOST_LINES = 100_000


class Reading(Protocol):
    """``store.StoreReader``."""

    def rows_of(
        self, profile: str, devices: tuple[int, int], from_ms: int, to_ms: int
    ) -> Iterator[ReadingBatch]:
        """Yield all rows of a range of devices."""


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
    conflicts: int


class Jobs:
    """Makes jobs for VEE and runs them.

    Args:
        reader: the readings.
        recall: what was found before.
        profile_of: a profile by its name.
        roster: which meters there are.
        policies: what they are judged by.
        edits: what people said of slots.
    """

    def __init__(
        self,
        reader: Reading,
        recall: Remembering,
        profile_of: Callable[[str], Profile],
        roster: Roster,
        policies: EnergyPolicies,
        edits: EditBook,
    ) -> None:
        self._edits = edits
        self._reader, self._recall, self._profile = reader, recall, profile_of
        self._roster, self._policies = roster, policies

    def interval_ms(self, piece: Piece) -> int:
        """Return the length of a slot."""
        return interval_of(self._profile(piece.profile))

    def is_meter(self, piece: Piece) -> bool:
        """Return whether a piece is of meters, rather than of recorders."""
        return self._roster.is_meter(piece.profile)

    def is_instrument(self, piece: Piece, meters: IntArray) -> BoolArray:
        """Return which meters measured a node of the grid that day."""
        noon_ms = self._policies.calendar.start_ms(piece.day) + DAY_MS // 2
        heads = self._roster.places_of(meters, noon_ms).is_head
        return heads | (piece.profile in INSTRUMENTS)

    def recorded(
        self, piece: Piece, batches: Sequence[ReadingBatch], slots: int, norm: VoltagePolicy
    ) -> GridDay:
        """Return the day of a piece of recorders."""
        profile = self._profile(piece.profile)
        start_ms = self._policies.calendar.start_ms(piece.day)
        seen = [np.unique(batch.device_index) for batch in batches]
        devices = np.unique(np.concatenate(seen)) if seen else np.zeros(0, np.int64)
        for batch in batches:
            self._roster.sends(batch.device_index, piece.profile)
        span = (start_ms, interval_of(profile), slots, self._tolerance_ms(start_ms))
        return recorded(profile, piece, batches, Grid(devices, *span, phases=True), norm)

    def memos(self, piece: Piece) -> dict[int, DayMemo]:
        """Return the days that may matter: those behind it, and those of its month."""
        policies = self._policies
        depth = policies.vee_at(policies.calendar.start_ms(piece.day)).ladder.depth_days
        first, stop = month_of(piece.day)
        first = min(first, piece.day - MOST_GAP_DAYS - depth)
        stop = max(stop, piece.day + depth + 1)
        kept = self._recall.memos(DOMAIN, name_of(piece), first, stop)
        return {one.number: memo for one in kept if (memo := unpack(one.data)) is not None}

    def read(self, piece: Piece, first_day: int, stop_day: int) -> list[ReadingBatch]:
        """Return the rows at the marks of some days, both ends included."""
        calendar = self._policies.calendar
        start_ms, stop_ms = calendar.start_ms(first_day), calendar.start_ms(stop_day)
        interval_ms = interval_of(self._profile(piece.profile))
        tolerance_ms = self._tolerance_ms(start_ms)
        devices = piece.group * GROUP, piece.group * GROUP + GROUP - 1
        found = []
        span = start_ms - tolerance_ms, stop_ms + tolerance_ms + 1
        for page in self._reader.rows_of(piece.profile, devices, *span):
            # meters that send every second have 86,400 rows a day, of which 48 are at marks
            off_ms = (page.time_ms - start_ms + tolerance_ms) % interval_ms
            at_mark = page.take(off_ms <= 2 * tolerance_ms)
            if len(at_mark):
                found.append(at_mark)
        return found

    def _tolerance_ms(self, start_ms: int) -> int:
        return round(self._policies.vee_at(start_ms).interval_size.tolerance_s * 1000)

    def meters(
        self, piece: Piece, batches: Sequence[ReadingBatch], past: dict[int, DayMemo]
    ) -> IntArray:
        """Return the meters of the piece: who sent, and who did the day before."""
        for batch in batches:
            self._roster.sends(batch.device_index, piece.profile)
        # whose only reading is at the midnight that ends the day has begun with the next one
        end_ms = self._policies.calendar.start_ms(piece.day + 1)
        seen = [batch.device_index[batch.time_ms < end_ms] for batch in batches]
        for memo in (past.get(piece.day - 1), past.get(piece.day)):
            if memo is not None:
                is_lasting = memo.carry.known_ms > self._policies.calendar.start_ms(
                    piece.day - MOST_GAP_DAYS
                )
                seen.append(memo.device_index[is_lasting])
        if not seen:
            return np.zeros(0, np.int64)
        known = self._roster.profile_of
        every = np.unique(np.concatenate(seen)).tolist()
        ours = [index for index in every if known.get(index) == piece.profile]
        return np.array(ours, np.int64)

    def run(
        self,
        piece: Piece,
        readings: tuple[IntArray, Sequence[ReadingBatch]],
        span: tuple[int, int],
        past: dict[int, DayMemo],
    ) -> Run:
        """Place readings of meters from a day on, so many slots, and let VEE judge them."""
        (meters, batches), (day, slots) = readings, span
        profile, policies = self._profile(piece.profile), self._policies
        start_ms, interval_ms = policies.calendar.start_ms(day), interval_of(profile)
        policy = policies.vee_at(start_ms)
        has_phases = profile.column_index("u_l1") is not None
        grid = Grid(meters, start_ms, interval_ms, slots, self._tolerance_ms(start_ms), has_phases)
        placed = place(grid, [(profile, batch) for batch in batches])
        before = [past[known] for known in sorted(past) if known < day]
        job = vee.Job(
            placed.window,
            self._roster.meters(meters, profile, policy.meter, start_ms + DAY_MS // 2),
            policy,
            policies.calendar,
            history_of(before, meters, DAY_MS // interval_ms),
            carry_of(past.get(day - 1), meters),
            vee.Extra(is_outage=self._dark(placed.window), edits=tuple(self._said(placed.window))),
        )
        return Run(placed.window, vee.run(job), len(placed.conflicts))

    def volts(self, piece: Piece, meters: IntArray, batches: Sequence[ReadingBatch]) -> Memo:
        """Return the voltages of a day."""
        start_ms = self._policies.calendar.start_ms(piece.day)
        marks = Marks(start_ms, self._tolerance_ms(start_ms))
        return volts_memo(piece, meters, (self._profile(piece.profile), batches), marks)

    def _said(self, window: Window) -> list[vee.Edit]:
        names = [self._roster.name(index) for index in window.device_index.tolist()]
        return edits_of(self._edits, names, window.start_ms, window.end_ms)

    def _dark(self, window: Window) -> BoolArray | None:
        """Return which slots lie wholly within an interruption, None where none does."""
        asked = Result(INTERRUPTIONS, "", window.start_ms - 2 * DAY_MS, window.end_ms, "")
        told = self._recall.results(DOMAIN, asked, _MOST_LINES)
        rows = {self._roster.name(i): row for row, i in enumerate(window.device_index.tolist())}
        dark = np.zeros((window.meters, window.slots), np.bool_)
        slot_ms = window.slot_ms()
        for one in told:
            row = rows.get(one.place.removeprefix("device:"))
            if row is None or "withdrawn" in one.body:
                continue
            is_open = one.to_ms <= one.from_ms
            ends = slot_ms + window.interval_ms <= (window.end_ms if is_open else one.to_ms)
            dark[row] |= (slot_ms >= one.from_ms) & ends
        return dark if dark.any() else None
