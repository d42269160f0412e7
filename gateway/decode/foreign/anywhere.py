"""The last resort: formats that a payload gives away, on whatever topic it comes.

A P1 reader, a HAN adapter or wmbusmeters publishes where its owner told it to. So a topic that
nothing else takes is looked at by payload: the first byte of a telegram, the marks of a SenML pack,
of wmbusmeters, of an NGSI entity. What nobody knows is quarantined as ``unmapped``.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from gateway.decode.foreign.rows_out import topic_of
from gateway.decode.wire import reject
from gateway.model import QuarantineReason, Record
from gateway.ports import Collecting, Decode, DeviceDirectory


class Knowing(Protocol):
    """A room that can tell its payloads."""

    @property
    def formats(self) -> Mapping[int, Decode]:
        """Formats of the native lanes, by first byte."""

    def knows(self, payload: bytes) -> bool:
        """Return whether a payload looks like its own."""

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        """See ``decode.Foreign``."""


class Anywhere:
    """Implements ``decode.Foreign``; must be the last one asked."""

    def __init__(self, rooms: Sequence[Knowing]) -> None:
        self._rooms = rooms

    @property
    def formats(self) -> Mapping[int, Decode]:
        """Return what its rooms read on the native lanes, by first byte; see ``decode.Lending``."""
        return {first: read for room in self._rooms for first, read in room.formats.items()}

    def takes(self, topic: str) -> bool:
        """Return whether messages of this topic may be of one of its rooms."""
        return not topic.startswith(("tg/", "$"))

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        """Let the room that knows the payload read it.

        Raises:
            RejectedError: as ``decode.Foreign``; ``unmapped`` where no room knows it.
        """
        for room in self._rooms:
            if room.knows(record.payload):
                room.decode(record, directory, out)
                return
        topic = topic_of(record)
        reject(QuarantineReason.UNMAPPED, f"no mapping takes topic {topic[:200]!r}")
