"""One connection after the other, for as long as the process lives; see ``ports.Source``."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from gateway.config.sections import BrokerSource
from gateway.ports import Intake
from gateway.sources.backoff import Backoff
from gateway.sources.broker_hello import Farewell
from gateway.sources.broker_standing import Standing
from gateway.stats import Stats

CONNECT_TIMEOUT_S = 10.0  # from the first SYN to the last SUBACK; TLS on a Pi takes 1


class Line(Protocol):
    """One connection to a broker: used once, then thrown away.

    Attributes:
        up: done once the broker has accepted us and answered our subscriptions; the result
            says whether it still had our session.
        gone: done once the connection is over.
    """

    up: asyncio.Future[bool]
    gone: asyncio.Future[Farewell]

    async def connect(self) -> None:
        """Open the connection.

        Raises:
            OSError: nobody there, or a certificate that does not fit.
        """

    def acknowledge(self, number: int) -> None:
        """Answer every message up to record ``number``, in the order they came."""

    def relieve(self) -> None:
        """Read on: the intake is no longer congested."""

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Send at QoS 0, or drop where the broker is too slow."""

    def close(self) -> None:
        """Say good-bye where there is a connection; the session stays with the broker."""


@dataclass(frozen=True)
class Surroundings:
    """Time and chance, so that tests can have their own."""

    rng: random.Random = field(default_factory=random.SystemRandom)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class ReconnectingSource:
    """Keeps a line open; ``make_line`` makes the next one."""

    def __init__(
        self,
        section: BrokerSource,
        intake: Intake,
        stats: Stats,
        make_line: Callable[[], Line],
        around: Surroundings,
    ) -> None:
        self._make_line = make_line
        self._around = around
        self._backoff = Backoff(around.rng)
        self._standing = Standing(section, stats, around.clock)
        self._line: Line | None = None
        intake.on_durable(self._acknowledge)
        intake.on_relief(self._relieve)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """See ``ports.Publisher``: QoS 0, lost while there is no connection."""
        if self._line is not None:
            self._line.publish(topic, payload, retain=retain)

    async def run(self) -> None:
        """See ``ports.Source``."""
        while True:
            farewell, lasted_s = await self._serve_once()
            self._standing.say(farewell)
            if farewell.is_refused:
                await self._around.sleep(self._backoff.refused_s())
            else:
                await self._around.sleep(self._backoff.wait_s(lasted_s))

    async def _serve_once(self) -> tuple[Farewell, float]:
        """Receive until the connection is over; return why, and how long it was up."""
        line = self._line = self._make_line()
        try:
            farewell = await self._connect(line)
            if farewell is not None:
                return farewell, 0.0
            up_at_s = self._around.clock()
            self._standing.come_up(is_resumed=line.up.result())
            farewell = await line.gone
            return farewell, self._around.clock() - up_at_s
        finally:
            self._line = None
            line.close()
            self._standing.come_down()

    async def _connect(self, line: Line) -> Farewell | None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await line.connect()
                await asyncio.wait((line.up, line.gone), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            return Farewell(f"no answer within {CONNECT_TIMEOUT_S:.0f} s")
        except OSError as error:
            return Farewell(f"cannot connect: {error}")
        return None if line.up.done() else line.gone.result()

    def _acknowledge(self, number: int) -> None:
        if self._line is not None:
            self._line.acknowledge(number)

    def _relieve(self) -> None:
        if self._line is not None:
            self._line.relieve()
