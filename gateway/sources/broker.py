"""A source that is the client of a broker; see ``ports.Source``."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping

from gateway.config.sections import BrokerSource
from gateway.mqtt import KnownTopics
from gateway.ports import Intake
from gateway.sources.backoff import Backoff
from gateway.sources.broker_hello import Farewell, login_of, tls_of
from gateway.sources.broker_link import Link, LinkContext
from gateway.sources.broker_standing import Standing
from gateway.stats import Stats

CONNECT_TIMEOUT_S = 10.0  # from the first SYN to the CONNACK; TLS on a Pi takes 1


class BrokerClient:
    """Keeps one session with a broker, by MQTT 5 or 3.1.1.

    Raises:
        ConfigError: the section's password, certificate or key cannot be read.
    """

    def __init__(  # noqa: PLR0913  # the last three are for tests
        self,
        index: int,
        section: BrokerSource,
        intake: Intake,
        stats: Stats,
        *,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._section = section
        self._clock = clock
        self._sleep = sleep
        self._tls = tls_of(section)
        login = login_of(section)
        self._context = LinkContext(index, section, login, intake, stats, clock, KnownTopics())
        self._backoff = Backoff(rng or random.SystemRandom())
        self._link: Link | None = None
        self._granted: Mapping[str, int] = {}
        self._standing = Standing(section, stats, clock)
        intake.on_durable(self._acknowledge)
        intake.on_relief(self._relieve)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """See ``ports.Publisher``: QoS 0, lost while there is no connection."""
        if self._link is not None:
            self._link.publish(topic, payload, retain=retain)

    async def run(self) -> None:
        """See ``ports.Source``."""
        while True:
            farewell, lasted_s = await self._serve_once()
            self._standing.say(farewell)
            if farewell.is_refused:
                await self._sleep(self._backoff.refused_s())
            else:
                await self._sleep(self._backoff.wait_s(lasted_s))

    async def _serve_once(self) -> tuple[Farewell, float]:
        """Connect and receive until the connection is over; return why and how long it was up."""
        link = Link(self._context, self._granted)
        try:
            farewell = await self._connect(link)
            if farewell is not None:
                return farewell, 0.0
            up_at_s = self._clock()
            self._standing.come_up(is_resumed=link.up.result())
            farewell = await link.gone
            return farewell, self._clock() - up_at_s
        finally:
            self._link = None
            link.close()
            self._standing.come_down()
            self._granted = link.filters.granted

    async def _connect(self, link: Link) -> Farewell | None:
        host, port = self._section.address
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                self._link = link  # it may acknowledge as soon as it receives
                await loop.create_connection(lambda: link, host, port, ssl=self._tls)
                await asyncio.wait((link.up, link.gone), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            return Farewell(f"no answer within {CONNECT_TIMEOUT_S:.0f} s")
        except OSError as error:  # refused, unreachable, or a certificate that does not fit
            return Farewell(f"cannot connect: {error}")
        return None if link.up.done() else link.gone.result()

    def _acknowledge(self, number: int) -> None:
        if self._link is not None:
            self._link.acknowledge(number)

    def _relieve(self) -> None:
        if self._link is not None:
            self._link.relieve()
