"""Which devices of the store are at the road, and the road of those that send lanes."""

from collections.abc import Container, Iterable, Mapping

import numpy as np

from gateway.model import IntArray
from gateway.ports import DeviceRow
from gateway.profiles import Profile
from gateway.registry import Registry
from gateway.transport.roads import Lane, road_of
from gateway.transport.series import Road

LANES = "tl1"


class Roster:
    """Devices by what they send.

    Args:
        registry: the file's, None where no file says anything.
        profiles: all profiles by name.
    """

    def __init__(self, registry: Registry | None, profiles: Mapping[str, Profile]) -> None:
        self._registry, self._profiles = registry, profiles
        self._names: dict[int, str] = {}
        self._senders: dict[str, set[int]] = {}  # profile → device indexes

    def take(self, rows: Iterable[DeviceRow]) -> None:
        """Learn the names of devices."""
        self._names.update((row.device_index, row.device) for row in rows)

    def sends(self, device_index: IntArray, profile: str) -> bool:
        """Note what devices send; return whether that was not known."""
        known = self._senders.setdefault(profile, set())
        fresh = set(np.unique(device_index).tolist()) - known
        fresh &= self._names.keys()
        known |= fresh
        return bool(fresh)

    def knows(self, device_index: int) -> bool:
        """Return whether a device has a name."""
        return device_index in self._names

    def name(self, device_index: int) -> str:
        """Return the name of a device."""
        return self._names[device_index]

    def named(self, names: Container[str]) -> IntArray:
        """Return the devices of these names, ascending."""
        found = [one for one, name in self._names.items() if name in names]
        return np.array(sorted(found), np.int64)

    def senders(self, profile: str) -> IntArray:
        """Return who sends a profile, ascending."""
        return np.array(sorted(self._senders.get(profile, ())), np.int64)

    def lists(self) -> dict[str, list[int]]:
        """Return who sends what, to be kept."""
        return {name: sorted(known) for name, known in self._senders.items()}

    def road(self, now_ms: int) -> Road:
        """Return the road of all that send lanes, as it stands at a moment."""
        lanes = [Lane(one, self._names[one]) for one in self.senders(LANES).tolist()]
        return road_of(lanes, self._registry, now_ms)
