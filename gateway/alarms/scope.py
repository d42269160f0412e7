"""What lies above a place: for maintenance windows, and for who asks for a part of the grid."""

from collections.abc import Callable, Iterable

from gateway.ports import DeviceRow
from gateway.registry import Registry

EVERYTHING = "all"
_SAME = {
    "uplink": "concentrator"
}  # what a sector calls a node, where the registry has another word


class Scopes:
    """Finds owner and scope of places.

    Args:
        registry: the grid and the road; None where there is no file.
        devices: finds a device by its name.
        org: whose the gateway is, and what belongs to nobody else.
    """

    def __init__(
        self, registry: Registry | None, devices: Callable[[str], DeviceRow | None], org: str
    ) -> None:
        self._registry, self._devices, self._org = registry, devices, org

    def of(self, domain: str, place: str, at_ms: int) -> tuple[str, str]:
        """Return whose a place is, and its scope: itself and all above it, spaces around each."""
        level, _, name = place.partition(":")
        row = self._devices(name) if level == "device" else None
        levels = dict.fromkeys((place, f"{_SAME.get(level, level)}:{name}"))
        levels |= dict.fromkeys(self._above(level, name, at_ms))
        org = self._org
        if row is not None:
            org = row.org
            levels[f"sector:{row.sector}"] = None
        elif domain != "gateway":
            org = self._owner(name, at_ms)
            levels[f"sector:{domain}"] = None
        words = (*levels, f"org:{org}", EVERYTHING)
        return org, " " + " ".join(word.replace(" ", "_") for word in words) + " "

    def _above(self, level: str, name: str, at_ms: int) -> Iterable[str]:
        registry = self._registry
        if registry is None:
            return
        if level == "device":
            if registry.device(name) is not None:
                standing = registry.at(name, at_ms)
                yield from (f"{node.kind}:{node.id}" for node in standing.parents)
                yield from (f"{node.kind}:{node.id}" for node in standing.supply)
                if standing.uplink is not None:
                    yield f"concentrator:{standing.uplink}"
        else:
            yield from (f"{node.kind}:{node.id}" for node in registry.above(name, at_ms))

    def _owner(self, name: str, at_ms: int) -> str:
        """Return whose devices hang on a node."""
        if self._registry is None or self._registry.node(name) is None:
            return self._org
        device = next(self._registry.devices_under(name, at_ms), None)
        return self._org if device is None else device.org
