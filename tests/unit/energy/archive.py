"""Files of other systems on a real store, with an analyst beside it, without a gateway."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gateway.history import ESTIMATED_STATUS, NO_DATA_STATUS, Row, Series
from gateway.history.against import CORRECTIONS_LOG, grade_of
from gateway.model import NO_SEQ, ReadingBatch, Reason
from gateway.ports import DeviceRow
from gateway.registry import Registry
from tests.unit.energy.desk import PROFILES, Utility
from tests.unit.energy.rig import MONDAY_MS

_ODD = ESTIMATED_STATUS | NO_DATA_STATUS


class Archive:
    """Devices of which only files tell.

    Args:
        folder: for the store.
        names: of the devices.
        registry: what is known of them.
    """

    def __init__(
        self, folder: Path, names: Sequence[str], registry: Registry | None = None
    ) -> None:
        rows = [DeviceRow(k, "evn", "energy", name, 1, MONDAY_MS) for k, name in enumerate(names)]
        self.utility = Utility(folder, len(names), registry, rows)
        self._index = {name: k for k, name in enumerate(names)}
        self._number = 0

    def take(self, series: Series, *, corrects: bool = False) -> None:
        """Store a series as the gateway would: graded by what its source says."""
        rows, count = series.rows, len(series.rows)
        values = np.array([_floats(row) for row in rows])
        status = np.array([row.status for row in rows], np.int64)
        odd = np.where((status & _ODD) != 0, int(Reason.DEVICE_STATUS), 0)
        whole = np.ones(count, np.int64)
        numbers = self._number + 1 + np.arange(count)
        self._number += count if corrects else 0
        self.utility.put(
            ReadingBatch(
                series.profile,
                whole * self._index[series.device],
                whole * (CORRECTIONS_LOG if corrects else 0),
                numbers if corrects else whole * NO_SEQ,
                np.array([row.time_ms for row in rows], np.int64),
                whole * self.utility.now_ms,
                values,
                status,
                np.array([int(grade_of(row)) for row in rows], np.int64),
                int(Reason.LATE) | odd,
                self.utility.next_records(count),
            )
        )


def width(profile: str) -> int:
    """Return the number of columns of a profile."""
    return len(PROFILES[profile].columns)


def _floats(row: Row) -> list[float]:
    return [float("nan") if value is None else float(value) for value in row.values]
