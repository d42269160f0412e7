"""What came into the store of devices at the road, once they have a name."""

import numpy as np

from gateway.model import ReadingBatch
from gateway.ports import Changes
from gateway.store import StoreReader
from gateway.transport.engine.roadside import PROFILES
from gateway.transport.engine.roster import LANES, Roster

SECTORS = ("transport", "env")
HEARD = PROFILES | {LANES}


class News:
    """Takes in what the analyst hands over.

    Args:
        reader: it has the names.
        roster: who is known; it learns.
    """

    def __init__(self, reader: StoreReader, roster: Roster) -> None:
        self._reader, self._roster = reader, roster
        self._top = -1  # highest device index that the store has told a name of
        # rows that are visible already of devices that the next checkpoint will name
        self.unmet: list[ReadingBatch] = []

    def learn_names(self) -> None:
        """Ask the store who there is."""
        rows = self._reader.devices()
        self._roster.take(row for row in rows if row.sector in SECTORS)
        self._top = max((row.device_index for row in rows), default=-1)

    def take(self, changes: Changes) -> tuple[list[ReadingBatch], bool]:
        """Return the rows of devices with a name, and whether a device sends what it never did."""
        ours = [one for one in (*self.unmet, *(changes.readings or ())) if one.profile in HEARD]
        highest = max((int(one.device_index.max(initial=-1)) for one in ours), default=-1)
        if highest > self._top or changes.readings is None:
            self.learn_names()
        met = [one.take(one.device_index <= self._top) for one in ours]
        unmet = [one.take(one.device_index > self._top) for one in ours]
        self.unmet = [one for one in unmet if len(one)]
        is_new = [self._roster.sends(one.device_index, one.profile) for one in met]
        if changes.readings is None:
            for row in self._reader.latest():
                self._roster.sends(np.array([row.device_index]), row.profile)
        return [one for one in met if len(one)], any(is_new)
