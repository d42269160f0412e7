"""A source that is the client of a broker, by MQTT 5 or 3.1.1 on our own codec."""

from gateway.config.sections import BrokerSource
from gateway.mqtt import KnownTopics
from gateway.ports import Intake
from gateway.sources.broker_hello import login_of, tls_of
from gateway.sources.broker_link import Link, LinkContext
from gateway.sources.reconnect import ReconnectingSource, Surroundings
from gateway.stats import Stats


class BrokerClient(ReconnectingSource):
    """Keeps one session with a broker; see ``ports.Source``.

    Raises:
        ConfigError: the section's password, certificate or key cannot be read.
    """

    def __init__(
        self,
        index: int,
        section: BrokerSource,
        intake: Intake,
        stats: Stats,
        around: Surroundings | None = None,
    ) -> None:
        around = around or Surroundings()
        self._context = LinkContext(
            source=index,
            section=section,
            login=login_of(section),
            tls=tls_of(section),
            intake=intake,
            stats=stats,
            clock=around.clock,
            known=KnownTopics(),
        )
        super().__init__(section, intake, stats, self._next_link, around)
        self._granted: dict[str, int] = {}

    def _next_link(self) -> Link:
        link = Link(self._context, self._granted)
        self._granted = link.filters.granted  # what this link learns, the next one knows
        return link
