"""Voltages of some devices at the half hours of days, as they are stored."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.halfhours import SLOTS
from gateway.model import FloatArray, IntArray, Quality, ReadingBatch
from gateway.profiles import Profile
from gateway.units import UNITS
from gateway.views.engineering import engineer

MARK_MS = DAY_MS // SLOTS
_PHASES = (("u_l1", "p_l1"), ("u_l2", "p_l2"), ("u_l3", "p_l3"))
_SINGLE = ("u", "p")


class Reading(Protocol):
    """``store.StoreReader``."""

    def rows_of(
        self, profile: str, devices: tuple[int, int], from_ms: int, to_ms: int
    ) -> Iterator[ReadingBatch]:
        """Yield all rows of a range of devices."""


class Marks(NamedTuple):
    """When values are wanted."""

    start_ms: int
    count: int
    tolerance_ms: int

    @property
    def stop_ms(self) -> int:
        """Return the end of the last one's tolerance."""
        return self.start_ms + (self.count - 1) * MARK_MS + self.tolerance_ms + 1


def columns_at(
    reader: Reading, profile: Profile, device_index: IntArray, names: Sequence[str], marks: Marks
) -> FloatArray:
    """Return columns of devices (ascending) at marks, (columns, devices, marks); NaN = not read."""
    values = np.full((len(names), len(device_index), marks.count), np.nan)
    if not len(device_index):
        return values
    numbers = [profile.column_index(name) for name in names]
    devices = int(device_index[0]), int(device_index[-1])
    span = marks.start_ms - marks.tolerance_ms, marks.stop_ms
    for page in reader.rows_of(profile.name, devices, *span):
        since_ms = page.time_ms - marks.start_ms + marks.tolerance_ms
        mark, off_ms = since_ms // MARK_MS, since_ms % MARK_MS
        row = np.searchsorted(device_index, page.device_index)
        is_ours = device_index[np.minimum(row, len(device_index) - 1)] == page.device_index
        # the grade is of the whole reading; what was refused is no measurement of a voltage
        is_good = page.quality < int(Quality.FAILED)
        use = is_ours & is_good & (off_ms <= 2 * marks.tolerance_ms) & (mark < marks.count)
        for place, number in enumerate(numbers):
            if number is not None:
                column = profile.columns[number]
                shown = engineer(column, page.values[use, number]) * UNITS[column.unit][1]
                values[place, row[use], mark[use]] = shown
    return values


def phase_names(profile: Profile) -> Sequence[tuple[str, str]]:
    """Return the names of voltage and power of each phase that a meter of a profile has."""
    return [_SINGLE] if profile.column_index(_SINGLE[0]) is not None else _PHASES


def by_profile(device_index: IntArray, sends: Mapping[int, str]) -> dict[str, IntArray]:
    """Return devices by what they send, ascending."""
    names = sorted({sends[index] for index in device_index.tolist()})
    return {
        name: np.array(sorted(k for k in device_index.tolist() if sends[k] == name), np.int64)
        for name in names
    }
