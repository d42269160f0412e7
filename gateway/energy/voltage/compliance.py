"""Which share of a week's values kept the limits: by meter, transformer, feeder."""

from typing import NamedTuple

import numpy as np

from gateway.energy.series import PHASES, Window
from gateway.energy.voltage.policy import Rule, VoltagePolicy
from gateway.model import FloatArray, IntArray

_PSTS = 12  # of ten minutes in two hours
_TURN = np.exp(2j * np.pi / PHASES)


class Measures(NamedTuple):
    """Ten-minute values (or of the meter's interval) of meters, (meters, slots); NaN = not known.

    Of several phases the lowest and the highest count: all must keep the limits.
    """

    voltage_low_pu: FloatArray
    voltage_high_pu: FloatArray
    frequency_hz: FloatArray | None = None
    unbalance: FloatArray | None = None  # U2/U1
    thd: FloatArray | None = None  # the worst phase
    plt: FloatArray | None = None

    @property
    def slots(self) -> int:
        """Return how many values each meter has."""
        return int(self.voltage_low_pu.shape[1])

    def of(self, rule: Rule) -> tuple[FloatArray, FloatArray] | None:
        """Return the lowest and highest values that a rule judges."""
        if rule.quantity == "voltage_pu":
            return self.voltage_low_pu, self.voltage_high_pu
        values: FloatArray | None = getattr(self, rule.quantity)
        return None if values is None else (values, values)


class Tally(NamedTuple):
    """Counts of a day or of several, (meters, rules) and (meters,)."""

    values: IntArray  # known
    inside: IntArray
    slots: IntArray  # there should have been so many values
    lowest_pu: FloatArray  # inf where never known
    highest_pu: FloatArray


class Compliance(NamedTuple):
    """The verdict on each meter or node and rule; −1 in ``holds`` where too little is known."""

    share: FloatArray  # of values inside; NaN where none is known
    coverage: FloatArray
    holds: IntArray  # 1 kept, 0 broken, −1 unknown
    lowest_pu: FloatArray
    highest_pu: FloatArray


def measures_of(window: Window, nominal_v: FloatArray) -> Measures:
    """Return the measures of a window of meters; a gauge belongs to the slot before its mark."""
    low = high = window.voltage_v[:, 1:]
    unbalanced = None
    if window.phases is not None:
        three = window.phases.voltage_v[:, :, 1:]
        low = np.fmin(low, np.fmin.reduce(three, axis=0))
        high = np.fmax(high, np.fmax.reduce(three, axis=0))
        unbalanced = unbalance(three)
    frequency = None if window.frequency_hz is None else window.frequency_hz[:, 1:]
    by = nominal_v[:, None]
    return Measures(low / by, high / by, frequency, unbalanced)


def unbalance(phases_v: FloatArray) -> FloatArray:
    """Return U2/U1 of magnitudes, (3, …), taking the angles between them as 120 degrees."""
    a, b, c = phases_v
    positive = np.abs(a + b + c)
    negative = np.abs(a + _TURN * b + _TURN.conjugate() * c)
    bad = np.full_like(positive, np.nan)
    return np.asarray(np.divide(negative, positive, out=bad, where=positive > 0))


def long_flicker(short: FloatArray) -> FloatArray:
    """Return Plt of the two hours that end with each value of Pst, IEC 61000-4-15: ∛(ΣPst³/12)."""
    cubes = np.cumsum(np.pad(short**3, ((0, 0), (1, 0))), axis=1)
    found = np.full(short.shape, np.nan)
    found[:, _PSTS - 1 :] = np.cbrt((cubes[:, _PSTS:] - cubes[:, :-_PSTS]) / _PSTS)
    return found


def tally(measures: Measures, policy: VoltagePolicy) -> Tally:
    """Count the values of some slots under every rule."""
    shape = (len(measures.voltage_low_pu), len(policy.rule))
    values, inside = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for place, rule in enumerate(policy.rule):
        bounds = measures.of(rule)
        if bounds is None:
            continue
        low, high = bounds
        known = np.isfinite(low) & np.isfinite(high)
        values[:, place] = known.sum(axis=1)
        inside[:, place] = ((low >= rule.low) & (high <= rule.high) & known).sum(axis=1)
    return Tally(
        values,
        inside,
        np.full(shape[0], measures.voltage_low_pu.shape[1], np.int64),
        np.fmin.reduce(measures.voltage_low_pu, axis=1, initial=np.inf),
        np.fmax.reduce(measures.voltage_high_pu, axis=1, initial=-np.inf),
    )


def joined(tallies: list[Tally]) -> Tally:
    """Return the tally of several days of the same meters."""
    return Tally(
        np.sum([one.values for one in tallies], axis=0),
        np.sum([one.inside for one in tallies], axis=0),
        np.sum([one.slots for one in tallies], axis=0),
        np.min([one.lowest_pu for one in tallies], axis=0),
        np.max([one.highest_pu for one in tallies], axis=0),
    )


def compliance(week: Tally, policy: VoltagePolicy) -> Compliance:
    """Judge each meter under each rule."""
    share = np.full(week.values.shape, np.nan)
    np.divide(week.inside, week.values, out=share, where=week.values > 0)
    coverage = week.values / np.maximum(week.slots, 1)[:, None]
    wanted = np.array([rule.share for rule in policy.rule])
    with np.errstate(invalid="ignore"):
        holds = np.where(coverage >= policy.min_coverage, (share >= wanted).astype(np.int64), -1)
    return Compliance(share, coverage, holds, week.lowest_pu, week.highest_pu)


def of_nodes(
    week: Tally, meters: Compliance, node: IntArray, nodes: int
) -> tuple[Compliance, FloatArray]:
    """Return compliance of transformers or feeders, and the share of their meters that comply.

    A node keeps a rule where all meters that can be judged keep it; ``share`` is of all values.
    """
    has = node >= 0
    where = node[has]

    def summed(values: IntArray) -> FloatArray:
        total = np.zeros((nodes, values.shape[1]))
        np.add.at(total, where, values[has])
        return total

    slots = np.broadcast_to(week.slots[:, None], week.values.shape)
    values, inside, of = summed(week.values), summed(week.inside), summed(slots)
    kept, broken = summed(meters.holds == 1), summed(meters.holds == 0)
    judged = kept + broken
    nothing = np.full(values.shape, np.nan)
    share = np.divide(inside, values, out=nothing.copy(), where=values > 0)
    keeping = np.divide(kept, judged, out=nothing, where=judged > 0)
    holds = np.where(judged > 0, (broken == 0).astype(np.int64), -1)
    lowest, highest = np.full(nodes, np.inf), np.full(nodes, -np.inf)
    np.minimum.at(lowest, where, week.lowest_pu[has])
    np.maximum.at(highest, where, week.highest_pu[has])
    coverage = values / np.maximum(of, 1)
    return Compliance(share, coverage, holds, lowest, highest), keeping
