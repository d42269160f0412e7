"""Devices, nodes and how they hang together, at any moment of the past."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

from gateway.registry.checks import check
from gateway.registry.entries import (
    Device,
    Fact,
    LaneFact,
    MeterFact,
    Node,
    NodeKind,
    Place,
    Rating,
    RegistryFile,
)
from gateway.registry.files import read

AnyFact = TypeVar("AnyFact", bound=Fact)


class Standing(NamedTuple):
    """What is true of a device at one moment."""

    parents: tuple[Node, ...]  # nearest first
    uplink: str | None
    meter: MeterFact | None
    place: Place | None  # its own, else that of the nearest parent that has one
    rating: Rating | None
    lane: LaneFact | None
    supply: str | None  # transformer, or energy device, that feeds it

    def parent(self, kind: NodeKind) -> Node | None:
        """Return the nearest parent of a kind."""
        return next((node for node in self.parents if node.kind is kind), None)


class Registry:
    """A checked registry file."""

    def __init__(self, content: RegistryFile) -> None:
        self._nodes = {node.id: node for node in content.node}
        self._devices = {device.id: device for device in content.device}
        self._children: dict[str, list[Node | Device]] = {}
        entries: tuple[Node | Device, ...] = (*content.node, *content.device)
        for entry in entries:
            for parent in {link.id for link in entry.parent}:
                self._children.setdefault(parent, []).append(entry)

    @classmethod
    def load(cls, file: Path) -> "Registry":
        """Read and check a registry file, TOML or CSV by its ending.

        Raises:
            ConfigError: names the file, the line and what is wrong with it.
        """
        content, where = read(file)
        check(content, where)
        return cls(content)

    def device(self, device_id: str) -> Device | None:
        """Return a device, None where the file does not name it."""
        return self._devices.get(device_id)

    def node(self, node_id: str) -> Node | None:
        """Return a node, None where the file does not name it."""
        return self._nodes.get(node_id)

    def devices(self) -> Iterator[Device]:
        """Iterate over the devices in the order of the file."""
        return iter(self._devices.values())

    def nodes(self, kind: NodeKind | None = None) -> Iterator[Node]:
        """Iterate over the nodes, or those of a kind, in the order of the file."""
        return (node for node in self._nodes.values() if kind is None or node.kind is kind)

    def at(self, device_id: str, time_ms: int) -> Standing:
        """Return what was true of a device at a moment.

        Raises:
            KeyError: the file does not name the device.
        """
        device = self._devices[device_id]
        parents = tuple(self._up(device, time_ms))
        uplink = _holding(device.uplink, time_ms)
        supply = _holding(device.supply, time_ms)
        entries: tuple[Node | Device, ...] = (device, *parents)
        places = (_holding(entry.place, time_ms) for entry in entries)
        return Standing(
            parents,
            uplink.id if uplink else None,
            _holding(device.meter, time_ms),
            next((place for place in places if place), None),
            _holding(device.rating, time_ms),
            _holding(device.lane, time_ms),
            supply.id if supply else None,
        )

    def children(self, node_id: str, time_ms: int) -> list[Node | Device]:
        """Return what hangs directly on a node at a moment, in the order of the file."""
        children: list[Node | Device] = []
        for entry in self._children.get(node_id, ()):
            link = _holding(entry.parent, time_ms)
            if link is not None and link.id == node_id:
                children.append(entry)
        return children

    def devices_under(self, node_id: str, time_ms: int) -> Iterator[Device]:
        """Iterate over the devices below a node at a moment, however deep."""
        for entry in self.children(node_id, time_ms):
            if isinstance(entry, Device):
                yield entry
            else:
                yield from self.devices_under(entry.id, time_ms)

    def is_exchanged(self, device_id: str, after_ms: int, up_to_ms: int) -> bool:
        """Return whether the meter got another serial number after … up to these moments."""
        device = self._devices.get(device_id)
        if device is None or not device.meter:
            return False
        meters = sorted(device.meter, key=_from_ms)
        return any(
            old.serial != new.serial and after_ms < new.from_ms <= up_to_ms
            for old, new in pairwise(meters)
        )

    def _up(self, entry: Node | Device, time_ms: int) -> Iterator[Node]:
        link = _holding(entry.parent, time_ms)
        while link is not None:  # ``check`` found no cycle at any moment
            node = self._nodes[link.id]
            yield node
            link = _holding(node.parent, time_ms)


def _holding(facts: Sequence[AnyFact], time_ms: int) -> AnyFact | None:
    return next((fact for fact in facts if fact.holds(time_ms)), None)


def _from_ms(fact: Fact) -> int:
    return fact.from_ms
