"""Devices, nodes and how they hang together, at any moment of the past."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

from gateway.registry.checks import check
from gateway.registry.entries import (
    ALWAYS_MS,
    NEVER_MS,
    Device,
    Fact,
    Flag,
    LaneFact,
    Link,
    MeterFact,
    Node,
    NodeKind,
    Place,
    Rating,
    RegistryFile,
)
from gateway.registry.files import read
from gateway.topics import filter_matches

_DEVICE_STANDING = (
    *("parent", "uplink", "supply", "rating", "prosumer", "connected", "check_of", "budget"),
)

AnyFact = TypeVar("AnyFact", bound=Fact)


class Standing(NamedTuple):
    """What is true of a device at one moment."""

    parents: tuple[Node, ...]  # nearest first
    uplink: str | None
    supply: tuple[Node, ...]  # what its power comes from: a cabinet, and what that hangs on
    meter: MeterFact | None
    place: Place | None  # its own, else that of the nearest parent that has one
    rating: Rating | None
    lane: LaneFact | None
    is_prosumer: bool | None = None  # None: the file does not say
    is_connected: bool = True
    budget_kwh: float | None = None  # of a month
    main: str | None = None  # of a check meter: the meter that it checks

    def parent(self, kind: NodeKind) -> Node | None:
        """Return the nearest parent of a kind."""
        return next((node for node in self.parents if node.kind is kind), None)

    @property
    def cabinet(self) -> str | None:
        """Name what it shares its power with: a cabinet, or what it hangs on directly."""
        return self.supply[0].id if self.supply else None

    def fed_by(self, kind: NodeKind) -> Node | None:
        """Return the nearest node of a kind that its power comes from."""
        return next((node for node in self.supply if node.kind is kind), None)


class Registry:
    """A checked registry file."""

    def __init__(self, content: RegistryFile) -> None:
        self._nodes = {node.id: node for node in content.node}
        self._devices = {device.id: device for device in content.device}
        self._foreign = [device for device in content.device if device.topics]
        # a file that names nobody who feeds in does not speak of it at all
        self.names_prosumers = any(device.prosumer for device in content.device)
        self._checks: dict[str, list[tuple[Device, Link]]] = {}
        for device in content.device:
            for link in device.check_of:
                self._checks.setdefault(link.id, []).append((device, link))
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

    def entry(self, device_id: str) -> Device | None:
        """Return a device, or the one with foreign topics that it is a part of."""
        found = self._devices.get(device_id)
        name = device_id
        while found is None and "-" in name:
            name = name.rpartition("-")[0]
            whole = self._devices.get(name)
            found = whole if whole is not None and whole.topics else None
        return found

    def topics_of(self, device_id: str) -> tuple[str, ...]:
        """Return the filters of foreign topics that a device's entry lists."""
        device = self._devices.get(device_id)
        return () if device is None else device.topics

    def owner_of(self, topic: str) -> Device | None:
        """Return the device whose entry lists a foreign topic, the first of the file."""
        return next(
            (one for one in self._foreign if any(filter_matches(f, topic) for f in one.topics)),
            None,
        )

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

        A check meter hangs, and may do, as its main meter does where its own entry is silent.

        Raises:
            KeyError: the file does not name the device.
        """
        device = self._devices[device_id]
        checked = _holding(device.check_of, time_ms)
        main = device if checked is None else self._devices[checked.id]
        own, others = (tuple(self._up(one.parent, time_ms)) for one in (device, main))
        parents = own or others
        is_prosumer = _value(device.prosumer, time_ms)
        uplink = _holding(device.uplink, time_ms)
        entries: tuple[Node | Device, ...] = (device, *parents)
        budget = _holding(device.budget, time_ms)
        places = (_holding(entry.place, time_ms) for entry in entries)
        return Standing(
            parents,
            uplink.id if uplink else None,
            tuple(self._up(device.supply, time_ms)),
            _holding(device.meter, time_ms),
            next((place for place in places if place), None),
            _holding(device.rating, time_ms),
            _holding(device.lane, time_ms),
            _value(main.prosumer, time_ms) if is_prosumer is None else is_prosumer,
            all(_value(one.connected, time_ms) is not False for one in (device, main)),
            None if budget is None else budget.kwh,
            None if checked is None else checked.id,
        )

    def moments(self, device_id: str) -> set[int]:
        """Return when a device, or what is above it, moves or may do something else than before.

        An exchange of its meter, its place and its lane are not meant.
        """
        found: set[int] = set()
        seen: set[str] = set()
        waiting: list[Node | Device] = [self._devices[device_id]]
        while waiting:
            entry = waiting.pop()
            names = _DEVICE_STANDING if isinstance(entry, Device) else ("parent", "rating")
            facts = [fact for name in names for fact in getattr(entry, name)]
            found.update(edge for fact in facts for edge in (fact.from_ms, fact.to_ms))
            links = entry.parent + (entry.supply if isinstance(entry, Device) else ())
            above = {link.id for link in links} - seen
            seen |= above
            waiting += [self._nodes[name] for name in above]
            mains = {link.id for link in getattr(entry, "check_of", ())} - seen
            seen |= mains
            waiting += [self._devices[name] for name in mains]
        return found - {ALWAYS_MS, NEVER_MS}

    def rating(self, node_id: str, time_ms: int) -> Rating | None:
        """Return what a node could carry at a moment, None where the file does not say."""
        node = self._nodes.get(node_id)
        return None if node is None else _holding(node.rating, time_ms)

    def place(self, node_id: str, time_ms: int) -> Place | None:
        """Return where a node was at a moment, None where the file does not say."""
        node = self._nodes.get(node_id)
        return None if node is None else _holding(node.place, time_ms)

    def above(self, node_id: str, time_ms: int) -> tuple[Node, ...]:
        """Return what a node hangs on at a moment, nearest first; nothing where it is unknown."""
        node = self._nodes.get(node_id)
        return () if node is None else tuple(self._up(node.parent, time_ms))

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
        return any(after_ms < new.from_ms <= up_to_ms for _, new in self.exchanges(device_id))

    def absences(self, device_id: str) -> list[tuple[int, int]]:
        """Return from when to when (ms) a device had no meter, or no place; never if unsaid."""
        device = self._devices.get(device_id)
        facts: Sequence[Fact] = () if device is None else device.meter or device.parent
        found, reached_ms = [], ALWAYS_MS
        for fact in sorted(facts, key=_from_ms):
            if fact.from_ms > reached_ms:
                found.append((reached_ms, fact.from_ms))
            reached_ms = fact.to_ms  # ``check`` found no two at a time
        if facts and reached_ms < NEVER_MS:
            found.append((reached_ms, NEVER_MS))
        return found

    def meters(self, device_id: str) -> list[MeterFact]:
        """Return the instruments behind a device, in the order of time."""
        device = self._devices.get(device_id)
        return [] if device is None else sorted(device.meter, key=_from_ms)

    def is_check(self, device_id: str, time_ms: int) -> bool:
        """Return whether a device checked another meter at a moment."""
        device = self._devices.get(device_id)
        return device is not None and _holding(device.check_of, time_ms) is not None

    def checks(self, device_id: str) -> Sequence[tuple[Device, Link]]:
        """Return the check meters of a device and when they are, in the order of the file."""
        return self._checks.get(device_id, ())

    def exchanges(self, device_id: str) -> list[tuple[MeterFact, MeterFact]]:
        """Return what was taken down and what was put up instead, in the order of time."""
        meters = self.meters(device_id)
        return [(old, new) for old, new in pairwise(meters) if old.serial != new.serial]

    def _up(self, ties: Sequence[Link], time_ms: int) -> Iterator[Node]:
        link = _holding(ties, time_ms)
        while link is not None:  # ``check`` found no cycle at any moment
            node = self._nodes[link.id]
            yield node
            link = _holding(node.parent, time_ms)


def _holding(facts: Sequence[AnyFact], time_ms: int) -> AnyFact | None:
    return next((fact for fact in facts if fact.holds(time_ms)), None)


def _value(flags: Sequence[Flag], time_ms: int) -> bool | None:
    flag = _holding(flags, time_ms)
    return None if flag is None else flag.value


def _from_ms(fact: Fact) -> int:
    return fact.from_ms
