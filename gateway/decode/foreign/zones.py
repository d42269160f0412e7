"""Times without an offset: read in a zone that is declared, or not at all.

The registry may declare that of a device, ``[foreign] zone`` that of all others.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from gateway.config.sections import MappingTime
from gateway.decode.instants import compile_time
from gateway.ports import DeviceDirectory

_T = TypeVar("_T")
LocalTime = Callable[[str, int], int]  # text, receive time in ms → Unix ms; 0: names no instant


def local_time(zone: str | None) -> LocalTime:
    """Return what reads RFC 3339 text; one without offset is 0 where no zone is named.

    The returned function raises RejectedError (``time``) for text that is no time, or one that
    clocks have skipped.
    """
    instant = compile_time(MappingTime(zone=zone or "UTC"))

    def read(text: str, received_ms: int) -> int:
        found = instant(text, received_ms, 0)
        return found if zone is not None or _has_offset(text) else 0

    return read


def _has_offset(text: str) -> bool:
    return text.endswith("Z") or "+" in text[10:] or "-" in text[10:]  # behind the date


class Zoned(Generic[_T]):
    """Something that is made for a zone, once for each that the registry names."""

    def __init__(self, make: Callable[[str | None], _T], zone: str | None) -> None:
        """Make it for the zone of the configuration."""
        self._make, self._zone = make, zone
        self._made = {zone: make(zone)}  # zones of the operator's own file: bounded by it

    @property
    def default(self) -> _T:
        """What is made for the zone of the configuration."""
        return self._made[self._zone]

    def of(self, directory: DeviceDirectory, topic: str) -> _T:
        """Return what is made for the zone of the device of a topic."""
        zone = directory.zone(topic) or self._zone
        if zone not in self._made:
            self._made[zone] = self._make(zone)
        return self._made[zone]
