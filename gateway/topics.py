"""The topic grammar ``tg/1/<org>/<sector>/<device>/<lane>`` and MQTT topic filters.

Location is never in a topic: devices move, and the registry is temporal.
"""

import re
from typing import NamedTuple

SECTORS = ("energy", "transport", "water", "env", "urban")
UP_LANES = ("t", "b", "e", "s")
ID_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{1,63}\Z")
UP_FILTERS = ("tg/1/+/+/+/t", "tg/1/+/+/+/b", "tg/1/+/+/+/e", "tg/1/+/+/+/s", "tg/1/+/+/+/r/#")
SPARKPLUG = "spBv1.0/"  # the namespace of Sparkplug B (§4.1)
OUR_TOPICS = "infragate/"  # what the gateway itself says to monitors; nobody else may

_UP_TOPIC = re.compile(
    rb"tg/1/([a-z0-9][a-z0-9-]{1,63})/(energy|transport|water|env|urban)"
    rb"/([a-z0-9][a-z0-9-]{1,63})/(?:([tbesack])|(r|c)(?:/[^+#\0]*)?)\Z"
)


class TopicName(NamedTuple):
    """The parts of a native topic."""

    org: str
    sector: str
    device: str
    lane: str


def parse_topic(topic: bytes) -> TopicName | None:
    """Return the parts of a native topic, None where it is not one."""
    match = _UP_TOPIC.match(topic)
    if match is None:
        return None
    org, sector, device, lane, sub_lane = match.groups()
    return TopicName(org.decode(), sector.decode(), device.decode(), (lane or sub_lane).decode())


def topic_of(org: str, sector: str, device: str, lane: str) -> str:
    """Return the topic of a device's lane."""
    return f"tg/1/{org}/{sector}/{device}/{lane}"


def is_device_id(text: str) -> bool:
    """Return whether ``text`` may be a device or organisation id."""
    return ID_PATTERN.match(text) is not None


def is_filter(text: str) -> bool:
    """Return whether ``text`` is a well-formed MQTT topic filter (MQTT-4.7.1)."""
    if not text or "\0" in text:
        return False
    levels = text.split("/")
    for index, level in enumerate(levels):
        if "#" in level and (level != "#" or index != len(levels) - 1):
            return False
        if "+" in level and level != "+":
            return False
    return True


def filter_matches(topic_filter: str, topic: str) -> bool:
    """Return whether a topic is selected by a filter; ``$`` topics match no leading wildcard."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in {"+", "#"}:
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or level not in {"+", levels[index]}:
            return False
    return len(wanted) == len(levels)
