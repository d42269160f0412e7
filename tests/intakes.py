"""An intake in memory: what a source does with durability, without a disk."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from gateway.ports import Message


class Taken(NamedTuple):
    """One message as a source handed it over."""

    number: int
    source: int
    flags: int
    topic: bytes
    payload: bytes


class MemoryIntake:
    """See ``ports.Intake``. Nothing is durable before ``commit``."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.is_congested = False
        self._durable_listeners: list[Callable[[int], None]] = []
        self._relief_listeners: list[Callable[[], None]] = []

    def append(self, source: int, flags: int, topic: bytes, payload: bytes) -> int:
        """See ``ports.Intake``."""
        number = len(self.taken) + 1
        self.taken.append(Taken(number, source, flags, topic, payload))
        return number

    def extend(self, source: int, messages: Sequence[Message]) -> int:
        """See ``ports.Intake``."""
        return [self.append(source, *message) for message in messages][-1]

    def on_durable(self, listener: Callable[[int], None]) -> None:
        """See ``ports.Intake``."""
        self._durable_listeners.append(listener)

    def on_relief(self, listener: Callable[[], None]) -> None:
        """See ``ports.Intake``."""
        self._relief_listeners.append(listener)

    def commit(self, up_to: int | None = None) -> None:
        """Report messages as durable, all of them or up to a number."""
        number = len(self.taken) if up_to is None else up_to
        for listener in self._durable_listeners:
            listener(number)

    def relieve(self) -> None:
        """End congestion."""
        self.is_congested = False
        for listener in self._relief_listeners:
            listener()

    @property
    def payloads(self) -> list[bytes]:
        """What came, in order."""
        return [taken.payload for taken in self.taken]
