"""The last message of a topic, for those who subscribe later: births, receipts, configuration."""

from collections.abc import Iterator

from gateway.topics import filter_matches

# 100,000 devices (``registry.max_devices``) with birth, receipt and configuration, and room for
# foreign topics; together at most 64 MB, so that a loopback client cannot fill memory.
MAX_TOPICS = 310_000
MAX_BYTES = 64 << 20
MAX_PAYLOAD_BYTES = 64 << 10  # a birth is some hundred bytes


class Retained:
    """Retained messages in memory. They need not survive a restart.

    A device births again when it reconnects, and the receipts are in the ledger.
    """

    def __init__(self, max_topics: int = MAX_TOPICS, max_bytes: int = MAX_BYTES) -> None:
        self._messages: dict[bytes, bytes] = {}  # the one longest unchanged is first
        self._bytes = 0
        self._max_topics = max_topics
        self._max_bytes = max_bytes

    def __len__(self) -> int:
        """Return the number of topics."""
        return len(self._messages)

    def put(self, topic: bytes, payload: bytes) -> None:
        """Keep the last message of a topic; an empty payload deletes it (MQTT-3.3.1-6)."""
        self.drop(topic)
        if not payload or len(payload) > MAX_PAYLOAD_BYTES:
            return
        self._messages[topic] = payload
        self._bytes += len(topic) + len(payload)
        while len(self._messages) > self._max_topics or self._bytes > self._max_bytes:
            self.drop(next(iter(self._messages)))

    def drop(self, topic: bytes) -> None:
        """Forget a topic."""
        payload = self._messages.pop(topic, None)
        if payload is not None:
            self._bytes -= len(topic) + len(payload)

    def matching(self, topic_filter: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield topic and payload of everything a filter selects."""
        if "+" not in topic_filter and "#" not in topic_filter:
            topic = topic_filter.encode()
            if topic in self._messages:
                yield topic, self._messages[topic]
            return
        for topic, payload in self._messages.items():
            if filter_matches(topic_filter, topic.decode()):
                yield topic, payload
