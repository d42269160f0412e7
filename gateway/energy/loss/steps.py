"""Steps towards the moves that explain what places miss: shares, whole moves, swaps, detours.

What a place misses is linear in where meters are counted; a step of any of these changes two
places, and its worth in nats is known beforehand.
"""

from collections.abc import Iterable
from itertools import combinations
from typing import NamedTuple

import numpy as np

from gateway.energy.loss.policy import LossPolicy
from gateway.model import BoolArray, FloatArray, IntArray

_SWEEPS = 30
_STANDS = 0.01  # a share that moves no further
_WHOLE = 0.5
_MOST_HIDDEN = 20.0  # times what a meter shows
_MOST_TRIED, _TRIED_PLACES = 40, 4  # a trial of 1,200 meters at 20 places takes 20 ms


class Fit(NamedTuple):
    """The network with the technical part taken off, each place in its own noise."""

    course: FloatArray  # (places, meters, slots), in standard deviations of the place
    missing: FloatArray  # (places, slots): what no move explains
    power: FloatArray  # (places, meters): Σ course²

    def together(self) -> FloatArray:
        """Return how courses go with what is missing, (meters, places)."""
        return np.asarray(np.matmul(self.course, self.missing[:, :, None])[:, :, 0].T)

    def gradient(self, meter: int, here: int, there: int) -> float:
        """Return what a move would explain; from here to here: that the meter hides energy."""
        joins = float(self.course[there, meter] @ self.missing[there])
        leaves = float(self.course[here, meter] @ self.missing[here])
        return joins if here == there else joins - leaves

    def gradients(self, registered: IntArray) -> FloatArray:
        """Return the same of all moves, (meters, places)."""
        at = self.together()
        rows = np.arange(len(registered))
        own = at[rows, registered]
        gradients = at - own[:, None]
        gradients[rows, registered] = own
        return np.asarray(gradients)

    def curvature(self, registered: IntArray) -> FloatArray:
        """Return how quickly a move would be too much, (meters, places)."""
        rows = np.arange(len(registered))
        own = self.power[registered, rows]
        curvature = self.power.T + own[:, None]
        curvature[rows, registered] = own
        return np.asarray(curvature)

    def exchange(self, place: int, ours: IntArray, theirs: IntArray) -> FloatArray:
        """Return what it explains if one of ours leaves a place and one of theirs comes; pairs."""
        out, into = self.course[place, ours], self.course[place, theirs]
        change = (into @ self.missing[place])[None, :] - (out @ self.missing[place])[:, None]
        apart = (out**2).sum(axis=1)[:, None] + (into**2).sum(axis=1)[None, :]
        return np.asarray(change - (apart - 2 * out @ into.T) / 2)

    def cost(self, shares: FloatArray, price: float) -> float:
        """Return what is not explained, and the price of what explains the rest; nats."""
        return float((self.missing**2).sum()) / 2 + price * int(np.count_nonzero(shares))

    def move(self, meter: int, here: int, there: int, share: float) -> None:
        """Count a part of a meter elsewhere."""
        self.missing[there] -= share * self.course[there, meter]
        if here != there:
            self.missing[here] += share * self.course[here, meter]


def relax(fit: Fit, registered: IntArray, shares: FloatArray, price: float) -> None:
    """Find shares of moves, coordinate by coordinate."""
    curvature = np.maximum(fit.curvature(registered), 1e-12)
    for _ in range(_SWEEPS):
        promising = (fit.gradients(registered) > _WHOLE * price) | (shares > 0)
        furthest = 0.0
        for meter, there in zip(*np.nonzero(promising), strict=True):
            here, share = int(registered[meter]), float(shares[meter, there])
            gradient = fit.gradient(meter, here, there) - price
            most = _MOST_HIDDEN if here == there else 1.0
            step = min(max(share + gradient / curvature[meter, there], 0.0), most) - share
            if step:
                fit.move(meter, here, there, step)
                shares[meter, there] = share + step
                furthest = max(furthest, abs(step))
        if furthest < _STANDS:
            return


def settled(fit: Fit, registered: IntArray, shares: FloatArray, price: float) -> FloatArray:
    """Return whole moves, and of what meters hide only that which is worth its price.

    Else a hundred meters that hide a hundredth each explain all noise, and any move seems sure.
    """
    is_own = np.arange(shares.shape[1])[None, :] == registered[:, None]
    is_worth = shares**2 * fit.power.T / 2 >= price
    return np.where(is_own, np.where(is_worth, shares, 0.0), shares >= _WHOLE)


def polish(fit: Fit, registered: IntArray, shares: FloatArray, policy: LossPolicy) -> None:
    """Make or take back whole moves, as long as any of them explains more than its price."""
    rule = policy.wiring
    curvature = fit.curvature(registered)
    rows = np.arange(len(registered))
    for _ in range(rule.most_moves):
        gradients = fit.gradients(registered)
        is_made: BoolArray = np.greater(shares, 0)
        gain = np.where(is_made, -gradients, gradients) - curvature / 2
        gain += np.where(is_made, rule.min_gain_nats, -rule.min_gain_nats)
        is_moved = is_made & (np.arange(gain.shape[1]) != registered[:, None])
        gain[~is_made & is_moved.any(axis=1)[:, None]] = -np.inf  # it hangs at one place
        gain[rows, registered] = -np.inf
        meter, there = np.unravel_index(int(gain.argmax()), gain.shape)
        if gain[meter, there] <= 0:
            return
        share = -1.0 if is_made[meter, there] else 1.0
        fit.move(int(meter), int(registered[meter]), int(there), share)
        shares[meter, there] += share


def _swap(
    fit: Fit,
    registered: IntArray,
    shares: FloatArray,
    price: float,
    pairs: Iterable[tuple[int, int]],
) -> bool:
    """Exchange the best two meters of two places, if that explains more than two moves cost.

    Two shops with much the same course leave so little that neither seems to be missing alone.
    """
    is_at_home = ~shares.any(axis=1)
    best, chosen = 2 * price, (-1, -1)
    for here, there in pairs:
        ours = np.flatnonzero(is_at_home & (registered == here))
        theirs = np.flatnonzero(is_at_home & (registered == there))
        if not len(ours) or not len(theirs):
            continue
        gain = fit.exchange(here, ours, theirs) + fit.exchange(there, theirs, ours).T
        row, column = np.unravel_index(int(gain.argmax()), gain.shape)
        if gain[row, column] > best:
            best, chosen = float(gain[row, column]), (int(ours[row]), int(theirs[column]))
    one, other = chosen
    if one < 0:
        return False
    for meter, to in ((one, int(registered[other])), (other, int(registered[one]))):
        fit.move(meter, int(registered[meter]), to, 1.0)
        shares[meter, to] = 1.0
    return True


def tried_elsewhere(fit: Fit, registered: IntArray, shares: FloatArray, policy: LossPolicy) -> Fit:
    """Try each move to other places, all others following; keep what explains more.

    Where two have changed places in a ring, no single step leads out of half a solution. Writes
    into ``shares``.
    """
    price = policy.wiring.min_gain_nats
    everywhere = [*combinations(range(shares.shape[1]), 2)]
    while _swap(fit, registered, shares, price, everywhere):
        polish(fit, registered, shares, policy)
    best = fit.cost(shares, price)
    made = [(m, t) for m, t in zip(*np.nonzero(shares), strict=True) if t != registered[m]]
    for meter, there in made[:_MOST_TRIED]:
        here = int(registered[meter])
        towards = np.argsort(-fit.together()[meter])[:_TRIED_PLACES].tolist()
        for other in dict.fromkeys([here, *towards]):
            if other == there or not shares[meter, there]:
                continue
            trial, tried = fit._replace(missing=fit.missing.copy()), shares.copy()
            trial.move(meter, here, there, -float(tried[meter, there]))
            tried[meter, there] = 0.0
            if other != here:
                trial.move(meter, here, other, 1.0)
                tried[meter, other] = 1.0
            else:  # perhaps it stood for the difference of two
                _swap(trial, registered, tried, price, [(here, there)])
            polish(trial, registered, tried, policy)
            cost = trial.cost(tried, price)
            if cost < best - 1:
                best, fit = cost, trial
                shares[:] = tried
    return fit
