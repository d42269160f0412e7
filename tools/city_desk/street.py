"""What was true of a street: its registers at all marks, its voltages at all five minutes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from simulators.city.city import City, Size
from simulators.city.frame import Floats, Ints
from simulators.city.grid.layout import NOMINAL_V
from simulators.city.grid.world import Grid
from tools.city_desk.network import Gap
from tools.city_desk.play import DAY_MS

HALF_HOUR_MS, SLOT_MS = 1_800_000, 300_000
_BAND = (0.95, 1.05)  # Circular 39/2015/TT-BCT


class Voltmeter(Grid):
    """A grid in which every voltage is written down."""

    def __init__(self, size: Size) -> None:
        super().__init__(size.seed, size.meters, 0, size.interval_ms)
        self.seen: list[tuple[Floats, Floats]] = []

    @override
    def _enter(self, edges: Ints, *power: object) -> None:
        super()._enter(edges, *power)  # type: ignore[arg-type]  # as it came
        volts: Floats = power[-1][0]  # type: ignore[index]
        with np.errstate(invalid="ignore"):
            pu = np.where(volts > 1, volts / NOMINAL_V, np.nan)
        self.seen.append((np.nanmin(pu, axis=1), np.nanmax(pu, axis=1)))


class StreetTruth:
    """The same street once more: registers at all marks, and voltages of all five minutes."""

    def __init__(self, city: City, size: Size) -> None:
        self.span, grid = city.span, Voltmeter(size)
        grid.apply([one for one in city.scenarios if one.kind in grid.kinds])
        self.roster, self.layout = grid.roster, grid.layout
        marks = (self.span.to_ms - self.span.from_ms) // HALF_HOUR_MS + 1
        self.registers = {name: np.full(marks, np.nan) for name in self.roster.customers}
        for begin_ms in range(self.span.from_ms, self.span.to_ms, DAY_MS):
            step = grid.step(begin_ms, begin_ms + DAY_MS)
            for batch in (one for one in step.readings if one.profile in {"em1", "em3"}):
                self._enter(batch.names, batch.device, batch.time_ms, batch.values[:, 0])
        low, high = (np.concatenate(part, axis=1) for part in zip(*grid.seen, strict=True))
        with np.errstate(invalid="ignore"):
            self.is_out = {"under": low < _BAND[0], "over": high > _BAND[1]}

    def _enter(
        self, names: Sequence[str], device: NDArray[np.int32], time_ms: Ints, wh: Ints
    ) -> None:
        marks = (time_ms - self.span.from_ms) // HALF_HOUR_MS
        for k, mark, value in zip(device.tolist(), marks.tolist(), wh.tolist(), strict=True):
            known = self.registers.get(names[k])
            if known is not None and 0 <= mark < len(known):
                known[mark] = value

    def marks(self, gap: Gap) -> range:
        """Return the marks whose readings are lost."""
        first = -(-(gap.from_ms - self.span.from_ms) // HALF_HOUR_MS)
        return range(first, (gap.to_ms - self.span.from_ms) // HALF_HOUR_MS + 1)

    def slots(self, begin_ms: int, end_ms: int) -> slice:
        """Return the five minutes of a time, and one to each side: clocks are not perfect."""
        first = (begin_ms - self.span.from_ms) // SLOT_MS
        return slice(max(first - 1, 0), max((end_ms - self.span.from_ms) // SLOT_MS + 1, 0))
