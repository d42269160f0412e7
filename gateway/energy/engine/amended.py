"""A registry file that speaks of days that are done: they are worked out anew.

The gateway reads the file when it starts. What it said is kept, so that a start with another one
knows which devices it says something else of, and of which days. The note of the new file is kept
together with the queue that follows from it: a crash between the two begins again.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.days.kin import tellers
from gateway.energy.engine.days.pieces import GROUP, Piece, name_of, of_mains
from gateway.energy.engine.days.remembered import unpack
from gateway.energy.engine.findings.series import DOMAIN, INTERVALS
from gateway.energy.engine.grid.prints import (
    Amendment,
    amendments,
    pack_prints,
    prints_of,
    unpack_prints,
)
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.engine.house import House
from gateway.energy.engine.policies import EnergyPolicies
from gateway.ports import Memo, Result

REGISTRY = "registry"
NUMBER = 1 << 40  # a memo that is never too old
# As late as readings may be: the days that a day leans on are remembered for that, and a bill of
# two months ago is paid.
MOST_DAYS = 60
_GAP_DAYS = 31


class Again(NamedTuple):
    """What is to be done again."""

    pieces: Sequence[Piece] = ()
    days: Sequence[int] = ()  # to be balanced and looked at


class Amended:
    """Compares the file with the one of the life before, once.

    Args:
        house: the registry, and what was kept.
        roster: who sends what.
        policies: local days.
    """

    def __init__(self, house: House, roster: Roster, policies: EnergyPolicies) -> None:
        self._house, self._roster, self._policies = house, roster, policies
        self._memo: list[Memo] = []
        self._is_compared = False

    def look(self, now_ms: int) -> Again:
        """Return what the file of this life asks for, at the first call."""
        if self._is_compared:
            return Again()
        self._is_compared = True
        kept = self._house.derived.memos(DOMAIN, REGISTRY, NUMBER, NUMBER + 1)
        prints = prints_of(self._house.registry)
        said = pack_prints(prints)
        if not kept or kept[0].data != said:
            self._memo = [Memo(REGISTRY, NUMBER, said)]
        if not kept or not self._memo:
            return Again()
        since_ms = self._since_ms(now_ms)
        found = list(amendments(unpack_prints(kept[0].data), prints, since_ms, now_ms))
        days = {day for one in found for day in self._days(one.begin_ms, one.end_ms)}
        return Again(sorted(set(self._pieces(found, since_ms))), sorted(days))

    def memo(self, *, is_queue_kept: bool) -> list[Memo]:
        """Return what is to be kept, together with the state that has the queue."""
        if not is_queue_kept:
            return []
        memo, self._memo = self._memo, []
        return memo

    def _since_ms(self, now_ms: int) -> int:
        """Return since when days can be worked out again: of older ones no reading is left."""
        oldest_ms = now_ms - MOST_DAYS * DAY_MS
        stored_ms = min(self._house.reader.days(oldest_ms, now_ms), default=0) * DAY_MS
        if stored_ms <= oldest_ms:
            return oldest_ms
        calendar = self._policies.calendar
        day = int(calendar.day(np.array([stored_ms]))[0])
        before = Result(INTERVALS, "", 0, calendar.start_ms(day), "")
        # of a day into which the oldest file reaches, a part may have been deleted
        is_cut = bool(self._house.derived.results(DOMAIN, before, 1))
        return calendar.start_ms(day + is_cut)

    def _days(self, begin_ms: int, end_ms: int) -> range:
        first, last = self._policies.calendar.day(np.array([begin_ms, end_ms - 1])).tolist()
        return range(first, last + 1)

    def _pieces(self, found: Sequence[Amendment], since_ms: int) -> Iterator[Piece]:
        index_of = {one.name: one.device_index for one in self._roster.watched}
        known_ms: dict[Piece, dict[int, int]] = {}
        for one in found:
            index = index_of.get(one.device)
            profile = None if index is None else self._roster.profile_of.get(index)
            if not one.is_own or index is None or profile is None:
                continue
            if not self._roster.is_meter(profile):
                continue
            days = self._days(one.begin_ms, one.end_ms)
            before = Piece(days[0] - 1, profile, index // GROUP)
            if before not in known_ms:
                known_ms[before] = self._known_ms(before)
            # the slots of a gap before are closed, or opened, by what is behind it
            gap_ms = known_ms[before].get(index, one.begin_ms)
            oldest_ms = max(since_ms, one.begin_ms - _GAP_DAYS * DAY_MS)
            days = self._days(min(one.begin_ms, max(gap_ms, oldest_ms)), one.end_ms)
            for name in tellers(self._roster, index):
                yield from (Piece(day, name, index // GROUP) for day in days)
            of_days = np.array(days, np.int64)
            yield from of_mains(self._roster, np.full(len(of_days), index), of_days)

    def _known_ms(self, piece: Piece) -> dict[int, int]:
        """Return the newest good register of each meter at the end of a day."""
        kept = self._house.derived.memos(DOMAIN, name_of(piece), piece.day, piece.day + 1)
        memo = unpack(kept[0].data) if kept else None
        if memo is None:
            return {}
        pairs = zip(memo.device_index.tolist(), memo.carry.known_ms.tolist(), strict=True)
        return dict(pairs)
