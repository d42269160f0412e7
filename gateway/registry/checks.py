"""What one entry alone cannot show: references, periods, cycles, ids used twice."""

from collections.abc import Callable, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from gateway.errors import ConfigError
from gateway.registry.entries import (
    ALWAYS_MS,
    DEVICE_FACTS,
    DEVICE_PARENTS,
    NODE_FACTS,
    PARENTS,
    SUPPLIES,
    Device,
    Fact,
    Link,
    Node,
    NodeKind,
    RegistryFile,
)

Key = tuple[str | int, ...]
Where = Callable[[Key], str]
"""Place of a key in the file, as people count: ``registry.toml:12``."""

Problem = tuple[Key, str]


def check(content: RegistryFile, where: Where) -> None:
    """Check the file as a whole.

    Raises:
        ConfigError: one line for each thing that is wrong.
    """
    problems = [*_ids(content), *_periods(content), *_links(content), *_mains(content)]
    if not problems:
        problems = list(_cycles(content))
    if problems:
        raise ConfigError("\n".join(f"{where(key)}: {text}" for key, text in problems))


def _ids(content: RegistryFile) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for table, index, entry in _entries(content):
        if entry.id in first:
            yield (table, index, "id"), f"id {entry.id!r} is used twice, first by {first[entry.id]}"
        first.setdefault(entry.id, f"{table} {index + 1}")


def _periods(content: RegistryFile) -> Iterator[Problem]:
    for table, index, entry in _entries(content):
        for name in NODE_FACTS if table == "node" else DEVICE_FACTS:
            for place in _overlaps(getattr(entry, name)):
                yield (table, index, name, place), f"{entry.id!r} has two facts {name!r} at a time"


def _overlaps(facts: Sequence[Fact]) -> Iterator[int]:
    order = sorted(range(len(facts)), key=lambda place: facts[place].from_ms)
    for one, other in pairwise(order):
        if facts[one].to_ms > facts[other].from_ms:
            yield other


def _links(content: RegistryFile) -> Iterator[Problem]:
    kinds = {node.id: node.kind for node in content.node}
    for table, index, entry in _entries(content):
        allowed = PARENTS[entry.kind] if isinstance(entry, Node) else DEVICE_PARENTS[entry.sector]
        what = entry.kind.value if isinstance(entry, Node) else f"device of sector {entry.sector}"
        yield from _ties(entry, (table, index, "parent"), what, allowed, kinds)
        if isinstance(entry, Device):
            yield from _ties(entry, (table, index, "uplink"), what, (NodeKind.CONCENTRATOR,), kinds)
            yield from _ties(entry, (table, index, "supply"), what, SUPPLIES, kinds)


def _ties(
    entry: Node | Device,
    key: Key,
    what: str,
    allowed: tuple[NodeKind, ...],
    kinds: dict[str, NodeKind],
) -> Iterator[Problem]:
    fact = str(key[-1])
    for place, link in enumerate(getattr(entry, fact)):
        kind = kinds.get(link.id)
        if kind is None:
            yield (*key, place, "id"), f"{fact} of {entry.id!r} is {link.id!r}: no such node"
        elif kind not in allowed:
            names = ", ".join(allowed) or "nothing"
            yield (
                (*key, place, "id"),
                f"{fact} of {entry.id!r} is {link.id!r}, a {kind}; a {what} hangs on {names}",
            )


def _mains(content: RegistryFile) -> Iterator[Problem]:
    """Yield check meters of what is no main meter."""
    devices = {device.id: device for device in content.device}
    for index, device in enumerate(content.device):
        for place, link in enumerate(device.check_of):
            wrong = _wrong_main(device, link, devices.get(link.id))
            if wrong:
                text = f"check_of of {device.id!r} is {link.id!r}{wrong}"
                yield ("device", index, "check_of", place, "id"), text


def _wrong_main(device: Device, link: Link, main: Device | None) -> str:
    if main is None:
        return ": no such device"
    if main is device:
        return ": a meter cannot check itself"
    if main.sector != device.sector:
        return f", a device of sector {main.sector}: no meter"
    above = next((one for one in main.check_of if _meet(one, link)), None)
    return "" if above is None else f", then itself a check meter of {above.id!r}: name that one"


def _meet(one: Fact, other: Fact) -> bool:
    return one.from_ms < other.to_ms and other.from_ms < one.to_ms


def _cycles(content: RegistryFile) -> Iterator[Problem]:
    graph = {node.id: {link.id for link in node.parent} for node in content.node}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        pass  # over all times; whether at any one time, only a walk can tell
    else:
        return
    nodes = {node.id: node for node in content.node}
    moments = {link.from_ms for node in content.node for link in node.parent} | {ALWAYS_MS}
    for moment in sorted(moments):
        for index, node in enumerate(content.node):
            if _comes_back(node, nodes, moment):
                yield ("node", index, "parent"), f"{node.id!r} is above itself"
                return


def _comes_back(start: Node, nodes: dict[str, Node], moment: int) -> bool:
    visited, node = {start.id}, start
    while True:
        link = next((link for link in node.parent if link.holds(moment)), None)
        if link is None:
            return False
        if link.id in visited:
            return link.id == start.id
        visited.add(link.id)
        node = nodes[link.id]


def _entries(content: RegistryFile) -> Iterator[tuple[str, int, Node | Device]]:
    for index, node in enumerate(content.node):
        yield "node", index, node
    for index, device in enumerate(content.device):
        yield "device", index, device
