"""Devices connect straight to infragate: an MQTT telemetry endpoint whose PUBACK means "on disk".

It is not a broker: no queues, no sessions that outlive a connection, nothing above QoS 1 for a
client of MQTT 5. ``listener_hub`` holds what connections share, ``listener_connection`` is one
client, ``listener_door`` decides who comes in, ``listener_access`` who may write and read what.
"""

import asyncio
import contextlib
import logging
import secrets
import ssl
import time
from collections.abc import Callable

from gateway.config.sections import ListenerSource, split_address
from gateway.ports import Authenticator, Intake
from gateway.sources.listener_connection import Connection
from gateway.sources.listener_hub import Hub, Shelf
from gateway.stats import Stats

logger = logging.getLogger(__name__)

_TICK_S = 1.0
_EXPIRY_TICKS = 30  # certificates that run out while connected are noticed within half a minute
_BACKLOG = 4096  # connections the kernel holds for us in a reconnect storm of 9,000
_HANDSHAKE_TIMEOUT_S = 10


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _random_id() -> str:
    return f"auto-{secrets.token_hex(8)}"


class Listener:
    """See ``ports.Source``.

    Args:
        index: of the source in the configuration, as records carry it.
        clock: Unix milliseconds; for the end of certificates only.
        make_id: client ids for clients that bring none.

    Raises:
        ConfigError: certificate, key, CA or PSK cannot be used.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # clock and randomness are the last two
        self,
        index: int,
        section: ListenerSource,
        intake: Intake,
        authenticator: Authenticator,
        stats: Stats,
        clock: Callable[[], int] = _now_ms,
        make_id: Callable[[], str] = _random_id,
    ) -> None:
        self._shelf = Shelf(index, section, intake, authenticator, clock, make_id)
        self._stats = stats
        self._context: ssl.SSLContext | None = authenticator.server_context(section)
        self._hub: Hub | None = None
        self.started = asyncio.Event()
        self.port = 0  # the real one once ``started``, where the configuration says 0
        intake.on_durable(self._on_durable)
        intake.on_relief(self._on_relief)

    async def run(self) -> None:
        """See ``ports.Source.run``."""
        loop = asyncio.get_running_loop()
        hub = self._hub = Hub(self._shelf, loop)
        host, port = split_address(self._shelf.section.listen)
        server = await loop.create_server(
            lambda: Connection(hub),
            host,
            port,
            ssl=self._context,
            backlog=_BACKLOG,
            ssl_handshake_timeout=None if self._context is None else _HANDSHAKE_TIMEOUT_S,
        )
        self.port = server.sockets[0].getsockname()[1]
        self.started.set()
        logger.info("source=%d listening on %s", self._shelf.index, self._address())
        try:
            await self._tick(hub)
        finally:
            server.close()
            hub.close()
            self._report(hub)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)  # the goodbyes go out in the next turn of the loop

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """See ``ports.Publisher``."""
        hub = self._hub
        if hub is None:
            return
        name = topic.encode()
        if retain:
            hub.retained.put(name, payload)
        hub.fan_out(name, payload, None, is_retained=retain)

    def disconnect_device(self, device_id: str) -> int:
        """End the live connections of a device, without its will; return how many there were."""
        peers = [] if self._hub is None else list(self._hub.devices.get(device_id, ()))
        for peer in peers:
            if self._hub is not None:
                self._hub.expel(peer)
        return len(peers)

    def _address(self) -> str:
        section = self._shelf.section
        host = section.listen.rpartition(":")[0]
        who = "with credentials and without" if section.allows_anonymous else "with credentials"
        scheme = "mqtt" if self._context is None else "mqtts"
        return f"{scheme}://{host}:{self.port} (clients {who})"

    async def _tick(self, hub: Hub) -> None:
        ticks = 0
        while True:
            await asyncio.sleep(_TICK_S)
            hub.tick(int(hub.loop.time()))
            ticks += 1
            if ticks % _EXPIRY_TICKS == 0:
                hub.expire()
            self._report(hub)

    def _report(self, hub: Hub) -> None:
        source = str(self._shelf.index)
        for event, count in hub.counts.items():
            self._stats.count("infragate_listener_events_total", count, source=source, event=event)
        hub.counts.clear()
        self._stats.gauge("infragate_listener_connections", len(hub.clients), source=source)
        self._stats.gauge("infragate_listener_subscriptions", len(hub.router), source=source)

    def _on_durable(self, number: int) -> None:
        if self._hub is not None:
            self._hub.commit(number)

    def _on_relief(self) -> None:
        if self._hub is not None:
            self._hub.relieve()
