"""What the rooms of energy work on: closed intervals of many meters as columns.

A window has *marks* and *slots*. Mark ``k`` is the moment ``start_ms + k x interval_ms``; slot
``k`` lies between the marks ``k`` and ``k + 1``. Meters send registers at marks, so a window of
``n`` slots has ``n + 1`` marks, and every column has the shape (meters, n + 1). A gauge at a mark
belongs to the slot that ends there. Not measured is NaN; no reading at all is ``MISSING``.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.model import BoolArray, FloatArray, IntArray, Quality

PHASES = 3
Milder = Callable[[FloatArray, FloatArray], FloatArray]  # np.fmin, np.fmax


@dataclass(frozen=True, slots=True)
class Phases:
    """Gauges of each phase, shape (3, meters, marks); NaN for meters of one phase."""

    power_w: FloatArray
    voltage_v: FloatArray
    current_a: FloatArray


@dataclass(frozen=True, slots=True)
class Window:
    """Marks of many meters; the row of a meter is its place in ``device_index``."""

    device_index: IntArray  # (meters,), as in the registry and the store
    start_ms: int
    interval_ms: int
    import_wh: FloatArray  # registers, as the meter showed them: may roll over, fall, be NaN
    export_wh: FloatArray
    power_w: FloatArray  # import positive
    voltage_v: FloatArray  # of the only phase, or the mean of the three
    current_a: FloatArray  # of the only phase, or the sum of the three
    power_factor: FloatArray
    quality: IntArray  # model.Quality
    reasons: IntArray  # model.Reason bits
    status: IntArray  # AMR status byte, validate.Status
    reactive_import_varh: FloatArray | None = None  # registers; None where no meter has them
    reactive_export_varh: FloatArray | None = None
    reactive_power_var: FloatArray | None = None  # gauge, inductive positive
    frequency_hz: FloatArray | None = None
    phases: Phases | None = None
    rates_wh: FloatArray | None = None  # (rates, meters, marks): the meter's own tariff registers
    late_ms: FloatArray | None = None  # received less time; NaN where not live, or by our own clock

    @property
    def meters(self) -> int:
        """Return the number of meters."""
        return len(self.device_index)

    @property
    def slots(self) -> int:
        """Return the number of intervals."""
        return int(self.import_wh.shape[1]) - 1

    @property
    def end_ms(self) -> int:
        """Return the last mark."""
        return self.start_ms + self.slots * self.interval_ms

    def mark_ms(self) -> IntArray:
        """Return the time of every mark."""
        return self.start_ms + self.interval_ms * np.arange(self.slots + 1, dtype=np.int64)

    def slot_ms(self) -> IntArray:
        """Return the beginning of every slot."""
        return self.mark_ms()[:-1]

    def is_present(self) -> BoolArray:
        """Return at which marks there is a reading, (meters, marks)."""
        present: BoolArray = self.quality != int(Quality.MISSING)
        return present

    def take(self, meters: IntArray | BoolArray) -> "Window":
        """Return the window of some meters, in the order of ``meters`` (places or mask)."""
        made = self._each(lambda column: column[..., meters, :])
        return replace(made, device_index=self.device_index[meters])

    def part(self, first: int, stop: int) -> "Window":
        """Return the marks from ``first`` to before ``stop``; views, not copies."""
        made = self._each(lambda column: column[..., first:stop])
        return replace(made, start_ms=self.start_ms + first * self.interval_ms)

    def _each(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> "Window":
        """Return the window with another version of every column of marks."""
        changed: dict[str, object] = {}
        for field in fields(self):
            column = getattr(self, field.name)
            if isinstance(column, Phases):
                layers = (column.power_w, column.voltage_v, column.current_a)
                changed[field.name] = Phases(*(change(layer) for layer in layers))
            elif isinstance(column, np.ndarray) and column.ndim > 1:
                changed[field.name] = change(column)
        return replace(self, **changed)  # type: ignore[arg-type]  # one value for each of its fields


def empty_window(
    device_index: IntArray, start_ms: int, interval_ms: int, slots: int, *, phases: bool = False
) -> Window:
    """Return a window without a reading, to be filled in place.

    Args:
        device_index: one row each.
        start_ms: mark 0; a multiple of the interval.
        interval_ms: length of a slot.
        slots: how many.
        phases: also make the columns that only meters of three phases have.
    """
    if start_ms % interval_ms:
        raise ValueError(f"{start_ms} is no multiple of {interval_ms}")
    shape = (len(device_index), slots + 1)

    def blank() -> FloatArray:
        return np.full(shape, np.nan)

    def blank_phases() -> FloatArray:
        return np.full((PHASES, *shape), np.nan)

    return Window(
        device_index,
        start_ms,
        interval_ms,
        import_wh=blank(),
        export_wh=blank(),
        power_w=blank(),
        voltage_v=blank(),
        current_a=blank(),
        power_factor=blank(),
        quality=np.full(shape, int(Quality.MISSING), np.int64),
        reasons=np.zeros(shape, np.int64),
        status=np.zeros(shape, np.int64),
        reactive_import_varh=blank() if phases else None,
        reactive_export_varh=blank() if phases else None,
        reactive_power_var=blank() if phases else None,
        frequency_hz=blank() if phases else None,
        phases=Phases(blank_phases(), blank_phases(), blank_phases()) if phases else None,
        late_ms=blank(),
    )


class Meters(NamedTuple):
    """What the registry knows of each meter, row for row as in a window."""

    phase_count: IntArray  # 1 or 3
    nominal_v: FloatArray  # phase to neutral
    max_current_a: FloatArray  # of each phase
    rollover_wh: FloatArray  # a register begins again at zero here; inf where it never does
    resolution_wh: FloatArray  # one step of the last digit
    is_prosumer: BoolArray  # registered to feed in
    is_connected: BoolArray  # False: switched off by the utility
    transformer: IntArray  # place of its transformer among those the caller numbers; -1 unknown

    def take(self, meters: IntArray | BoolArray) -> "Meters":
        """Return some of them."""
        return Meters._make(column[meters] for column in self)


def bridge(values: FloatArray, most: int, milder: Milder) -> FloatArray:
    """Return rows of values with gaps of up to ``most`` closed by the milder of their ends."""
    known = np.isfinite(values)
    slot = np.arange(values.shape[1])
    left = np.maximum.accumulate(np.where(known, slot, -1), axis=1)
    right = np.minimum.accumulate(np.where(known, slot, slot.size)[:, ::-1], axis=1)[:, ::-1]
    is_gap = (right - left - 1 <= most) & (left >= 0) & (right < slot.size) & ~known
    row, place = np.nonzero(is_gap)
    filled = values.copy()
    filled[is_gap] = milder(values[row, left[row, place]], values[row, right[row, place]])
    return filled
