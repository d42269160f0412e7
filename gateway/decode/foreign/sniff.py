"""Payloads known by what is in them, on topics that nobody knows; a room of ``anywhere``.

A user may have named his topics as he likes: ``{"ENERGY":{"Total":…`` is a Tasmota plug on any
topic. Only what a mapping file calls its *signs* counts; the device is named after the whole topic.
"""

from collections.abc import Mapping, Sequence

from gateway.decode.foreign.compiled import Message
from gateway.decode.foreign.mapped import MappedFamily
from gateway.decode.foreign.payloads import document_of
from gateway.decode.foreign.topics import Named
from gateway.decode.paths import MISSING, find
from gateway.decode.wire import reject
from gateway.errors import RejectedError
from gateway.model import QuarantineReason, Record
from gateway.ports import Collecting, Decode, DeviceDirectory


class Sniffer:
    """Implements ``anywhere.Knowing``."""

    def __init__(self, families: Sequence[MappedFamily]) -> None:
        self._known = [
            (family, message) for family in families for message in family.messages if message.signs
        ]

    @property
    def formats(self) -> Mapping[int, Decode]:
        """Formats of the native lanes: none, they begin as native JSON does."""
        return {}

    def knows(self, payload: bytes) -> bool:
        """Return whether a payload has signs of a family."""
        return self._find(payload) is not None

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        """Add the readings of a message, all of them or none.

        Raises:
            RejectedError: as ``decode.Foreign``.
        """
        found = self._find(record.payload)
        topic = record.topic.decode()
        if found is None:
            reject(QuarantineReason.UNMAPPED, f"no mapping takes topic {topic[:200]!r}")
        family, message = found
        bound = family.bind(message, topic, Named(topic, "", ""), directory)
        family.decode_as(bound, record, directory, out)

    def _find(self, payload: bytes) -> tuple[MappedFamily, Message] | None:
        try:
            root = document_of(payload)
        except RejectedError:
            return None
        return next((known for known in self._known if _has_sign(known[1], root)), None)


def _has_sign(message: Message, root: object) -> bool:
    return any(find(root, path) is not MISSING for path in message.signs)
