"""Days in hand: the marks of days that go on are read from the store once, then kept up.

An interval of 10,000 meters would else mean to read all of the day again, forty-eight times a day.
What comes later is put on the sheets as the analyst hears of it; a reading that comes twice, from
the store and as news, changes nothing. A day is let go soon after its end: what is late reads the
store again. So does all after a start, since nothing of this is written down.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from gateway.energy.bridging import BridgedSheet
from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.days.pieces import GROUP, Piece, interval_of
from gateway.energy.engine.days.recorders import NAMES, is_recorder
from gateway.energy.engine.days.toldsheet import ToldSheet
from gateway.energy.engine.policies import EnergyPolicies
from gateway.energy.placing import Sheet, Span
from gateway.model import BoolArray, IntArray, ReadingBatch
from gateway.profiles import Profile
from gateway.store.pages import concat, empty

KEPT_MS = 600_000  # behind the end of a day: what meters send at midnight has come by then
# 130 MB, as 32,000 meters with a reading each half hour need: of a larger fleet the rest is read
MOST_CELLS = 1_600_000


class Reading(Protocol):
    """``store.StoreReader``."""

    def rows_of(
        self, profile: str, devices: tuple[int, int], from_ms: int, to_ms: int
    ) -> Iterator[ReadingBatch]:
        """Yield all rows of a range of devices."""


class Days(NamedTuple):
    """Local days in a row."""

    first: int
    stop: int  # not one of them


@dataclass(slots=True, eq=False)
class _Held:
    """A sheet, and what has come since it was used last."""

    days: Days
    devices: IntArray | None  # None: all of the group
    sheet: Sheet
    let_go_ms: int
    news: list[ReadingBatch] = field(default_factory=list)
    rows: int = 0

    def holds(self, days: Days, devices: IntArray | None) -> bool:
        """Return whether what is asked for is here."""
        if devices is None:
            return self.devices is None and self.days == days
        is_within = self.days.first <= days.first and days.stop <= self.days.stop
        return is_within and (self.devices is None or bool(np.isin(devices, self.devices).all()))


class Sheets:
    """Has them.

    Args:
        reader: the store.
        profile_of: a profile by its name.
        policies: of the calendar and of the marks.
    """

    def __init__(
        self, reader: Reading, profile_of: Callable[[str], Profile], policies: EnergyPolicies
    ) -> None:
        self._reader, self._profile, self._policies = reader, profile_of, policies
        self._held: dict[tuple[str, int], list[_Held]] = {}  # by profile and group

    def take(self, batch: ReadingBatch) -> None:
        """Hear of readings that came."""
        group = batch.device_index // GROUP
        for number in np.unique(group).tolist():
            known = self._held.get((batch.profile, number), [])
            mine = batch.take(group == number) if known else batch
            for held in known:
                self._hear(held, mine)

    def forget(self) -> None:
        """Let all go: more came than was told one by one."""
        self._held.clear()

    def of(
        self, piece: Piece, now_ms: int, days: Days | None = None, devices: IntArray | None = None
    ) -> Sheet:
        """Return the marks of the day of a piece, or of some devices for days around it."""
        wanted = days or Days(piece.day, piece.day + 1)
        known = self._held.setdefault(piece[1:], [])
        known[:] = [held for held in known if held.let_go_ms > now_ms]
        for held in known:
            if held.holds(wanted, devices):
                self._catch_up(held, piece.profile)
                if self._cells() > MOST_CELLS:  # it has grown
                    known.remove(held)
                return held.sheet
        made = self._made(piece, wanted, devices)
        if made.let_go_ms > now_ms:
            # of gaps one at a time: the newest knows of all the meters that the one before did
            known[:] = [one for one in known if one.devices is None or devices is None]
            if made.sheet.cells + self._cells() <= MOST_CELLS:
                known.append(made)
        return made.sheet

    def told(self, piece: Piece) -> ToldSheet:
        """Return the intervals that touch the day of a piece, as they are stored.

        They come in files, of days that are over: nothing of them is kept in hand.
        """
        profile = self._profile(piece.profile)
        start_ms, interval_ms = self._policies.calendar.start_ms(piece.day), interval_of(profile)
        longest_ms = self._policies.vee_at(start_ms).interval_size.longest_ms
        of_group = piece.group * GROUP, piece.group * GROUP + GROUP - 1
        span_ms = start_ms + 1, start_ms + DAY_MS + longest_ms
        pages = self._reader.rows_of(piece.profile, of_group, *span_ms)
        readings = concat([empty(profile.name, len(profile.columns)), *pages])
        span = Span(start_ms, interval_ms, DAY_MS // interval_ms)
        return ToldSheet(span, profile, readings, longest_ms)

    def _cells(self) -> int:
        return sum(held.sheet.cells for known in self._held.values() for held in known)

    def _made(self, piece: Piece, days: Days, devices: IntArray | None) -> _Held:
        profile, calendar = self._profile(piece.profile), self._policies.calendar
        start_ms, stop_ms = calendar.start_ms(days.first), calendar.start_ms(days.stop)
        interval_ms = interval_of(profile)
        slots = (stop_ms - start_ms) // interval_ms
        size = self._policies.vee_at(start_ms).interval_size
        is_other = is_recorder(profile)
        phases = is_other or profile.column_index("u_l1") is not None
        span = Span(start_ms, interval_ms, slots, round(size.tolerance_s * 1000), phases)
        sheet = Sheet(span, NAMES) if is_other else BridgedSheet(span, size.bridge_ms)
        reach_ms = round(max(size.tolerance_s * 1000, size.bridge_ms))
        held = _Held(days, devices, sheet, stop_ms + KEPT_MS)
        of_group = piece.group * GROUP, piece.group * GROUP + GROUP - 1
        span_ms = start_ms - reach_ms, stop_ms + reach_ms + 1
        for page in self._reader.rows_of(piece.profile, of_group, *span_ms):
            sheet.add(profile, page.take(_is_wanted(held, page)))
        return held

    def _hear(self, held: _Held, batch: ReadingBatch) -> None:
        """Note what is of a sheet; so much that it would take more room is put there at once."""
        mine = batch.take(_is_wanted(held, batch))
        if len(mine):
            held.news.append(mine)
            held.rows += len(mine)
        if held.rows > max(held.sheet.cells, GROUP):
            self._catch_up(held, batch.profile)

    def _catch_up(self, held: _Held, profile: str) -> None:
        if held.news:
            held.sheet.add(self._profile(profile), concat(held.news))
            held.news, held.rows = [], 0


def _is_wanted(held: _Held, batch: ReadingBatch) -> BoolArray:
    """Return which readings are of a sheet: meters that send each second have few at marks."""
    wanted = held.sheet.is_near(batch.time_ms)
    if held.devices is not None:
        wanted &= np.isin(batch.device_index, held.devices)
    return wanted
