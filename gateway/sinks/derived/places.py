"""Where things are: the tags that tell a place, by the registry of a moment."""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet

from gateway.energy.engine.grid.roster import INSTRUMENTS
from gateway.registry import Node, NodeKind, Registry

DAY_MS = 86_400_000
NO_AREA = "none"
_AREAS = (NodeKind.FEEDER, NodeKind.CORRIDOR)
# Devices and nodes of a few days (a late line asks for its own): 100 B each.
_MAX_KNOWN = 1 << 18

Tagged = dict[str, str]


class Places:
    """Tags of devices and nodes.

    Args:
        registry: None where no file says anything: all is in the area ``none``.
        org_of: the organisation of a device that has sent, "" of others.
    """

    def __init__(self, registry: Registry | None, org_of: Callable[[str], str]) -> None:
        self._registry = registry
        self._org_of = org_of
        self._areas: dict[tuple[str, str, int], str] = {}

    def tags(self, place: str, time_ms: int) -> Tagged:
        """Return the tags of a place as findings name it, such as ``device:m-1``."""
        level, _, name = place.partition(":")
        return self.device(name, time_ms) if level == "device" else self.node(level, name, time_ms)

    def place(self, place: str, time_ms: int) -> Tagged:
        """Return level, place and area, also of a device."""
        level, _, name = place.partition(":")
        if level != "device":
            return self.node(level, name, time_ms)
        return {"level": level, "place": name, "area": self.area_of_device(name, time_ms)}

    def device(self, name: str, time_ms: int) -> Tagged:
        """Return the tags of a single device."""
        org = self._org_of(name) or self._registered_org(name)
        return {"device": name, "org": org, "area": self.area_of_device(name, time_ms)}

    def node(self, level: str, name: str, time_ms: int) -> Tagged:
        """Return the tags of a node."""
        return {"level": level, "place": name, "area": self._area(level, name, time_ms)}

    def area_of_device(self, name: str, time_ms: int) -> str:
        """Return the feeder or corridor of a device, ``none`` where none is known."""
        return self._area("device", name, time_ms)

    def areas(self) -> list[str]:
        """Return all areas there are."""
        nodes = self._registry.nodes() if self._registry is not None else ()
        return [*(node.id for node in nodes if node.kind in _AREAS), NO_AREA]

    def parents(self, name: str, time_ms: int) -> tuple[Node, ...]:
        """Return what is above a device, nearest first."""
        if self._registry is None or self._registry.device(name) is None:
            return ()
        return self._registry.at(name, time_ms).parents

    def is_connection(self, name: str, profiles: AbstractSet[str], time_ms: int) -> bool:
        """Return whether a meter is somebody's connection, and gets a bill.

        Who measures the grid, or another meter once more, does not. ``profiles`` are what it sends.
        """
        known = None if self._registry is None else self._registry.device(name)
        if profiles & INSTRUMENTS:
            return False
        if self._registry is None or known is None:
            return True
        return not known.head and not self._registry.is_check(name, time_ms)

    def _area(self, level: str, name: str, time_ms: int) -> str:
        key = (level, name, time_ms // DAY_MS)
        known = self._areas.get(key)
        if known is None:
            if len(self._areas) >= _MAX_KNOWN:
                self._areas.clear()
            known = self._areas[key] = self._find_area(level, name, time_ms)
        return known

    def _find_area(self, level: str, name: str, time_ms: int) -> str:
        if self._registry is None:
            return NO_AREA
        if level == "device":
            return _nearest(self.parents(name, time_ms))
        node = self._registry.node(name)
        if node is None:
            # a link that is no node of the file (``uplink:…``) may be a device of it
            return _nearest(self.parents(name, time_ms))
        return _nearest((node, *self._registry.above(name, time_ms)))

    def _registered_org(self, name: str) -> str:
        device = self._registry.device(name) if self._registry is not None else None
        return "" if device is None else device.org


def _nearest(nodes: Iterable[Node]) -> str:
    return next((node.id for node in nodes if node.kind in _AREAS), NO_AREA)
