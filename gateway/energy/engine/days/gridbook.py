"""The grid's memos of days, read group by group: what is in memory at once is one group's."""

from collections.abc import Container, Iterator
from typing import NamedTuple

import numpy as np

from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.days.griddays import GridDay, memo_name, unpack_day, voltages
from gateway.energy.engine.days.pieces import GROUP
from gateway.energy.engine.days.remembered import matched
from gateway.energy.engine.findings.recall import RecallsMemos
from gateway.energy.engine.findings.series import DOMAIN
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.voltage import Measures
from gateway.model import IntArray


class GroupDays(NamedTuple):
    """Days of a group of devices of one profile."""

    profile: str
    interval_ms: int
    device_index: IntArray  # all that are in one of the days, ascending
    days: dict[int, GridDay]

    @property
    def per_day(self) -> int:
        """Return the slots of a whole day."""
        return DAY_MS // self.interval_ms

    def course(self, first_day: int, slots: int) -> Measures:
        """Return lowest and highest voltages of so many slots from a day on."""
        shape = (len(self.device_index), slots)
        low, high = np.full(shape, np.nan), np.full(shape, np.nan)
        for day, found in self.days.items():
            begin = (day - first_day) * self.per_day
            here, there = matched(self.device_index, found.device_index)
            stop = min(begin + self.per_day, slots)
            if stop > begin >= 0:
                for into, values in zip((low, high), voltages(found), strict=True):
                    into[here, begin:stop] = values[there, : stop - begin]
        return Measures(low, high)


class GridBook:
    """Reads.

    Args:
        recall: the memos.
        roster: which groups there are.
    """

    def __init__(self, recall: RecallsMemos, roster: Roster) -> None:
        self._recall, self._roster = recall, roster

    def groups(
        self, first_day: int, stop_day: int, only: Container[str] | None = None
    ) -> Iterator[GroupDays]:
        """Yield every group that has one of the days, or those of some profiles."""
        sends = self._roster.profile_of.items()
        for profile, group in sorted({(name, index // GROUP) for index, name in sends}):
            if only is not None and profile not in only:
                continue
            memos = self._recall.memos(DOMAIN, memo_name(profile, group), first_day, stop_day)
            found = [day for one in memos if (day := unpack_day(one.data)) is not None]
            if found:
                device_index = np.unique(np.concatenate([day.device_index for day in found]))
                days = {day.day: day for day in found}
                yield GroupDays(profile, found[0].interval_ms, device_index, days)
