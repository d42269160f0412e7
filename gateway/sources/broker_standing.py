"""How a broker source says how it is: metrics, and one log line for each change."""

import logging
from collections.abc import Callable

from gateway.config.sections import BrokerSource
from gateway.sources.broker_hello import Farewell
from gateway.stats import Stats

logger = logging.getLogger(__name__)

SAME_LOG_S = 10.0  # the same failure is said again after so long, with the number of attempts


class Standing:
    """The connection of one source, over all its attempts."""

    def __init__(self, section: BrokerSource, stats: Stats, clock: Callable[[], float]) -> None:
        self._source, self._url = section.client_id, section.url
        self._stats = stats
        self._clock = clock
        self._times_up = 0
        self._attempts, self._last_reason, self._said_at_s = 0, "", 0.0
        self.come_down()

    def come_up(self, *, is_resumed: bool) -> None:
        """The broker has accepted us."""
        self._stats.gauge("infragate_source_connected", 1, source=self._source)
        if self._times_up:
            self._stats.count("infragate_source_reconnects_total", source=self._source)
        if self._times_up and not is_resumed:
            # devices send again what was not receipted, so this is a delay and no loss
            self._stats.count("infragate_source_sessions_lost_total", source=self._source)
            logger.warning("source=%s the broker has forgotten our session", self._source)
        self._times_up += 1
        self._attempts, self._last_reason = 0, ""
        logger.info("source=%s connected to %s", self._source, self._url)

    def come_down(self) -> None:
        """There is no connection now."""
        self._stats.gauge("infragate_source_connected", 0, source=self._source)

    def say(self, farewell: Farewell) -> None:
        """Say why an attempt or a connection ended, unless that was said a moment ago."""
        self._attempts += 1
        now_s, reason = self._clock(), farewell.reason
        if reason != self._last_reason or now_s - self._said_at_s >= SAME_LOG_S:
            level = logging.ERROR if farewell.is_refused else logging.WARNING
            words = (self._source, self._url, self._attempts, reason)
            logger.log(level, "source=%s url=%s attempt=%d %s", *words)
            self._last_reason, self._said_at_s = reason, now_s
