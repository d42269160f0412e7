"""Topics of Sparkplug B: ``spBv1.0/<group>/<type>/<edge node>[/<device>]`` (§4.1)."""

from typing import NamedTuple

from gateway.decode.foreign.naming import slug
from gateway.decode.foreign.sparkplug_node import Node
from gateway.decode.wire import reject
from gateway.model import QuarantineReason
from gateway.topics import SPARKPLUG

_TYPES = ("NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH")
_NODE_LEVELS, _DEVICE_LEVELS = 4, 5


class Names(NamedTuple):
    """What a topic says."""

    text: str
    kind: str
    device: str  # "" for the node itself
    named: tuple[str, str]
    command: str  # topic of commands to the node
    base: tuple[str, ...]  # group and node


class Topic(NamedTuple):
    """What a topic says, and the node it speaks of."""

    text: str
    kind: str
    device: str
    named: tuple[str, str]
    command: str
    base: tuple[str, ...]
    node: Node


def parse(text: str) -> Names:
    """Return the parts of a topic.

    Raises:
        RejectedError: ``topic``, no node sends on it.
    """
    parts = text.split("/")
    if not _NODE_LEVELS <= len(parts) <= _DEVICE_LEVELS or not all(parts):
        reject(QuarantineReason.TOPIC, f"not spBv1.0/<group>/<type>/<node>[/<device>]: {text!r}")
    _, group, kind, edge, *device = parts
    if kind not in _TYPES or bool(device) != kind.startswith("D"):
        reject(QuarantineReason.TOPIC, f"{kind[:16]!r} is no message from a node: {text!r}")
    base = (group, edge)
    return Names(
        text,
        kind,
        device[0] if device else "",
        # group, node and device tell two of them apart only together
        (slug(*base, *device), ""),
        f"{SPARKPLUG}{group}/NCMD/{edge}",
        base,
    )
