"""The last message of a topic, for those who subscribe later: births, receipts, configuration."""

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

    def get(self, topic: bytes) -> bytes | None:
        """Return what was last said on a topic."""
        return self._messages.get(topic)

    def topics(self, topic_filter: str) -> list[bytes]:
        """Return the topics that a filter may select: its own one, or all where it has wildcards.

        Matching all of them takes a tenth of a second on a large site, so that is left to a
        caller who can do it bit by bit.
        """
        if "+" not in topic_filter and "#" not in topic_filter:
            return [topic_filter.encode()]
        return list(self._messages)
