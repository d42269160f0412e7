"""Payloads known by what is in them, on topics that nobody knows; implements ``decode.Foreign``.

A user may have named his topics as he likes: ``{"ENERGY":{"Total":…`` is a Tasmota plug on any
topic. Only what a mapping file calls its *signs* counts; the device is named after the whole topic.
"""

from collections.abc import Sequence

from gateway.decode.foreign.compiled import Message
from gateway.decode.foreign.mapped import MappedFamily
from gateway.decode.foreign.payloads import document_of
from gateway.decode.foreign.topics import Named
from gateway.decode.paths import MISSING, find
from gateway.decode.wire import reject
from gateway.errors import RejectedError
from gateway.model import QuarantineReason, Record
from gateway.ports import Collecting, DeviceDirectory


class Sniffer:
    """Asks the payload; the last of all formats to be asked."""

    def __init__(self, families: Sequence[MappedFamily]) -> None:
        self._known = [
            (family, message) for family in families for message in family.messages if message.signs
        ]

    def takes(self, topic: str) -> bool:
        """Return whether a topic is not one of ours, misspelt."""
        return not topic.startswith("tg/")

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        """Add the readings of a message, all of them or none.

        Raises:
            RejectedError: ``unmapped``, nobody knows it; else as ``decode.Foreign``.
        """
        topic = record.topic.decode()
        try:
            root: object = document_of(record.payload)
        except RejectedError:
            root = None
        for family, message in self._known:
            if _has_sign(message, root):
                bound = family.bind(message, topic, Named(topic, "", ""))
                family.decode_as(bound, record, directory, out)
                return
        reject(QuarantineReason.UNMAPPED, f"no mapping takes topic {topic[:200]!r}")


def _has_sign(message: Message, root: object) -> bool:
    return any(find(root, path) is not MISSING for path in message.signs)
