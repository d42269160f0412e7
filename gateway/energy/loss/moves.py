"""Meters whose energy is missing at one place and too much at another: they hang elsewhere.

What a place loses beyond iron, copper and gain errors is a sum: minus the course of each meter
that is counted here and fed from elsewhere, plus that of each that is fed from here and counted
elsewhere, plus what a thief's meter hides. All of a network is solved together, since wrong ones
hide each other: shares 0 to 1 of all possible moves (least squares with a price on each move, by
coordinates), then whole moves, the best one first. What one slot misses another takes back where
clocks are wrong (``suspects``), and slots beside all others weigh less; both are learnt from what
no move explains. A place's own clock is a term of its own, beside iron, gain and copper.
"""

from typing import NamedTuple

import numpy as np

from gateway.energy.loss.doubt import clock_course
from gateway.energy.loss.policy import LossPolicy
from gateway.energy.loss.steps import Fit, polish, relax, settled, tried_elsewhere
from gateway.energy.loss.suspects import noise_memory, unmoved
from gateway.model import BoolArray, FloatArray, IntArray

_HUBER = 4.0  # residuals beyond so many deviations weigh less
_MAD = 1.4826  # of a normal distribution
_TERMS = 4  # iron, gain, copper as in ``model``; the clock of the place's own meter
_LEAST_NOISE_WH = 5.0  # of a slot: registers count whole Wh at best, and models are models
_ROUNDS = 3
_MOST_TIMES = 2.0  # what a place misses is so many times the meter's course: then it is not that
_CONTRA = 0.5  # of the nats that are enough: so many may the meter's own place speak against it


class Move(NamedTuple):
    """A meter that should be counted elsewhere."""

    meter: int
    best: int  # row of the places
    gain: float  # log likelihood that is lost without it, nats


class Pull(NamedTuple):
    """What energies say of where meters hang."""

    moves: list[Move]
    leaves: FloatArray  # (meters,): nats for not being where the registry has it
    weight: FloatArray  # (meters,): nats that energies could bring: where few, they are mute


class _Network(NamedTuple):
    """What was counted."""

    in_wh: FloatArray  # (places, slots), 0 where unknown
    clock_wh: FloatArray
    loss_wh: FloatArray
    energy_wh: FloatArray  # (meters, slots)
    known: BoolArray  # (places, slots)
    registered: IntArray


class _Noise(NamedTuple):
    """Of each place."""

    memory: FloatArray
    weight: FloatArray  # (places, slots)
    deviation: FloatArray


def moves(
    in_wh: FloatArray,
    loss_wh: FloatArray,
    energy_wh: FloatArray,
    registered: IntArray,
    policy: LossPolicy,
) -> Pull:
    """Return which meters hang elsewhere.

    Args:
        in_wh: into each place, (places, slots); NaN where its own meter is silent.
        loss_wh: what came in and was not shown, (places, slots).
        energy_wh: of each meter, (meters, slots); 0 where nothing is known.
        registered: place at which each meter was counted.
        policy: what is enough.
    """
    rule = policy.wiring
    known: BoolArray = np.isfinite(in_wh) & np.isfinite(loss_wh)
    known[known.sum(axis=1) < rule.min_slots] = False
    through, lost = (np.where(known, column, 0.0) for column in (np.abs(in_wh), loss_wh))
    clock = np.where(known, clock_course(in_wh), 0.0)
    network = _Network(through, clock, lost, energy_wh, known, registered)
    shares = np.zeros((len(registered), len(in_wh)))
    places = len(in_wh)
    noise = _Noise(np.zeros(places), known.astype(np.float64), np.ones(places))
    noise = _learnt(_fitted(network, noise, shares), network, noise)
    fit = _fitted(network, noise, shares)
    for _ in range(_ROUNDS):
        relax(fit, registered, shares, rule.min_gain_nats)
        shares = settled(fit, registered, shares, rule.min_gain_nats)
        fit = _fitted(network, noise, shares)
        polish(fit, registered, shares, policy)
        fit = tried_elsewhere(fit, registered, shares, policy)
        noise = _learnt(fit, network, noise)
        fit = _fitted(network, noise, shares)
    return _pulled(fit, registered, shares, rule.min_gain_nats)


def _fitted(network: _Network, noise: _Noise, shares: FloatArray) -> Fit:
    """Return the network in the light of its noise, with some moves made."""
    courses, missing = [], []
    for place, through in enumerate(network.in_wh):
        known, memory = network.known[place], float(noise.memory[place])
        weight = noise.weight[place] / noise.deviation[place]
        scale_wh = max(float(through.max()), 1.0)
        scaled, clock = through / scale_wh, network.clock_wh[place] / scale_wh
        design = np.stack([known.astype(np.float64), scaled, scaled**2, clock])
        rows = np.concatenate(
            [design, network.loss_wh[place : place + 1], np.where(known, network.energy_wh, 0.0)]
        )
        rows = unmoved(rows, memory) * weight
        basis = np.linalg.qr(rows[:_TERMS].T)[0]
        rest = rows[_TERMS:] - (rows[_TERMS:] @ basis) @ basis.T
        missing.append(rest[0])
        courses.append(rest[1:])
    course = np.stack(courses)
    fit = Fit(course, np.stack(missing), (course**2).sum(axis=2))
    for meter, there in zip(*np.nonzero(shares), strict=True):
        fit.move(meter, int(network.registered[meter]), there, float(shares[meter, there]))
    return fit


def _learnt(fit: Fit, network: _Network, before: _Noise) -> _Noise:
    """Return what is noise: all that no move explains."""
    memory, weights, deviations = [], [], []
    for place, known in enumerate(network.known):
        scale = np.maximum(before.weight[place], 1e-6) / before.deviation[place]
        rest = np.where(known, fit.missing[place] / scale, 0.0)
        spread = _MAD * float(np.median(np.abs(rest[known]))) if known.any() else 1.0
        limit = _HUBER * max(spread, 1.0)
        weight = known * np.minimum(1.0, limit / np.maximum(np.abs(rest), limit))
        power = float(((rest * weight) ** 2).sum()) / max(int(known.sum()) - _TERMS, 1)
        moved = rest - before.memory[place] * np.concatenate([[0.0], rest[:-1]])  # as it was
        memory.append(noise_memory(np.where(known, moved, np.nan)))
        weights.append(weight)
        deviations.append(max(power**0.5, _LEAST_NOISE_WH))
    return _Noise(np.array(memory), np.stack(weights), np.array(deviations))


def _pulled(fit: Fit, registered: IntArray, shares: FloatArray, least: float) -> Pull:
    rows = np.arange(len(registered))
    weight = fit.power[registered, rows] / 2
    at = fit.together()
    leaves = -at[rows, registered] - weight
    gains = fit.gradients(registered) + fit.curvature(registered) / 2
    is_sure = (gains >= least) & _bears_out(fit, at, registered, least)
    found = [
        Move(int(meter), int(there), float(gains[meter, there]))
        for meter, there in zip(*np.nonzero(shares), strict=True)
        if there != registered[meter] and is_sure[meter, there]
    ]
    return Pull(found, np.where(weight > 0, leaves, -np.inf), weight)


def _bears_out(fit: Fit, at: FloatArray, registered: IntArray, least: float) -> BoolArray:
    """Return of which moves, once made, both places say that it was this meter, (meters, places).

    A cabinet that draws nearly the same at all hours has hardly a course of its own: where a model
    errs a little with the weather, one place misses it thrice and the other does not miss it.
    """
    rows = np.arange(len(registered))
    expected = fit.curvature(registered) / 2
    times = at / np.maximum(fit.power.T, 1e-12) + 1
    home = fit.power[registered, rows] / 2 - at[rows, registered]
    is_ours = (expected >= least) & (times <= _MOST_TIMES) & (home[:, None] >= -_CONTRA * least)
    return np.asarray(is_ours)
