"""Which filters the broker has granted us, and asking again for those it refused."""

import logging
from collections.abc import Mapping

from gateway.errors import ProtocolError
from gateway.mqtt import V5, SubAck, Subscribe, Subscription, encode
from gateway.stats import Stats

logger = logging.getLogger(__name__)

RESUBSCRIBE_S = 60.0  # permissions get mended
REFUSED = 0x80  # SUBACK codes from here on are failures
_QOS1 = 1
_QOS1_IF_NEW = 1 | 1 << 4  # MQTT 5: retained messages only for a subscription that is new


class Filters:
    """The subscriptions of one connection; ``granted`` goes on to the next one."""

    def __init__(
        self, source: str, version: int, wanted: tuple[str, ...], granted: Mapping[str, int]
    ) -> None:
        self.granted = dict(granted)  # filter → QoS, or the code of a refusal
        self._source = source
        self._version = version
        self._wanted = wanted
        self._asked: tuple[str, ...] = ()
        self._again_at_s = 0.0
        self._packet_id = 0

    def open(self, now_s: float, *, is_resumed: bool) -> bytes:
        """Return the SUBSCRIBE of a new connection, nothing where none is needed."""
        if is_resumed and self._version != V5:
            # 3.1.1 would send every retained message again for a filter the session has
            return self._ask(self._refused(), now_s)
        return self._ask(self._wanted, now_s)

    def again(self, now_s: float) -> bytes:
        """Return a SUBSCRIBE for what was refused, nothing where it is not yet time."""
        return self._ask(self._refused(), now_s) if now_s >= self._again_at_s else b""

    def receive(self, suback: SubAck, stats: Stats) -> None:
        """Note what was granted; anything but QoS 1 is said aloud, because it may lose data.

        Raises:
            ProtocolError: the answer is not one to what was asked.
        """
        if len(suback.codes) != len(self._asked):
            raise ProtocolError("SUBACK with another number of codes than SUBSCRIBE had filters")
        for topic_filter, code in zip(self._asked, suback.codes, strict=True):
            self.granted[topic_filter] = code
            if code >= REFUSED:
                logger.error("source=%s filter=%s refused: %#x", self._source, topic_filter, code)
            elif code != _QOS1:
                logger.error("source=%s filter=%s only QoS %d", self._source, topic_filter, code)
        amiss = sum(self.granted[topic_filter] != _QOS1 for topic_filter in self._wanted)
        stats.gauge("infragate_source_filters_refused", amiss, source=self._source)

    def _refused(self) -> tuple[str, ...]:
        return tuple(f for f in self._wanted if self.granted.get(f, REFUSED) >= REFUSED)

    def _ask(self, filters: tuple[str, ...], now_s: float) -> bytes:
        if not filters:
            return b""
        self._asked, self._again_at_s = filters, now_s + RESUBSCRIBE_S
        self._packet_id = self._packet_id % 65_535 + 1
        options = _QOS1_IF_NEW if self._version == V5 else _QOS1
        wanted = tuple(Subscription(topic_filter, options) for topic_filter in filters)
        return encode(Subscribe(self._packet_id, wanted), self._version)
