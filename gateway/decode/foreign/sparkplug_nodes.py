"""All Sparkplug edge nodes that are known, within bounds, and what of them outlives the process.

What births said and where ``seq`` stands is committed with the cursor: a row for each node and a
row for each part of it (the node itself, a device) whose birth is known. A process that goes on
from a checkpoint so knows what it knew there, and data by alias needs no new birth.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

import msgspec

from gateway.decode.foreign.sparkplug_node import Known, Node, Part, Places

# Births with made-up nodes, devices or metrics would fill memory and the state file. What is
# forgotten costs its owner a birth, which it is asked for: the one that gave birth longest ago.
MAX_NODES = 10_000
MAX_BYTES = 128 << 20  # of what all births said: 400,000 metrics
MAX_NODE_BYTES = 8 << 20  # 25,000 metrics; a birth beyond it is refused
# Nodes of which there is data and no birth. Only these can be made up by whoever may not give
# birth, and nothing is kept of them but when they were asked.
MAX_STRANGERS = 1000


class _Head(msgspec.Struct, array_like=True, frozen=True):
    """A node, as it is kept."""

    seq: int
    bd_seq: int
    is_born: bool
    asked_ms: int


class _Said(msgspec.Struct, array_like=True, frozen=True):
    """A part, as it is kept: name, alias, type and unit of each metric."""

    is_alive: bool
    metrics: list[tuple[str, int, int, str]]


_read_head, _read_said = (
    msgspec.msgpack.Decoder(_Head).decode,
    msgspec.msgpack.Decoder(_Said).decode,
)


class Nodes:
    """Edge nodes by key: ``<which>/<group>/<node>``, none of which holds a slash."""

    def __init__(
        self, places_of: Callable[[str], Places], on_forgotten: Callable[[], None]
    ) -> None:
        """Begin with none.

        Args:
            places_of: where metrics of a node go, by its key.
            on_forgotten: called when a node is forgotten that others may hold.
        """
        self._places_of, self._on_forgotten = places_of, on_forgotten
        self._known: OrderedDict[str, Node] = OrderedDict()  # the longest without birth first
        self._strangers: OrderedDict[str, Node] = OrderedDict()
        self._size_bytes = 0
        self._gone: set[str] = set()  # rows that are to go
        self.touched: set[str] = set()  # nodes whose row is not kept as it is now

    def __contains__(self, node: Node) -> bool:
        """Return whether a birth of the node is known."""
        return self._known.get(node.key) is node

    def get(self, key: str) -> Node:
        """Return a node; one that is not known is a stranger."""
        node = self._known.get(key) or self._strangers.get(key)
        if node is None:
            if len(self._strangers) >= MAX_STRANGERS:
                self._strangers.popitem(last=False)
            node = self._strangers[key] = Node(key)
        return node

    def learn(self, node: Node, device: str, part: Part) -> None:
        """Take in a birth; that of the node itself forgets all devices."""
        before = node.size_bytes
        if not device:
            self._gone |= {f"{node.key}/{one}" for one in node.parts}
            node.forget()
        node.take(device, part)
        self._strangers.pop(node.key, None)
        self._known[node.key] = node
        self._known.move_to_end(node.key)
        self._size_bytes += node.size_bytes - before
        self.touched.add(node.key)
        while len(self._known) > MAX_NODES or self._size_bytes > MAX_BYTES:
            self._forget_oldest()

    def rows(self) -> Iterator[tuple[str, bytes]]:
        """Return what has changed since the last call; an empty row is to go, before the others."""
        gone, self._gone = self._gone, set()
        touched, self.touched = self.touched, set()
        yield from ((key, b"") for key in sorted(gone))
        for key in sorted(touched):
            node = self._known.get(key)
            if node is None:
                continue
            head = _Head(node.seq, node.bd_seq, node.is_born, node.asked_ms)
            yield key, msgspec.msgpack.encode(head)
            for device in sorted(node.changed):
                part = node.parts.get(device)
                if part is not None:
                    yield f"{key}/{device}", msgspec.msgpack.encode(_said(part))
            node.changed.clear()

    def restore(self, rows: Iterable[tuple[str, bytes]]) -> None:
        """Know what was kept; what another version wrote and we cannot read, nodes are asked."""
        for key, memory in rows:
            *_, device = parts = key.split("/")
            try:
                if len(parts) == _HEAD_LEVELS:
                    self._restore_head(key, _read_head(memory))
                else:
                    self._restore_part(key.removesuffix(f"/{device}"), device, _read_said(memory))
            except msgspec.DecodeError:
                self._gone.add(key)

    def _restore_head(self, key: str, head: _Head) -> None:
        node = self._known.setdefault(key, Node(key))
        node.seq, node.bd_seq, node.is_born, node.asked_ms = (
            head.seq,
            head.bd_seq,
            head.is_born,
            head.asked_ms,
        )

    def _restore_part(self, key: str, device: str, said: _Said) -> None:
        node, places = self._known.setdefault(key, Node(key)), self._places_of(key)
        metrics = tuple(
            Known(device, name, datatype, places(device, name, unit), alias, unit)
            for name, alias, datatype, unit in said.metrics
        )
        before = node.size_bytes
        node.take(device, Part(metrics, said.is_alive))
        node.changed.clear()
        self._size_bytes += node.size_bytes - before

    def _forget_oldest(self) -> None:
        key, node = self._known.popitem(last=False)
        self._size_bytes -= node.size_bytes
        self._gone |= {key, *(f"{key}/{device}" for device in (*node.parts, *node.changed))}
        self._on_forgotten()


_HEAD_LEVELS = 3


def _said(part: Part) -> _Said:
    metrics = [(one.name, one.alias, one.datatype, one.unit) for one in part.metrics]
    return _Said(part.is_alive, metrics)
