"""Flow conservation and lane shares: who counts too many or too few, though each row looks right.

What passes a station passes its neighbours (D7), and spreads over its lanes as it always did (D8).
One of the two alone does not tell a detector from traffic: a station's share drifts when a lane is
closed, and its sum when a queue fills the road between two stations. A detector that miscounts is
off against all its neighbour stations and against the other lanes of its own, by the same factor.
"""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.transport.health.faults import Change, Fault
from gateway.transport.health.life import Life, begun, live
from gateway.transport.health.policy import Balance, HealthPolicy, Span
from gateway.transport.health.realtime import Knowledge
from gateway.transport.health.usual import QUARTER_MS, Quarters, station_totals
from gateway.transport.series import NOWHERE, Road

_NONE = -1
_LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 34, 48, 68)  # quarters back that a fault may have begun
_CLEAR_MARGIN = 0.5  # what the other lanes may be off by, of what a closed lane would do to them


class Off(NamedTuple):
    """How far the lanes are off over a span, (lanes,); NaN where nothing can be said."""

    factor: FloatArray  # against the neighbours: of the two the one nearer to 1
    sigmas: FloatArray  # its distance from 1
    share_factor: FloatArray  # against the other lanes of its station
    share_sigmas: FloatArray
    others: FloatArray  # the other lanes against the neighbours
    length: FloatArray  # of its vehicles, over the usual one
    share: FloatArray  # the usual one, mean over the span


class BalanceState(NamedTuple):
    """What is kept over a restart."""

    life: Life
    fresh_ms: FloatArray  # (lanes,) what was counted before does not speak any more: it is repaired


def new_balance(lanes: int) -> BalanceState:
    """Return the state of detectors that were never judged."""
    return BalanceState(begun(lanes), np.zeros(lanes))


def weigh(
    state: BalanceState, newest: Quarters, road: Road, known: Knowledge, policy: HealthPolicy
) -> tuple[BalanceState, list[Change]]:
    """Judge at the end of a quarter of an hour.

    Args:
        state: after the quarter before; not changed.
        newest: the last day's quarters up to now, as far as there are any.
        road: where the lanes are.
        known: what was learned up to the day before.
        policy: spans and limits.
    """
    raised, is_right = _found(state, newest, road, known, policy)
    active = state.life.is_active()
    # one miscount has one name: what stands already goes on
    is_new = (raised != _NONE) & ~active.any(axis=0)
    begin_ms, factor = np.zeros(len(is_new)), np.full(len(is_new), np.nan)
    if is_new.any():
        begin_ms, factor = _since(state, newest, road, known, policy)
    is_true = active & ~is_right
    is_true[raised[is_new], np.flatnonzero(is_new)] = True
    onset = np.where(active, state.life.onset_ms, begin_ms.astype(np.int64))
    value = np.broadcast_to(factor, active.shape)
    life, changes = live(
        state.life._replace(onset_ms=onset), newest.end_ms, is_true, value, hold_ms=0
    )
    repaired = active.any(axis=0) & ~life.is_active().any(axis=0)
    fresh = np.where(repaired, newest.end_ms, state.fresh_ms)
    return BalanceState(life, fresh), changes


def _found(
    state: BalanceState, newest: Quarters, road: Road, known: Knowledge, policy: HealthPolicy
) -> tuple[IntArray, BoolArray]:
    """Return the fault of each lane, the shortest span first, and who is right in the shortest."""
    raised = np.full(len(road.device_index), _NONE)
    is_right = np.zeros(len(raised), np.bool_)
    for span in policy.balance.span:
        part = newest.last(span.quarters)
        off = measure(part, state.fresh_ms, road, known, policy)
        for fault, found in verdict(off, span, policy.balance).items():
            raised[found & (raised == _NONE)] = int(fault)
        if span is policy.balance.span[0]:
            is_right = _is_right(off, span, policy.balance)
    return raised, is_right


def _since(
    state: BalanceState, newest: Quarters, road: Road, known: Knowledge, policy: HealthPolicy
) -> tuple[FloatArray, FloatArray]:
    """Return since when each lane is off, most likely, and by which factor."""
    best, begin_ms = np.zeros(len(road.device_index)), np.zeros(len(road.device_index))
    factor = np.full(len(best), np.nan)
    for length in _LENGTHS:
        part = newest.last(length)
        off = measure(part, state.fresh_ms, road, known, policy)
        sure = np.nan_to_num(np.minimum(np.abs(off.sigmas), np.abs(off.share_sigmas)))
        better = sure > best
        best = np.where(better, sure, best)
        begin_ms = np.where(better, np.maximum(part.start_ms, state.fresh_ms), begin_ms)
        factor = np.where(better, off.factor, factor)
    return begin_ms, factor


def measure(
    part: Quarters,
    begin_ms: FloatArray,
    road: Road,
    known: Knowledge,
    policy: HealthPolicy,
) -> Off:
    """Return how far each lane is off over some quarters of an hour.

    Args:
        part: the quarters.
        begin_ms: (lanes,) quarters before do not count.
        road: where the lanes are.
        known: usual shares, ratios and lengths.
        policy: hours of the day, dispersion.
    """
    limits, hour = policy.balance, part.hour(policy)
    start_ms = part.start_ms + QUARTER_MS * np.arange(part.vehicles.shape[1])
    use = part.is_whole & (start_ms >= begin_ms[:, None])
    use &= (hour >= limits.from_hour) & (hour < limits.to_hour)
    total, is_total = station_totals(part.vehicles, part.is_whole, road)
    at = np.where(road.station == NOWHERE, len(road.stations), road.station)
    share = known.share[:, hour]
    use &= is_total[at] & np.isfinite(share)
    sums = _Sums(use, np.nan_to_num(share), part.vehicles, total[at] - part.vehicles)
    sides = []
    for side, neighbour in enumerate((road.upstream, road.downstream)):
        other = np.where(neighbour == NOWHERE, len(road.stations), neighbour)
        lets = known.ratio[side][:, hour] * total[other]
        seen = np.append(is_total[other] & np.isfinite(lets), np.zeros((1, len(hour))), axis=0)
        lets = np.append(np.nan_to_num(lets), np.zeros((1, len(hour))), axis=0)
        sides.append(_side(sums, seen[at] > 0, lets[at], limits))
    return _combined(sums, sides, part, known, limits)


def verdict(off: Off, span: Span, limits: Balance) -> dict[Fault, BoolArray]:
    """Return who miscounts, and how."""
    both = np.minimum(off.factor, off.share_factor), np.maximum(off.factor, off.share_factor)
    sure = np.minimum(off.sigmas, off.share_sigmas), np.maximum(off.sigmas, off.share_sigmas)
    with np.errstate(divide="ignore", invalid="ignore"):
        closed = np.abs(off.share * (off.factor - 1) / (1 - off.share))
    own = ~(np.abs(off.others - 1) > _CLEAR_MARGIN * closed)
    over = own & (both[0] >= 1 + span.limit) & (sure[0] >= limits.sigmas)
    under = own & (both[1] <= 1 - span.limit) & (sure[1] <= -limits.sigmas)
    heard = over & (off.length >= limits.cross_talk_length) & (off.share < 1)
    return {Fault.OVER_COUNT: over & ~heard, Fault.UNDER_COUNT: under, Fault.CROSS_TALK: heard}


class _Sums(NamedTuple):
    """Quarters that count, of lanes."""

    use: BoolArray
    share: FloatArray
    vehicles: FloatArray
    others: FloatArray  # vehicles of the other lanes of the station


class _Side(NamedTuple):
    """A span against one neighbour, (lanes,)."""

    factor: FloatArray
    sigmas: FloatArray
    others: FloatArray


def _side(sums: _Sums, seen: BoolArray, lets: FloatArray, limits: Balance) -> _Side:
    use = sums.use & seen
    due = (use * sums.share * lets).sum(axis=1)
    count = (use * sums.vehicles).sum(axis=1)
    share = np.divide(due, (use * lets).sum(axis=1), out=np.ones_like(due), where=due > 0)
    enough = due >= limits.min_vehicles
    factor = _over(count, due, enough)
    # chance: how vehicles choose lanes, and what enters and leaves between the stations
    spread = np.sqrt(limits.dispersion * due * (1 + share))
    sigmas = _over(count - due, spread, enough)
    rest = (use * (1 - sums.share) * lets).sum(axis=1)
    others = _over((use * sums.others).sum(axis=1), rest, enough & (rest > 0))
    return _Side(factor, sigmas, others)


def _combined(
    sums: _Sums, sides: list[_Side], part: Quarters, known: Knowledge, limits: Balance
) -> Off:
    factors = np.stack([side.factor for side in sides])
    nearer = np.where(np.isfinite(factors), np.abs(np.log(np.maximum(factors, 1e-9))), np.inf)
    pick = np.argmin(nearer, axis=0)
    lane = np.arange(factors.shape[1])
    sigmas = np.stack([side.sigmas for side in sides])[pick, lane]
    others = np.stack([side.others for side in sides])[pick, lane]
    # the neighbours must agree on the direction
    agree = ~((factors > 1).any(axis=0) & (factors < 1).any(axis=0))
    count = (sums.use * sums.vehicles).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        lets = sums.use * sums.others * sums.share / (1 - sums.share)
    due = np.nan_to_num(lets, posinf=0.0).sum(axis=1)
    slots = sums.use.sum(axis=1)
    share = _over((sums.use * sums.share).sum(axis=1), slots, slots > 0)
    alone = share >= 1
    enough = due >= limits.min_vehicles
    spread = np.sqrt(limits.dispersion * due / np.maximum(1 - share, 1e-9))
    factor = np.where(agree, factors[pick, lane], 1.0)
    return Off(
        factor,
        sigmas,
        np.where(alone, factor, _over(count, due, enough)),
        np.where(alone, sigmas, _over(count - due, spread, enough)),
        np.where(alone, 1.0, others),
        _length(sums.use, part, known),
        share,
    )


def _length(use: BoolArray, part: Quarters, known: Knowledge) -> FloatArray:
    counted = (use * part.counted).sum(axis=1)
    now = _over((use * part.metres).sum(axis=1), counted, counted > 0)
    return _over(now, known.length_m, known.length_m > 0)


def _is_right(off: Off, span: Span, limits: Balance) -> BoolArray:
    near = limits.clear_share * span.limit
    right: BoolArray = (np.abs(off.factor - 1) < near) & (np.abs(off.share_factor - 1) < near)
    return right


def _over(part: FloatArray, whole: FloatArray | IntArray, where: BoolArray) -> FloatArray:
    ratio: FloatArray = np.divide(part, whole, out=np.full(len(part), np.nan), where=where)
    return ratio
