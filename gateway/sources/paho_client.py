"""The same source on paho-mqtt: slower, and written by others, which is what it is for.

Paho runs its network in a thread of its own. Messages cross into the event loop in batches;
PUBACKs are sent from the loop after the commit (``manual_ack``).
"""

import asyncio
import random
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.config.sections import BrokerSource, duration_ms
from gateway.model import RecordFlag
from gateway.mqtt import V5, V311, SubAck
from gateway.ports import Intake
from gateway.sources.backoff import Backoff
from gateway.sources.broker_filters import Filters
from gateway.sources.broker_hello import Farewell, farewell_of, login_of, tls_of
from gateway.sources.broker_standing import Standing
from gateway.stats import Stats

CONNECT_TIMEOUT_S = 10.0
OUTBOX_MESSAGES = 30_000  # receipts to every device of a large site; the next one repeats them
_NEVER_S = 0xFFFF_FFFF


class _Line:
    """One connection. Methods named ``_on_…`` run in paho's thread, all others in the loop's."""

    def __init__(
        self, client: Client, source: int, section: BrokerSource, intake: Intake, stats: Stats
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.client = client
        self.up: asyncio.Future[bool] = self.loop.create_future()
        self.gone: asyncio.Future[Farewell] = self.loop.create_future()
        self._source, self._section, self._intake, self._stats = source, section, intake, stats
        version = V5 if section.version == "5" else V311
        self._filters = Filters(section.client_id, version, section.filters, {})
        self._batch: deque[MQTTMessage] = deque()  # bounded by the window: paho waits for room
        self._has_room = threading.Event()
        self._has_room.set()
        self._waiting: deque[tuple[int, int]] = deque()  # record number, packet id
        self._outbox: deque[MQTTMessageInfo] = deque()  # not yet taken by the socket
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_subscribe, client.on_message = self._on_subscribe, self._on_message

    def open(self) -> None:
        """Connect and start the thread; blocks, so it runs in an executor.

        Raises:
            OSError: nobody there, or a certificate that does not fit.
        """
        section = self._section
        host, port = section.address
        if section.version == "5":
            properties = Properties(PacketTypes.CONNECT)
            expiry_s = min(duration_ms(section.session_expiry) // 1000, _NEVER_S)
            properties.SessionExpiryInterval = expiry_s
            properties.ReceiveMaximum = section.window
            properties.MaximumPacketSize = section.max_packet_bytes
            self.client.connect(
                host, port, section.keepalive_s, clean_start=False, properties=properties
            )
        else:
            self.client.connect(host, port, section.keepalive_s)
        self.client.loop_start()

    def close(self) -> None:
        """End the connection and wait for the thread; blocks, so it runs in an executor."""
        self._has_room.set()
        self.client.disconnect()
        self.client.loop_stop()

    def acknowledge(self, number: int) -> None:
        """Answer every message up to record ``number``."""
        while self._waiting and self._waiting[0][0] <= number:
            self.client.ack(self._waiting.popleft()[1], 1)
        self.make_room()

    def make_room(self) -> None:
        """Let paho read on unless there is a reason against it."""
        if not self._intake.is_congested and len(self._waiting) < self._section.window:
            self._has_room.set()

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Send at QoS 0, or drop where the broker is too slow."""
        while self._outbox and self._outbox[0].is_published():
            self._outbox.popleft()
        if self.up.done() and len(self._outbox) < OUTBOX_MESSAGES:
            self._outbox.append(self.client.publish(topic, payload, 0, retain))
        else:
            name = "infragate_source_publishes_dropped_total"
            self._stats.count(name, source=self._section.client_id)

    def _drain(self) -> None:
        while self._batch:
            message = self._batch.popleft()
            flags = RecordFlag.QOS1 if message.qos else RecordFlag(0)
            flags |= RecordFlag.RETAINED if message.retain else 0
            flags |= RecordFlag.DUP if message.dup else 0
            topic = message.topic.encode()
            number = self._intake.append(self._source, flags, topic, message.payload)
            if message.qos:
                self._waiting.append((number, message.mid))
        if self._intake.is_congested or len(self._waiting) >= self._section.window:
            self._has_room.clear()
        else:
            self._has_room.set()

    def _finish(self, farewell: Farewell) -> None:
        if not self.gone.done():
            self.gone.set_result(farewell)

    def _subscribed(self, codes: tuple[int, ...], *, is_resumed: bool) -> None:
        self._filters.open(0, is_resumed=False)
        self._filters.receive(SubAck(0, codes), self._stats)
        if not self.up.done():
            self.up.set_result(is_resumed)

    def _on_connect(
        self,
        client: Client,
        userdata: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            farewell = farewell_of(reason.value, {}, "refused")
            self.loop.call_soon_threadsafe(self._finish, farewell)
            return
        client.user_data_set(flags.session_present)
        if self._section.version == "5":
            options = SubscribeOptions(
                qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
            )
            client.subscribe([(name, options) for name in self._section.filters])
        else:
            client.subscribe([(name, 1) for name in self._section.filters])

    def _on_subscribe(
        self,
        client: Client,
        userdata: object,
        packet_id: int,
        reasons: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        codes = tuple(int(reason.value) for reason in reasons)
        self.loop.call_soon_threadsafe(lambda: self._subscribed(codes, is_resumed=bool(userdata)))

    def _on_message(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        if len(self._batch) >= self._section.window:
            self._has_room.clear()
        # half a keepalive at most: the same thread must send the pings
        self._has_room.wait(self._section.keepalive_s / 2)
        self._batch.append(message)
        if len(self._batch) == 1:
            self.loop.call_soon_threadsafe(self._drain)

    def _on_disconnect(
        self,
        client: Client,
        userdata: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            farewell = farewell_of(reason.value, {}, "disconnected")
        else:
            farewell = Farewell(f"connection lost: {reason}")
        self.loop.call_soon_threadsafe(self._finish, farewell)


class PahoClient:
    """See ``broker.BrokerClient``, whose arguments these are.

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
        self._index, self._section = index, section
        self._intake, self._stats = intake, stats
        self._clock, self._sleep = clock, sleep
        self._tls, self._login = tls_of(section), login_of(section)
        self._backoff = Backoff(rng or random.SystemRandom())
        self._standing = Standing(section, stats, clock)
        self._line: _Line | None = None
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
                await self._sleep(self._backoff.refused_s())
            else:
                await self._sleep(self._backoff.wait_s(lasted_s))

    async def _serve_once(self) -> tuple[Farewell, float]:
        line = _Line(self._client(), self._index, self._section, self._intake, self._stats)
        self._line = line
        try:
            farewell = await self._connect(line)
            if farewell is not None:
                return farewell, 0.0
            up_at_s = self._clock()
            self._standing.come_up(is_resumed=line.up.result())
            farewell = await line.gone
            return farewell, self._clock() - up_at_s
        finally:
            self._line = None
            self._standing.come_down()
            await asyncio.shield(line.loop.run_in_executor(None, line.close))

    async def _connect(self, line: _Line) -> Farewell | None:
        try:
            await line.loop.run_in_executor(None, line.open)
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await asyncio.wait((line.up, line.gone), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            return Farewell(f"no answer within {CONNECT_TIMEOUT_S:.0f} s")
        except OSError as error:
            return Farewell(f"cannot connect: {error}")
        return None if line.up.done() else line.gone.result()

    def _client(self) -> Client:
        is_v5 = self._section.version == "5"
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._section.client_id,
            clean_session=None if is_v5 else False,
            protocol=MQTTProtocolVersion.MQTTv5 if is_v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        if self._login.username is not None:
            client.username_pw_set(self._login.username, self._login.password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        return client

    def _acknowledge(self, number: int) -> None:
        if self._line is not None:
            self._line.acknowledge(number)

    def _relieve(self) -> None:
        if self._line is not None:
            self._line.make_room()
