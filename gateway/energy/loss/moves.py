"""Meters whose energy is missing at one place and too much at another: they hang elsewhere.

What a place loses beyond iron, copper and gain errors is compared with the course of each meter.
A meter that is counted here and fed from there makes this place lose minus what it shows, and that
one plus. Moves are made one by one, the one that explains most first, so that a large one does
not hide or accuse smaller ones of like habits.
"""

from typing import NamedTuple

import numpy as np

from gateway.energy.loss.policy import LossPolicy
from gateway.model import FloatArray, IntArray

_TERMS = 3  # iron, gain, copper: as in ``model``


class Move(NamedTuple):
    """A meter that should be counted elsewhere."""

    meter: int
    best: int  # row of the places
    gain: float  # log likelihood, nats


class Pull(NamedTuple):
    """What energies say of where meters hang."""

    moves: list[Move]
    leaves: FloatArray  # (meters,): nats for not being where the registry has it; < 0: it is there
    weight: (
        FloatArray  # (meters,): nats that energies could bring; where it is small, they are mute
    )


class _Course:
    """What one place misses, the technical part taken off; and what it makes of meters."""

    def __init__(self, in_wh: FloatArray, loss_wh: FloatArray) -> None:
        self._known = np.isfinite(in_wh) & np.isfinite(loss_wh)
        through = np.where(self._known, np.abs(in_wh), 0.0)
        scale = max(float(through.max(initial=0.0)), 1.0)
        design = np.stack([np.ones_like(through), through / scale, (through / scale) ** 2], axis=1)
        self._basis = np.linalg.qr(design * self._known[:, None])[0]
        self.missing = self.rest(np.where(self._known, loss_wh, 0.0))

    @property
    def slots(self) -> int:
        """Return how many slots are known."""
        return int(self._known.sum())

    def rest(self, course: FloatArray) -> FloatArray:
        """Return what the technical part cannot take up of courses, (…, slots)."""
        here = np.where(self._known, course, 0.0)
        return np.asarray(here - (here @ self._basis) @ self._basis.T)

    def noise2(self) -> float:
        """Return the variance of a slot; what is still to be moved is noise to all others."""
        power = float((self.missing**2).sum()) / max(self.slots - _TERMS, 1)
        return max(power, 1.0)  # registers count whole Wh at best


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
        registered: place at which each meter was counted; −1 = none of these.
        policy: what is enough.
    """
    courses = [_Course(*one) for one in zip(in_wh, loss_wh, strict=True)]
    places = len(courses)
    leave, weight = np.full(len(registered), -np.inf), np.zeros(len(registered))
    join = np.full((len(registered), places), -np.inf)
    stale, found = set(range(places)), list[Move]()
    rule = policy.wiring
    while len(found) < rule.most_moves:
        for place in stale:
            if courses[place].slots >= rule.min_slots:
                _weigh(place, courses[place], energy_wh, registered, (leave, join, weight))
        best = join.argmax(axis=1)
        rows = np.arange(len(registered))
        gain = np.minimum(leave, join[rows, best])
        gain[[move.meter for move in found]] = -np.inf
        meter = int(gain.argmax()) if gain.size else 0
        if not gain.size or gain[meter] < rule.min_gain_nats:
            break
        here, there = int(registered[meter]), int(best[meter])
        found.append(Move(meter, there, float(gain[meter])))
        for place, sign in ((here, 1), (there, -1)):
            courses[place].missing += sign * courses[place].rest(energy_wh[meter])
        stale = {here, there}
    return Pull(found, leave, weight)


def _weigh(
    place: int,
    course: _Course,
    energy_wh: FloatArray,
    registered: IntArray,
    into: tuple[FloatArray, FloatArray, FloatArray],
) -> None:
    """Say what speaks for each meter to leave a place, or to join it."""
    leave, join, weight = into
    own = course.rest(energy_wh)
    together, power = own @ course.missing, (own**2).sum(axis=1)
    noise2 = course.noise2()
    is_here = registered == place
    weight[is_here] = (power / (2 * noise2))[is_here]
    leave[is_here] = ((-2 * together - power) / (2 * noise2))[is_here]
    join[:, place] = np.where(is_here, -np.inf, (2 * together - power) / (2 * noise2))
