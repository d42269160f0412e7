"""Where devices hung, and what they were allowed, at any time: the grid of the day.

A reading belongs to the transformer its meter hung on when it was taken, so late data of last week
is judged by last week's tree. Between two moments at which the registry changes the tree is the
same; the last few are kept.
"""

from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.registry import ALWAYS_MS, NEVER_MS, MeterFact, Node, NodeKind, Registry, Standing

_MOST_KEPT = 8  # trees: today's, yesterday's, and those of a few late days
_KINDS = (NodeKind.TRANSFORMER, NodeKind.FEEDER, NodeKind.SUBSTATION)


ALWAYS = (ALWAYS_MS, NEVER_MS)


class Names:
    """Numbers for names, in the order they are first met."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, name: str | None) -> int:
        """Return the number of a name, −1 of none."""
        if name is None:
            return -1
        if name not in self._numbers:
            self._numbers[name] = len(self.names)
            self.names.append(name)
        return self._numbers[name]


class Tree(NamedTuple):
    """Names of what devices hang on; their numbers are those of this process."""

    transformers: Names
    feeders: Names
    substations: Names
    uplinks: Names
    cabinets: Names


class Place(NamedTuple):
    """What held of one device; −1 = nothing known."""

    transformer: int = -1
    feeder: int = -1
    substation: int = -1
    uplink: int = -1
    amperes: float = np.nan
    is_prosumer: bool = True  # of whom the registry says nothing
    is_connected: bool = True
    budget_wh: float = np.inf  # of a month
    is_head: bool = False  # measures a node of the grid, not a customer
    cabinet: int = -1  # it lives from this one, and is no meter: it shows whether there is power
    fed_transformer: int = -1  # of that cabinet
    fed_feeder: int = -1
    is_check: bool = False  # measures once more what its main meter does: counts nowhere


class Places(NamedTuple):
    """The same of all devices, row by row."""

    transformer: IntArray
    feeder: IntArray
    substation: IntArray
    uplink: IntArray
    amperes: FloatArray
    is_prosumer: BoolArray
    is_connected: BoolArray
    budget_wh: FloatArray
    is_head: BoolArray
    cabinet: IntArray
    fed_transformer: IntArray
    fed_feeder: IntArray
    is_check: BoolArray


class Atlas:
    """The places of a growing list of devices.

    Args:
        registry: the file's, None where no file says anything.
    """

    def __init__(self, registry: Registry | None) -> None:
        self._registry = registry
        self.tree = Tree(*(Names() for _ in Tree._fields))
        self._names: list[str] = []
        self._fixed: list[Place] = []  # by row; of those that move, as they stood when met
        self._moving: list[int] = []
        self._moments: list[int] = []  # at which anybody moves
        self._known: set[int] = set()  # the same
        self.meters: dict[str, list[MeterFact]] = {}  # of those of which more than a serial is said
        self.absences: dict[str, list[tuple[int, int]]] = {}  # of those that were not always there
        self._kept: OrderedDict[int, Places] = OrderedDict()

    def add(self, name: str, now_ms: int) -> None:
        """Take the next device."""
        registry = self._registry
        self._kept.clear()
        if registry is not None and registry.device(name) is not None:
            moments = registry.moments(name)
            if moments:
                self._moving.append(len(self._names))
            moments |= {edge for span in registry.absences(name) for edge in span} - {*ALWAYS}
            for moment in moments - self._known:
                insort(self._moments, moment)
            self._known |= moments
            self._note(name, registry)
        self._names.append(name)
        self._fixed.append(self._place(name, now_ms))

    def _note(self, name: str, registry: Registry) -> None:
        absences, meters = registry.absences(name), registry.meters(name)
        if absences:
            self.absences[name] = absences
        if any(one.model_fields_set - {"serial"} for one in meters):
            self.meters[name] = meters

    def standing(self, name: str, time_ms: int) -> Standing | None:
        """Return what the registry says of a device at a moment, None where it has no word."""
        if self._registry is None or self._registry.device(name) is None:
            return None
        return self._registry.at(name, time_ms)

    def epoch(self, time_ms: int) -> int:
        """Return a number that is the same as long as nothing changes."""
        return bisect_right(self._moments, time_ms)

    def at(self, time_ms: int) -> Places:
        """Return the places at a moment."""
        epoch = self.epoch(time_ms)
        known = self._kept.get(epoch)
        if known is None:
            known = self._kept[epoch] = self._made(time_ms)
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(epoch)
        return known

    def rating_va(self, names: Sequence[str], time_ms: int) -> FloatArray:
        """Return what nodes can carry, NaN where the registry does not say."""
        return np.array([self._rating_va(name, time_ms) for name in names], np.float64)

    def _rating_va(self, name: str, time_ms: int) -> float:
        rating = None if self._registry is None else self._registry.rating(name, time_ms)
        return np.nan if rating is None or rating.kva is None else rating.kva * 1000

    def _made(self, time_ms: int) -> Places:
        rows: list[Place] = self._fixed.copy()
        for row in self._moving:
            rows[row] = self._place(self._names[row], time_ms)
        return _columns(rows)

    def is_supplied(self, name: str) -> bool:
        """Return whether the registry says what the power of a device comes from."""
        device = None if self._registry is None else self._registry.device(name)
        return device is not None and bool(device.supply)

    def _place(self, name: str, time_ms: int) -> Place:
        device = None if self._registry is None else self._registry.device(name)
        if self._registry is None or device is None:
            return Place()
        standing = self._registry.at(name, time_ms)
        uplink = self.tree.uplinks.number(standing.uplink)
        if device.sector != "energy":
            return self._fed(name, standing, uplink)
        rating, budget_kwh = standing.rating, standing.budget_kwh
        main = None if standing.main is None else self._registry.device(standing.main)
        transformer, feeder, substation = self._climbed(standing.parent)
        return Place(
            transformer,
            feeder,
            substation,
            uplink,
            np.nan if rating is None or rating.amperes is None else rating.amperes,
            bool(standing.is_prosumer) or not self._registry.names_prosumers,
            standing.is_connected,
            np.inf if budget_kwh is None else budget_kwh * 1000,
            device.head or (main is not None and main.head),
            is_check=main is not None,
        )

    def _fed(self, name: str, standing: Standing, uplink: int) -> Place:
        cabinet = standing.fed_by(NodeKind.CABINET)
        transformer, feeder, _ = self._climbed(standing.fed_by)
        return Place(
            uplink=uplink,
            cabinet=self.tree.cabinets.number(name if cabinet is None else cabinet.id),
            fed_transformer=transformer,
            fed_feeder=feeder,
        )

    def _climbed(self, above: Callable[[NodeKind], Node | None]) -> tuple[int, int, int]:
        """Return the numbers of transformer, feeder and substation."""
        transformer, feeder, substation = (
            names.number(None if (node := above(kind)) is None else node.id)
            for kind, names in zip(_KINDS, self.tree[:3], strict=True)
        )
        return transformer, feeder, substation


def taken(places: Places, rows: IntArray) -> Places:
    """Return the places of some rows; of the row −1 nothing is known."""
    nowhere = _columns([Place()])
    joined = (np.concatenate(pair) for pair in zip(places, nowhere, strict=True))
    return Places._make(column[rows] for column in joined)


def counted(places: Places) -> Places:
    """Return the places with check meters nowhere: at one point one meter counts."""

    def without(node: IntArray) -> IntArray:
        return np.where(places.is_check, -1, node)

    return places._replace(
        transformer=without(places.transformer),
        feeder=without(places.feeder),
        substation=without(places.substation),
    )


def _columns(rows: Sequence[Place]) -> Places:
    columns = zip(*rows, strict=True) if rows else [[] for _ in Place._fields]
    numbers = (np.int64, np.int64, np.int64, np.int64, np.float64)
    of_supply = (np.int64, np.int64, np.int64)
    kinds = (*numbers, np.bool_, np.bool_, np.float64, np.bool_, *of_supply, np.bool_)
    made: list[Any] = [np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    return Places._make(made)
