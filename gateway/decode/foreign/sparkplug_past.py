"""Births of Sparkplug nodes for messages that are read again, from a place in the past on.

What a checkpoint knows of births is of its own moment: a node that has given birth since may have
given its numbers to other metrics. So of the past only that is taken from it which no birth in
the journal has touched; the journal's own births are read anew.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gateway.decode.foreign.sparkplug_payload import read_payload
from gateway.decode.foreign.sparkplug_topic import Names, parse
from gateway.errors import RejectedError
from gateway.topics import SPARKPLUG

ROOM = "sparkplug"
UNBORN = "an alias that no birth has named"
_DEVICE_AT = 3  # level of a key: which/group/node/device
_NAMESPACE = SPARKPLUG.encode()


class Births:
    """Which nodes and devices have given birth in some messages, in their order."""

    def __init__(self) -> None:
        self._nodes: set[str] = set()
        self._devices: set[tuple[str, str]] = set()

    def take(self, which: str, names: Names) -> None:
        """Take note of a message."""
        node = "/".join((which, *names.base))
        if names.kind == "NBIRTH":
            self._nodes.add(node)
            self._devices = {one for one in self._devices if one[0] != node}
        if names.kind.endswith("BIRTH"):
            self._devices.add((node, names.device))

    def knows(self, which: str, names: Names) -> bool:
        """Return whether the sender of a message has given birth."""
        return ("/".join((which, *names.base)), names.device) in self._devices

    def leaves(self, key: str) -> bool:
        """Return whether a kept part of a node is as it was before all these births."""
        parts = key.split("/")
        node, device = "/".join(parts[:_DEVICE_AT]), "/".join(parts[_DEVICE_AT:])
        return (
            len(parts) > _DEVICE_AT
            and node not in self._nodes
            and (node, device) not in self._devices
        )


class Waiting(NamedTuple):
    """Messages that no birth before them explains."""

    messages: int
    nodes: tuple[str, ...]  # group/node, sorted


def is_ours(topic: bytes) -> bool:
    """Return whether a topic is one of Sparkplug."""
    return topic.startswith(_NAMESPACE)


def names_of(topic: bytes) -> Names | None:
    """Return what a topic says, None where no node sends on it."""
    try:
        return parse(topic.decode("utf-8", "replace")) if is_ours(topic) else None
    except RejectedError:
        return None


def waiting(
    which: str, births: Births, messages: Iterable[tuple[bytes, bytes]], known: Iterable[str]
) -> Waiting:
    """Return which of some messages (topic, payload) cannot be read without an older birth.

    Args:
        which: whose births: those of imports are apart.
        births: of messages before these; it learns.
        messages: in their order.
        known: keys of the parts that are known from elsewhere.
    """
    older = frozenset(known)
    found = [
        "/".join(names.base)
        for names, payload in _data(which, births, messages)
        if "/".join((which, *names.base, names.device)) not in older and _has_numbers_only(payload)
    ]
    return Waiting(len(found), tuple(sorted(set(found))))


def _data(
    which: str, births: Births, messages: Iterable[tuple[bytes, bytes]]
) -> Iterator[tuple[Names, bytes]]:
    for topic, payload in messages:
        names = names_of(topic)
        if names is None:
            continue
        births.take(which, names)
        if names.kind.endswith("DATA") and not births.knows(which, names):
            yield names, payload


def _has_numbers_only(payload: bytes) -> bool:
    """Return whether a metric is named by its alias alone."""
    try:
        return any(not one.name for one in read_payload(payload).metrics)
    except RejectedError:
        return False  # it cannot be read at all
