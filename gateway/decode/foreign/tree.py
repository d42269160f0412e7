"""A message form as a tree of the shape of its payloads, so that reading one is one walk.

At each object of a payload the keys decide what is done; that is worked out once for every set of
keys seen, and remembered. What no leaf wants is the *rest*: it is kept as sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf, isnan
from typing import NamedTuple

from gateway.decode.foreign.leaf import Leaf, TimeLeaf
from gateway.decode.foreign.naming import part_slug

AnyLeaf = Leaf | TimeLeaf

MAX_DEPTH = 16  # deeper than any device nests; a made-up payload stops here
_MAX_SHAPES = 256  # sets of keys of one place; made-up ones would fill memory
_MAX_KEYS = 64  # a larger object is worked out each time
_MAX_GUARD_CHARS = 64


class Guard(NamedTuple):
    """When a reading applies to an object."""

    has: frozenset[str]
    lacks: frozenset[str]
    lists: frozenset[str]
    scalars: frozenset[str]
    equals: tuple[tuple[str, str], ...]

    def holds(self, node: dict[str, object]) -> bool:
        """Return whether it applies."""
        return (
            self.has <= node.keys()
            and not self.lacks & node.keys()
            and all(type(node.get(key)) is list for key in self.lists)
            and not any(type(node.get(key)) is list for key in self.scalars)
            and all(node.get(key) == text for key, text in self.equals)
        )


@dataclass
class Spot:
    """A place in a payload: what may lie below it."""

    leaves: dict[str, list[tuple[Guard | None, AnyLeaf]]] = field(default_factory=dict)
    below: dict[str, "Spot"] = field(default_factory=dict)
    forks: dict[str, list[tuple[Guard, "Spot"]]] = field(default_factory=dict)
    globs: dict[str, "Spot"] = field(default_factory=dict)  # below keys with this beginning
    each: "Spot | None" = None  # below any other key
    dropped: set[str] = field(default_factory=set)
    guards: set[str] = field(default_factory=set)  # keys whose type or text decides, too
    shapes: dict[object, "Plan"] = field(default_factory=dict)

    def plan(self, node: dict[str, object]) -> "Plan":
        """Return what to do with each key of an object."""
        shape: object = tuple(node)
        if self.guards:
            shape = (shape, tuple([_signature(node.get(key)) for key in self.guards]))
        known = self.shapes.get(shape)
        if known is not None:
            return known
        made = tuple([self._step(key, node) for key in node])
        if len(node) <= _MAX_KEYS:
            if len(self.shapes) >= _MAX_SHAPES:
                self.shapes.clear()
            self.shapes[shape] = made
        return made

    def _step(self, key: str, node: dict[str, object]) -> "Step":
        leaves = self.leaves.get(key, ())
        fitting = tuple([leaf for guard, leaf in leaves if guard is None or guard.holds(node)])
        below, part = self._below(key, node)
        return Step(key, fitting, below, part, key in self.dropped)

    def absorb(self, other: "Spot") -> None:
        """Do, too, what another spot of the same place does."""
        self.dropped |= other.dropped
        for key, leaves in other.leaves.items():
            self.leaves.setdefault(key, []).extend(leaves)
        for key, spot in other.below.items():
            if key in self.below:
                self.below[key].absorb(spot)
            else:
                self.below[key] = spot

    def settle(self) -> None:
        """Let every fork do, too, what is done at its place whatever the guards say."""
        for key, forks in self.forks.items():
            for _, fork in forks:
                if key in self.below:
                    fork.absorb(self.below[key])
                fork.settle()
        each = () if self.each is None else (self.each,)
        for spot in (*self.below.values(), *self.globs.values(), *each):
            spot.settle()

    def _below(self, key: str, node: dict[str, object]) -> "tuple[Spot | None, str]":
        """Return what is below a key, and what that adds to the name of a part."""
        for guard, fork in self.forks.get(key, ()):
            if guard.holds(node):
                return fork, ""
        if key in self.below:
            return self.below[key], ""
        for begin, spot in self.globs.items():
            if key.startswith(begin):
                return spot, part_slug(key.removeprefix(begin))
        if self.each is None or key in self.dropped:
            return None, ""
        return self.each, part_slug(key)


class Step(NamedTuple):
    """What to do with one key."""

    key: str
    leaves: tuple[AnyLeaf, ...]
    below: Spot | None
    part: str  # what the key adds to the name of a part
    is_dropped: bool


Plan = tuple[Step, ...]
Row = list[float]


def _signature(value: object) -> object:
    if type(value) is str:
        return value if len(value) <= _MAX_GUARD_CHARS else None
    return list if type(value) is list else None


class Walk:
    """One payload, read: rows by reading and part, and the rest."""

    __slots__ = ("_blank", "received_ms", "root", "rows")

    def __init__(self, root: object, blank: Sequence[Row], received_ms: int) -> None:
        self.root, self._blank, self.received_ms = root, blank, received_ms
        self.rows: dict[tuple[int, str], Row] = {}

    def walk(self, node: dict[str, object], spot: Spot, part: str = "", depth: int = 0) -> object:
        """Read an object; return what of it no column took, None where nothing is left."""
        rest: dict[str, object] = {}
        for step in spot.plan(node):
            value = node[step.key]
            taken = [self._put(leaf, value, node, part) for leaf in step.leaves]
            if any(taken) or step.is_dropped:
                continue
            left = self._other(value, step.below, part, step.part, depth)
            if left is not None:
                rest[step.key] = left
        return rest or None

    def _put(self, leaf: AnyLeaf, value: object, node: object, part: str) -> bool:
        """Put a value into its column; return whether it was one."""
        number = leaf.read(value, node, self)
        if number is None:
            return False
        row = self.rows.get((leaf.reading, part))
        if row is None:
            row = self.rows[leaf.reading, part] = self._blank[leaf.reading].copy()
        if leaf.adds:
            number = _sum(row[leaf.place], number)
        elif not isnan(row[leaf.place]) and leaf.place:
            return False  # another name for the same has brought one: this stays as sent
        row[leaf.place] = number
        return True

    def _other(self, value: object, below: Spot | None, part: str, name: str, depth: int) -> object:
        """Go on below an object or array; return what is left of a value."""
        if below is None or depth >= MAX_DEPTH:
            return value
        inner = f"{part}-{name}" if part and name else part or name
        if type(value) is dict:
            return self.walk(value, below, inner, depth + 1)
        if type(value) is list:
            by_index: dict[str, object] = {str(index): one for index, one in enumerate(value)}
            left = self.walk(by_index, below, inner, depth + 1)
            return None if left is None else value if left == by_index else left
        return value


def _sum(before: float, number: float) -> float:
    """Add a register; infinite where one of them was not measured (NaN: none came yet)."""
    if isnan(number):
        return inf
    return number if isnan(before) else before + number
