"""What a day of load comes to: sums and counts that add up over days."""

from typing import NamedTuple

import numpy as np

from gateway.energy.load.policy import LoadPolicy
from gateway.energy.series import Window
from gateway.model import FloatArray, IntArray

BIN_PU, BINS = 0.01, 251  # loading by percent; the last bin holds 250 % and more
VOLT_LOW, VOLT_BIN_PU, VOLT_BINS = 0.75, 0.005, 101  # 75 % to 125 % of the nominal voltage
_MS_PER_HOUR = 3_600_000
_NEVER_MS = -(1 << 62)


class Course(NamedTuple):
    """Mean powers of nodes (transformers or feeders), (nodes, slots); NaN = not known."""

    active_w: FloatArray  # into the node; negative = it feeds back
    reactive_var: FloatArray  # NaN where not measured
    current_a: FloatArray  # (3, nodes, slots); NaN where not measured
    start_ms: int
    interval_ms: int


class Tally(NamedTuple):
    """Sums of a day or of several, (nodes,), and histograms (nodes, bins)."""

    slots: IntArray  # there should have been so many
    known: IntArray  # slots with a known power
    loading: IntArray  # histogram in steps of BIN_PU
    hours: FloatArray  # of those
    import_wh: FloatArray
    export_wh: FloatArray  # fed back
    apparent_vah: FloatArray
    measured_wh: FloatArray  # |P| where Q is known too
    reactive_varh: FloatArray  # Q there, inductive positive
    peak_va: FloatArray
    peak_ms: IntArray
    reverse_peak_w: FloatArray
    phase_ah: FloatArray  # (nodes, 3)
    phase_a2h: FloatArray  # (nodes, 3): what copper losses go with
    mean_a2h: FloatArray  # as if the phases were equal
    excess_ah: FloatArray  # largest phase above the mean
    voltage: IntArray  # histogram of the meters below, in steps of VOLT_BIN_PU


def course_of(window: Window) -> Course:
    """Return the course of a window whose meters are those of the nodes.

    Powers come from the registers, which are exact means; without them from the gauge.
    """
    hours = window.interval_ms / _MS_PER_HOUR
    gauge = window.power_w[:, 1:]
    registers = np.diff(window.import_wh, axis=1) - np.nan_to_num(np.diff(window.export_wh, axis=1))
    active = np.where(np.isfinite(registers), registers / hours, gauge)
    reactive = np.full(active.shape, np.nan)
    if window.reactive_import_varh is not None and window.reactive_export_varh is not None:
        reactive = np.diff(window.reactive_import_varh, axis=1)
        reactive = (reactive - np.nan_to_num(np.diff(window.reactive_export_varh, axis=1))) / hours
    current = np.full((3, *active.shape), np.nan)
    if window.phases is not None:
        current = window.phases.current_a[:, :, 1:]
    return Course(active, reactive, current, window.start_ms, window.interval_ms)


def apparent_va(course: Course) -> FloatArray:
    """Return apparent power; where reactive power is not known, the active alone."""
    return np.hypot(course.active_w, np.nan_to_num(course.reactive_var))


def tally(course: Course, rating_va: FloatArray, voltage: IntArray | None = None) -> Tally:
    """Sum up some slots.

    Args:
        course: of the nodes.
        rating_va: theirs; NaN where the registry has none: no loading then.
        voltage: of ``voltage_counts``.
    """
    nodes, slots = course.active_w.shape
    hours = course.interval_ms / _MS_PER_HOUR
    active, apparent = course.active_w, apparent_va(course)
    known = np.isfinite(active)
    both = known & np.isfinite(course.reactive_var)
    highest = np.where(known, apparent, -1.0)
    at = highest.argmax(axis=1)
    peak = np.maximum(highest.max(axis=1), 0.0)
    begin_ms = course.start_ms + at * course.interval_ms

    def summed(values: FloatArray) -> FloatArray:
        return np.asarray(np.nansum(values, axis=-1) * hours)

    amps = np.where(np.isfinite(course.current_a).all(axis=0), course.current_a, np.nan)
    mean = amps.sum(axis=0) / 3
    return Tally(
        np.full(nodes, slots, np.int64),
        known.sum(axis=1),
        _loading(apparent, rating_va),
        known.sum(axis=1) * hours,
        summed(np.maximum(active, 0)),
        summed(np.maximum(-active, 0)),
        summed(apparent),
        summed(np.where(both, np.abs(active), np.nan)),
        summed(np.where(both, course.reactive_var, np.nan)),
        peak,
        np.where(known.any(axis=1), begin_ms, _NEVER_MS),
        np.maximum(np.where(known, -active, 0.0).max(axis=1), 0.0),
        summed(amps).T,
        summed(amps**2).T,
        summed(mean**2),
        summed(amps.max(axis=0) - mean),
        np.zeros((nodes, VOLT_BINS), np.int64) if voltage is None else voltage,
    )


def joined(days: list[Tally]) -> Tally:
    """Return the tally of several days of the same nodes; of equal peaks the first stays."""
    peaks = np.stack([day.peak_va for day in days])
    first = peaks.argmax(axis=0)
    node = np.arange(peaks.shape[1])
    total = [np.sum(column, axis=0) for column in zip(*days, strict=True)]
    return Tally(*total)._replace(
        peak_va=peaks[first, node],
        peak_ms=np.stack([day.peak_ms for day in days])[first, node],
        reverse_peak_w=np.max([day.reverse_peak_w for day in days], axis=0),
    )


def voltage_counts(low_pu: FloatArray, high_pu: FloatArray, node: IntArray, nodes: int) -> IntArray:
    """Return how often the meters below each node had which voltage, (nodes, bins).

    Args:
        low_pu: lowest phase of each meter and slot, (meters, slots).
        high_pu: highest phase; where it is another, it counts too.
        node: of each meter, −1 = of none.
        nodes: how many there are.
    """
    counts = np.zeros(nodes * VOLT_BINS, np.int64)
    of = np.broadcast_to(node[:, None], low_pu.shape)
    for values, counts_too in ((low_pu, np.True_), (high_pu, high_pu != low_pu)):
        known = np.isfinite(values) & (of >= 0) & counts_too
        place = np.floor((values[known] - VOLT_LOW) / VOLT_BIN_PU + 1e-9).astype(np.int64)
        flat = of[known] * VOLT_BINS + np.clip(place, 0, VOLT_BINS - 1)
        counts += np.bincount(flat, minlength=counts.size)
    return counts.reshape(nodes, VOLT_BINS)


class Overload(NamedTuple):
    """A node above its rating for some slots."""

    node: int
    begin_ms: int
    end_ms: int
    peak_pu: float


def overloads(course: Course, rating_va: FloatArray, policy: LoadPolicy) -> list[Overload]:
    """Return the times when a node was above ``overload_at`` for long enough."""
    with np.errstate(invalid="ignore"):
        loading = apparent_va(course) / rating_va[:, None]
        over = loading >= policy.overload_at
    edges = np.diff(np.pad(over, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    node, begin = np.nonzero(edges == 1)
    _, end = np.nonzero(edges == -1)
    found = []
    for one, first, last in zip(node.tolist(), begin.tolist(), end.tolist(), strict=True):
        if last - first >= policy.overload_slots:
            begin_ms = course.start_ms + first * course.interval_ms
            end_ms = course.start_ms + last * course.interval_ms
            peak = float(loading[one, first:last].max())
            found.append(Overload(one, begin_ms, end_ms, peak))
    return found


def _loading(apparent: FloatArray, rating_va: FloatArray) -> IntArray:
    nodes = len(apparent)
    with np.errstate(invalid="ignore"):
        share = apparent / rating_va[:, None]
    known = np.isfinite(share)
    place = np.floor(np.where(known, share, 0.0) / BIN_PU + 1e-9).astype(np.int64)
    flat = np.arange(nodes)[:, None] * BINS + np.minimum(place, BINS - 1)
    counts = np.bincount(flat[known], minlength=nodes * BINS)
    return np.asarray(counts.reshape(nodes, BINS))
