"""What the grid wants to know of a local day of some devices: voltages, powers, what rules mind.

A memo beside that of the bill, small enough to be read again for a week: courses of voltage in
2 bytes a value, counts under every rule of the norm, and of instruments the course of the power.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.columns import pack_columns, unpack_columns
from gateway.energy import load, vee, voltage
from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.days.pieces import Piece
from gateway.energy.series import Window
from gateway.energy.voltage import Measures, Tally, VoltagePolicy
from gateway.model import BoolArray, FloatArray, IntArray, Reason

_VERSION = 1
_REVERSE = 1
_COURSE = ("active_w", "reactive_var", "current_a")
PU_STEP = 1 / 40_000  # finer than 0.1 V, and up to 1.6 times the nominal voltage
_UNKNOWN = 65_535
MINDED = (Reason.INACTIVE_USE, Reason.REVERSE, Reason.PROLONGED_ESTIMATION)  # V13, V15, V20
Codes = NDArray[np.uint16]


class Minded(NamedTuple):
    """Slots of a day that a rule of ``MINDED`` minds, (meters, rules)."""

    first: IntArray  # slot; −1 = none
    last: IntArray
    slots: IntArray  # how many
    energy_wh: FloatArray  # in those slots: used, or for V15 fed in


class GridDay(NamedTuple):
    """One day of the devices of a piece, row by row."""

    day: int
    interval_ms: int
    slots: int  # of the day so far
    device_index: IntArray  # ascending
    low: Codes  # lowest phase, (devices, slots of a day)
    high: Codes
    tally: Tally  # of the slots so far
    dips: IntArray  # (devices, 2) sags and swells that a recorder counted
    minded: Minded
    course_index: IntArray  # devices that measure a node of the grid
    course: load.Course | None  # what went through them


def memo_name(profile: str, group: int) -> str:
    """Return the name of the memos of a group."""
    return f"grid/{profile}/{group}"


def grid_day(
    piece: Piece,
    window: Window,
    found: vee.Intervals | None,
    is_instrument: BoolArray,
    policy: VoltagePolicy,
) -> GridDay:
    """Return the day of a window that begins with it; ``found`` is of the same meters."""
    course = load.course_of(window.take(is_instrument)) if is_instrument.any() else None
    nothing = np.zeros((window.meters, 2), np.int64)
    more = (nothing, _minded(found, window), window.device_index[is_instrument], course)
    return made(piece, window, measured(window, policy), policy, more)


def measured(window: Window, policy: VoltagePolicy) -> Measures:
    """Return what a norm judges of a window; a phase without power has no voltage."""
    nominal_v = np.full(window.meters, policy.nominal_v)
    return voltage.measures_of(_with_power(window, policy), nominal_v)


def made(
    piece: Piece,
    window: Window,
    measures: Measures,
    policy: VoltagePolicy,
    more: tuple[IntArray, Minded, IntArray, load.Course | None],
) -> GridDay:
    """Return the day of a window with measures of one's own; ``more`` is what else is kept."""
    per_day = DAY_MS // window.interval_ms
    return GridDay(
        piece.day,
        window.interval_ms,
        window.slots,
        window.device_index,
        _coded(measures.voltage_low_pu, per_day),
        _coded(measures.voltage_high_pu, per_day),
        voltage.tally(measures, policy),
        *more,
    )


def no_rules(devices: int) -> Minded:
    """Return what is minded of devices that no rule looks at."""
    nothing = np.zeros((devices, len(MINDED)), np.int64)
    return Minded(nothing - 1, nothing - 1, nothing, np.zeros(nothing.shape))


def voltages(of: GridDay) -> tuple[FloatArray, FloatArray]:
    """Return lowest and highest voltages, (devices, slots of a day), NaN = unknown."""
    return _decoded(of.low), _decoded(of.high)


def pack_day(of: GridDay) -> bytes:
    """Return it as bytes."""
    columns: dict[str, NDArray[Any]] = {
        "device_index": of.device_index,
        "course_index": of.course_index,
        "low": of.low,
        "dips": of.dips,
    }
    if not np.array_equal(of.low, of.high):
        columns["high"] = of.high
    columns |= {f"tally.{name}": column for name, column in of.tally._asdict().items()}
    columns |= {f"minded.{name}": column for name, column in of.minded._asdict().items()}
    if of.course is not None:
        for name in _COURSE:
            columns[f"course.{name}"] = getattr(of.course, name).astype(np.float32)
    more = {"day": of.day, "interval_ms": of.interval_ms, "slots": of.slots}
    start_ms = of.course.start_ms if of.course is not None else 0
    indexes = ("device_index", "course_index")
    small = {name: one if name in indexes else _narrow(one) for name, one in columns.items()}
    return pack_columns(small, version=_VERSION, start_ms=start_ms, **more)


def unpack_day(data: bytes) -> GridDay | None:
    """Return it, None where another version of the program wrote it."""
    columns, body = unpack_columns(data)
    if body["version"] != _VERSION:
        return None
    course = None
    if "course.active_w" in columns:
        active, reactive, current = (
            columns[f"course.{name}"].astype(np.float64) for name in _COURSE
        )
        times = (body["start_ms"], body["interval_ms"])
        course = load.Course(active, reactive, current, *times)
    return GridDay(
        body["day"],
        body["interval_ms"],
        body["slots"],
        columns["device_index"],
        columns["low"],
        columns.get("high", columns["low"]),
        Tally._make(_wide(columns[f"tally.{name}"]) for name in Tally._fields),
        _wide(columns["dips"]),
        Minded._make(_wide(columns[f"minded.{name}"]) for name in Minded._fields),
        columns["course_index"],
        course,
    )


def _with_power(window: Window, policy: VoltagePolicy) -> Window:
    """Return a window in which a phase without power has no voltage, rather than a low one."""

    def known(volts: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore"):
            return np.where(volts < policy.interruption_pu * policy.nominal_v, np.nan, volts)

    if window.phases is None:
        return replace(window, voltage_v=known(window.voltage_v))
    phases = replace(window.phases, voltage_v=known(window.phases.voltage_v))
    # the mean of three phases says nothing that they do not
    return replace(window, voltage_v=np.full_like(window.voltage_v, np.nan), phases=phases)


def _minded(found: vee.Intervals | None, window: Window) -> Minded:
    if found is None:
        return no_rules(window.meters)
    marks = np.stack([(found.reasons & int(rule)) != 0 for rule in MINDED], axis=1)
    count = marks.sum(axis=2)
    is_any = count > 0
    first = np.where(is_any, marks.argmax(axis=2), -1)
    last = np.where(is_any, found.slots - 1 - marks[:, :, ::-1].argmax(axis=2), -1)
    energy = [np.nansum(np.where(marks[:, k], found.import_wh, 0.0), axis=1) for k in range(3)]
    energy[_REVERSE] = np.nansum(np.where(marks[:, _REVERSE], found.export_wh, 0.0), axis=1)
    return Minded(first, last, count, np.stack(energy, axis=1))


def _coded(values_pu: FloatArray, per_day: int) -> Codes:
    codes = np.full((len(values_pu), per_day), _UNKNOWN, np.uint16)
    known = np.isfinite(values_pu)
    steps = np.rint(np.where(known, values_pu, 0.0) / PU_STEP)
    codes[:, : values_pu.shape[1]] = np.where(known, np.clip(steps, 0, _UNKNOWN - 1), _UNKNOWN)
    return codes


def _decoded(codes: Codes) -> FloatArray:
    values: FloatArray = np.where(codes == _UNKNOWN, np.nan, codes * PU_STEP)
    return values


def _narrow(column: NDArray[Any]) -> NDArray[Any]:
    if column.dtype == np.int64:
        return column.astype(np.int32)
    return column.astype(np.float32) if column.dtype == np.float64 else column


def _wide(column: NDArray[Any]) -> NDArray[Any]:
    return column.astype(np.int64 if column.dtype == np.int32 else np.float64)
