"""Messages of a shape that was seen before, read ten times as fast.

A device sends the same keys again and again. Once a message has been read by the walk (``tree``)
and every value went into a column, its shape becomes a type: the parser then checks keys and types
in C and hands over the numbers in order, and conversion is done for thousands of messages at once
(``Collecting.add_raw``). A message that does not fit its type (another key, a null, a word) is
read by the walk as ever, with the same result.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from operator import attrgetter, itemgetter
from typing import NamedTuple

import msgspec
import numpy as np

from gateway.decode.foreign.leaf import EXACT, MILLIONTHS, Leaf
from gateway.decode.foreign.tree import AnyLeaf, Spot
from gateway.model import FloatArray

_MAX_DEPTH = 4
_MAX_FIELDS = 64


class RawShape:
    """How numbers become columns of a profile; implements ``ports.Raw``."""

    def __init__(self, profile: str, width: int, leaves: Sequence[Leaf]) -> None:
        self.profile = profile
        self.count = len(leaves)
        self._width = width
        self._places = np.array([leaf.place for leaf in leaves])
        self._factors = np.array([leaf.scale.factor for leaf in leaves])

    def rows(self, values: FloatArray, status: int = 0) -> FloatArray:
        """Return rows [0, value…, status] in scaled units; ``values`` has shape (n, count)."""
        with np.errstate(over="ignore"):  # beyond all limits: refused by ``screen``
            millionths = values * self._factors
        is_exact = np.abs(millionths) < EXACT
        whole = np.rint(millionths)
        scaled = (whole if is_exact.all() else np.where(is_exact, whole, millionths)) / MILLIONTHS
        rows = np.full((len(values), self._width), np.nan)
        rows[:, 0], rows[:, -1] = 0.0, status
        rows[:, self._places] = scaled
        return rows


class RowPick(NamedTuple):
    """One row of a message: which of its numbers, and whose."""

    reading: int
    part: str
    shape: RawShape
    places: list[int]
    pick: Callable[[tuple[float, ...]], tuple[float, ...]] | None  # None: all


class FastShape(NamedTuple):
    """A shape, compiled."""

    decode: Callable[[bytes], object]
    nodes: Sequence[tuple[Callable[[object], object], int]]  # structs, and how many numbers of each
    time: Callable[[object], object] | None
    rows: Sequence[RowPick]

    def numbers(self, root: object) -> tuple[float, ...]:
        """Return the numbers of a decoded message in order."""
        get, count = self.nodes[0]
        found: tuple[float, ...] = msgspec.structs.astuple(get(root))[:count]  # type: ignore[arg-type]
        for get, count in self.nodes[1:]:
            found += msgspec.structs.astuple(get(root))[:count]  # type: ignore[arg-type]
        return found

    def table(self, roots: Sequence[object]) -> FloatArray:
        """Return the numbers of many decoded messages, a line for each."""
        parts = []
        for get, count in self.nodes:
            fields = map(msgspec.structs.astuple, map(get, roots))  # type: ignore[arg-type]
            numbers = chain.from_iterable(map(itemgetter(slice(count)), fields))
            parts.append(np.fromiter(numbers, np.float64, len(roots) * count).reshape(-1, count))
        return parts[0] if len(parts) == 1 else np.hstack(parts)


class _Unfit(Exception):  # noqa: N818  # no error: most shapes are not for this
    """The walk must read such messages."""


_ESCAPED = re.compile(r'["\\\x00-\x1f]')  # in a key, JSON writes it otherwise


class _Builder:
    def __init__(self, time_key: str | None) -> None:
        self._time_key = time_key
        self.nodes: list[tuple[str, int]] = []
        self.leaves: list[tuple[int, str, Leaf]] = []  # reading, part, leaf
        self.time = ""

    def build(self, node: Mapping[str, object], spot: Spot, where: str, part: str) -> type:
        """Return the type of an object; numbers come first among its fields."""
        numbers: list[tuple[str, type]] = []
        others: list[tuple[str, type]] = []
        names: dict[str, str] = {}
        below: list[tuple[str, str, Mapping[str, object], Spot, str]] = []
        leaves: list[tuple[int, str, Leaf]] = []
        is_unfit = not node or len(node) > _MAX_FIELDS or where.count(".") > _MAX_DEPTH
        if is_unfit or _ESCAPED.search("".join(node)):  # no field of a struct may be named so
            raise _Unfit
        for index, step in enumerate(spot.plan(dict(node))):
            name, value = f"f{index}", node[step.key]
            names[name] = step.key
            if not where and step.key == self._time_key and type(value) is str:
                self.time = name
                others.append((name, str))
            elif len(step.leaves) == 1 and (leaf := plain(step.leaves[0], value)):
                numbers.append((name, bool if type(value) is bool else float))
                leaves.append((leaf.reading, part, leaf))
            elif step.is_dropped and not step.leaves:
                others.append((name, msgspec.Raw))
            elif step.below is not None and type(value) is dict and not step.leaves:
                inner = f"{part}-{step.part}" if part and step.part else part or step.part
                below.append((name, f"{where}.{name}".lstrip("."), value, step.below, inner))
            else:
                raise _Unfit
        if numbers:
            self.nodes.append((where, len(numbers)))
            self.leaves += leaves
        nested = [
            (name, self.build(value, spot, path, inner)) for name, path, value, spot, inner in below
        ]
        fields = [*numbers, *others, *nested]
        return msgspec.defstruct(
            "Shape", fields, rename=names, forbid_unknown_fields=True, gc=False
        )


def plain(leaf: AnyLeaf, value: object) -> Leaf | None:
    """Return a leaf that does no more to a value than multiply it, None for any other."""
    if not isinstance(leaf, Leaf) or not leaf.plain_factor:
        return None
    if type(value) is bool:
        has_own = leaf.is_inverted or not leaf.codes.keys().isdisjoint({"true", "false"})
        return leaf if leaf.is_code and not has_own else None
    return leaf if type(value) in {int, float} and not leaf.is_code else None


def compile_shape(
    root: Mapping[str, object], tree: Spot, time_key: str | None, widths: Sequence[tuple[str, int]]
) -> FastShape | None:
    """Return the shape of a message that the walk has read, None where it cannot be had.

    ``widths`` has profile and row width of each reading.
    """
    builder = _Builder(time_key)
    try:
        kind = builder.build(root, tree, "", "")
    except _Unfit:
        return None
    if not builder.leaves or (time_key in root and not builder.time):
        return None
    goals = {(reading, part, leaf.place) for reading, part, leaf in builder.leaves}
    if len(goals) < len(builder.leaves):
        return None  # two names for the same: the walk keeps one of them as sent
    wanted: dict[tuple[int, str], list[int]] = {}
    for place, (reading, part, _) in enumerate(builder.leaves):
        wanted.setdefault((reading, part), []).append(place)
    rows = []
    for (reading, part), places in wanted.items():
        shape = RawShape(*widths[reading], [builder.leaves[place][2] for place in places])
        pick = None if len(wanted) == 1 else _picker(places)
        rows.append(RowPick(reading, part, shape, places, pick))
    return FastShape(
        msgspec.json.Decoder(kind).decode,
        [(attrgetter(path) if path else _itself, count) for path, count in builder.nodes],
        attrgetter(builder.time) if builder.time else None,
        rows,
    )


def _itself(root: object) -> object:
    return root


def _picker(places: Sequence[int]) -> Callable[[tuple[float, ...]], tuple[float, ...]]:
    if len(places) == 1:
        (only,) = places
        return lambda values: (values[only],)
    return itemgetter(*places)


def signature(node: object, depth: int = 0) -> object:
    """Return what two messages of one shape have in common: keys, and kinds of values."""
    if type(node) is dict and depth <= _MAX_DEPTH:
        return tuple([(key, signature(value, depth + 1)) for key, value in node.items()])
    return float if type(node) is int else type(node)
