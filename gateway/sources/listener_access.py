"""What an identity may write and read; pure, asked once for each topic of a connection."""

import re
from collections.abc import Sequence

from gateway.ports import ClientRole, Identity
from gateway.topics import OUR_TOPICS, UP_LANES, filter_matches, parse_topic

_OURS = OUR_TOPICS.encode()
_DOWN_LANES = frozenset({"a", "c", "k"})
_NATIVE_LEVELS = 6  # tg/1/<org>/<sector>/<device>/<lane>
# spBv1.0/<group>/<type>/<edge node>[/<device>]; commands and STATE are the host's alone
_SPARKPLUG = "spBv1.0"
_SPARKPLUG_LEVELS = 4
_HOST_TOPIC = re.compile(rb"spBv1\.0/(?:[^/]*/[ND]CMD|STATE)(?:/|\Z)")
_MONITOR_FILTERS = 1000
_DEVICE_FILTERS = 16  # three lanes, some spelled as several filters


def _owns(identity: Identity, org: str, sector: str, device: str) -> bool:
    if org != identity.org:
        return False
    if device == identity.device:
        return sector == identity.sector
    if f"{sector}/{device}" in identity.under:
        return True
    return sector == identity.sector and device in identity.under


def may_publish(identity: Identity, topic: bytes) -> bool:
    """Return whether a client may send on a topic."""
    if topic.startswith(_OURS):  # an alarm that we did not raise would be believed
        return False
    if identity.role is ClientRole.ANONYMOUS:
        return True
    if identity.role is ClientRole.MONITOR:
        return False
    name = parse_topic(topic)
    if name is None:
        return _HOST_TOPIC.match(topic) is None and _lists(identity, topic)
    is_up = name.lane in UP_LANES or name.lane == "r"
    return is_up and _owns(identity, name.org, name.sector, name.device)


def _lists(identity: Identity, topic: bytes) -> bool:
    """Return whether a foreign topic is one of the identity's registry entry."""
    try:
        text = topic.decode()
    except UnicodeDecodeError:
        return False
    return any(filter_matches(topic_filter, text) for topic_filter in identity.topics)


def may_retain(identity: Identity, topic: bytes) -> bool:
    """Return whether a client's retained message on this topic is kept for later subscribers.

    Of the native topics only the state lane: receipts, commands and configuration are ours.
    """
    name = parse_topic(topic)
    if name is None:
        return identity.role is ClientRole.ANONYMOUS and not topic.startswith(_OURS)
    return name.lane == "s"


def may_subscribe(identity: Identity, topic_filter: str) -> bool:
    """Return whether a client may have a filter."""
    if identity.role in {ClientRole.MONITOR, ClientRole.ANONYMOUS}:
        return True
    levels = topic_filter.split("/")
    if levels[0] == _SPARKPLUG:
        return _is_told(identity, levels)
    if len(levels) < _NATIVE_LEVELS or levels[:2] != ["tg", "1"]:
        return False
    org, sector, device, lane = levels[2:_NATIVE_LEVELS]
    return lane in _DOWN_LANES and _owns(identity, org, sector, device)


def _is_told(identity: Identity, levels: Sequence[str]) -> bool:
    """Return whether these are commands to an edge node whose births the identity may send.

    ``NCMD/<node>``, ``DCMD/<node>/<device>``, and both with ``/#``, as nodes of the field ask.
    """
    if len(levels) < _SPARKPLUG_LEVELS:
        return False
    _, group, kind, edge, *rest = levels
    is_one = not {"+", "#", ""} & {group, edge}
    is_command = (kind == "NCMD" and rest in ([], ["#"])) or (kind == "DCMD" and len(rest) == 1)
    return (
        is_one and is_command and _lists(identity, f"{_SPARKPLUG}/{group}/NBIRTH/{edge}".encode())
    )


def max_filters(identity: Identity) -> int:
    """Return how many subscriptions one connection may hold, against a tree without end."""
    if identity.role in {ClientRole.MONITOR, ClientRole.ANONYMOUS}:
        return _MONITOR_FILTERS
    return _DEVICE_FILTERS * (1 + len(identity.under))
