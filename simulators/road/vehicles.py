"""Single vehicles that ride on the fluid: each is somewhere, exactly once, until it has left.

Classes, lengths and speeds belong to the vehicle and are drawn when it arrives, from dice that
know nothing of the state of the road: a scenario changes where a vehicle is, not which come.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.chance import mix
from simulators.road.curves import Curves, Moment, height, when
from simulators.road.diagram import (
    CLASSES,
    LENGTH_M,
    LENGTH_SPREAD,
    MIX,
    PACE,
    PACE_SPREAD,
    PCU,
    ROADS,
    Floats,
    Ints,
)
from simulators.road.network import NOWHERE, Network

VEHICLE = np.dtype(
    [
        ("place", np.int32),  # link, or number of links + source
        ("kind", np.int8),
        ("number", np.int64),  # in order of arrival, unique
        ("label", np.float64),  # its place in the cumulative flow, PCU
        ("length_m", np.float64),
        ("pace", np.float64),  # its own speed over that of the traffic
        ("side", np.float64),  # 0 keeps to the kerb, 1 to the median
        ("luck", np.float64),  # decides where it leaves
    ]
)
Crowd = NDArray[np.void]
# Nobody overtakes in the fluid, so the vehicles of a road together must be as fast as it is:
# seconds for a metre are what adds up along a way, hence the mean of 1 / pace.
_LEVEL: Floats = np.array([1 / (MIX[r] @ (1 / (PACE * (1 - PACE_SPREAD**2)))) for r in ROADS])
_MARGIN = 0.02  # a label is not at the rim of its own packet, where rounding might lose it


class Passages(NamedTuple):
    """Vehicles that passed a place: of which link, and when."""

    link: Ints
    moment: Moment
    vehicle: Crowd


class Vehicles:
    """All vehicles on the roads and before them."""

    def __init__(self, network: Network, seed: int) -> None:
        self._network = network
        self._key = mix(seed, 50)
        self.crowd: Crowd = np.empty(0, dtype=VEHICLE)
        self.ordered_pcu = np.zeros(network.last.size)  # that ever came to each source
        self.arrived = np.zeros(len(CLASSES), dtype=np.int64)
        self.gone = np.zeros(len(CLASSES), dtype=np.int64)

    def arrive(self, window: int, steps: int, mean: Floats) -> Floats:
        """Let new vehicles come to the sources; return their PCU, steps × links.

        Args:
            window: number of the window, which names the dice.
            steps: of the window.
            mean: vehicles in a step, links × classes.
        """
        chance = np.random.Generator(np.random.Philox(mix(self._key, window)))
        counts = chance.poisson(mean, size=(steps, *mean.shape))
        step, link, kind = (
            np.repeat(axis, counts.ravel()) for axis in np.indices(counts.shape).reshape(3, -1)
        )
        new = np.empty(step.size, dtype=VEHICLE)
        throws = chance.random((4, step.size))
        in_line = np.lexsort((throws[0], step, link))
        new["kind"], new["place"] = kind[in_line], link[in_line] + mean.shape[0]
        self._number(new, link[in_line], throws[1])
        new["side"], new["luck"] = throws[2], throws[3]
        bell = np.clip(chance.standard_normal((2, step.size)), -2.5, 2.5)
        of = new["kind"]
        new["length_m"] = LENGTH_M[of] * (1 + LENGTH_SPREAD[of] * bell[0])
        own = PACE[of] * (1 + PACE_SPREAD[of] * bell[1])
        new["pace"] = own / _LEVEL[self._network.road[link[in_line]]]
        self.crowd = np.concatenate((self.crowd, new))
        self.arrived += np.bincount(of, minlength=len(CLASSES))
        return np.asarray(counts @ PCU)

    def _number(self, new: Crowd, link: Ints, throws: Floats) -> None:
        """Give each its number, and its place in the line before its source."""
        first = int(self.arrived.sum())
        new["number"] = np.arange(first, first + new.size)
        pcu = PCU[new["kind"]]
        end = np.cumsum(pcu)
        links = self.ordered_pcu.size
        of_link = np.bincount(link, weights=pcu, minlength=links)
        before = np.cumsum(of_link) - of_link
        end += self.ordered_pcu[link] - before[link]
        new["label"] = end - pcu * (_MARGIN + (1 - 2 * _MARGIN) * throws)
        self.ordered_pcu += of_link

    def ride(self, curves: Curves) -> tuple[Passages, Passages]:
        """Let the vehicles move with the flow; return who passed stations, and who link ends."""
        stations, ends, stay = [], [], []
        links = self._network.last.size
        moving = self.crowd
        while moving.size:
            stations.append(_at_stations(moving, curves, links))
            leaves = moving["label"] <= curves.left[-1, moving["place"]]
            stay.append(moving[~leaves])
            moving = moving[leaves]
            moment = when(curves.left, moving["place"], moving["label"])
            on_road = moving["place"] < links
            ends.append(_passages(moving, moment, on_road))
            moving = self._go_on(moving, moment, curves)
        self.crowd = np.concatenate(stay) if stay else self.crowd
        return _join(stations), _join(ends)

    def _go_on(self, moving: Crowd, moment: Moment, curves: Curves) -> Crowd:
        """Put vehicles at the end of a place onto the next one, or let them go."""
        net, links = self._network, self._network.last.size
        place = moving["place"].astype(np.int64)
        waited = place >= links
        link = np.where(waited, place - links, place)
        onward = np.where(waited, 1.0, net.onward[link])
        target = np.where(waited, link, net.next[link])
        stays = (moving["luck"] < onward) & (target != NOWHERE)
        self.gone += np.bincount(moving["kind"][~stays], minlength=len(CLASSES))
        result: Crowd = moving[stays]
        target, moment = target[stays], Moment(moment.step[stays], moment.part[stays])
        result["luck"] /= onward[stays]  # again evenly between 0 and 1
        result["place"] = target
        result["label"] = height(curves.entered, target, moment)
        return result


def _at_stations(moving: Crowd, curves: Curves, links: int) -> Passages:
    place, label = moving["place"], moving["label"]
    link = np.where(place < links, place, 0)
    passes = (label > curves.passed[0, link]) & (label <= curves.passed[-1, link])
    passes &= place < links
    vehicle = moving[passes]
    link = vehicle["place"].astype(np.int64)
    return Passages(link, when(curves.passed, link, vehicle["label"]), vehicle)


def _passages(moving: Crowd, moment: Moment, which: NDArray[np.bool_]) -> Passages:
    vehicle = moving[which]
    moment = Moment(moment.step[which], moment.part[which])
    return Passages(vehicle["place"].astype(np.int64), moment, vehicle)


def _join(parts: list[Passages]) -> Passages:
    """Return all passages of a window in order of time."""
    if not parts:
        none = np.empty(0, dtype=np.int64)
        return Passages(none, Moment(none, np.empty(0)), np.empty(0, dtype=VEHICLE))
    vehicle = np.concatenate([part.vehicle for part in parts])
    step = np.concatenate([part.moment.step for part in parts])
    share = np.concatenate([part.moment.part for part in parts])
    link = np.concatenate([part.link for part in parts])
    order = np.lexsort((vehicle["number"], step + share))
    return Passages(link[order], Moment(step[order], share[order]), vehicle[order])
