"""The same source on paho-mqtt: slower, and written by others, which is what it is for.

Paho's own thread cannot be told to stop reading, so the event loop watches paho's socket in its
place. PUBACKs are sent after the commit (``manual_ack``). A congestion longer than 1.5 keepalives
costs the connection, because paho pings only where it may also read; nothing is lost by it.
"""

import asyncio
import socket
import ssl
from collections import deque

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
from gateway.sources.broker_filters import Filters
from gateway.sources.broker_hello import Farewell, farewell_of, login_of, tls_of
from gateway.sources.reconnect import CONNECT_TIMEOUT_S, ReconnectingSource, Surroundings
from gateway.stats import Stats

LOOK_EVERY_S = 0.25  # fine enough for the shortest keepalive, 2 s
OUTBOX_MESSAGES = 30_000  # receipts to every device of a large site; the next one repeats them
_NEVER_S = 0xFFFF_FFFF


class _PahoLine:
    """See ``reconnect.Line``; all of it but ``_open`` runs in the event loop."""

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
        self._waiting: deque[tuple[int, int]] = deque()  # record number, packet id; ≤ window + 1
        self._outbox: deque[MQTTMessageInfo] = deque()  # not yet taken by the socket
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_reading = False
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_subscribe, client.on_message = self._on_subscribe, self._on_message
        client.on_socket_close = self._on_socket_close

    async def connect(self) -> None:
        """See ``Line``; paho connects in a blocking way, so it does that in a thread."""
        opening = self.loop.run_in_executor(None, self._open)
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(lambda _: self.close())
            raise
        opened = self.client.socket()
        self._socket = opened if isinstance(opened, socket.socket) else None
        self._look()
        self._set_reading()

    def acknowledge(self, number: int) -> None:
        """See ``Line``."""
        while self._waiting and self._waiting[0][0] <= number:
            self.client.ack(self._waiting.popleft()[1], 1)
        self._set_reading()

    def relieve(self) -> None:
        """See ``Line``."""
        self._set_reading()

    def close(self) -> None:
        """See ``Line``."""
        self.client.disconnect()
        if self._socket is not None:  # the good-bye did not leave at once: nobody reads
            broken = self._socket
            self._forget()
            broken.close()

    def _open(self) -> None:
        section = self._section
        host, port = section.address
        # paho gives up after two keepalives of silence, we promise one and a half
        keepalive_s = max(1, section.keepalive_s * 3 // 4)
        if section.version == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            expiry_s = min(duration_ms(section.session_expiry) // 1000, _NEVER_S)
            properties.SessionExpiryInterval = expiry_s
            properties.ReceiveMaximum = section.window
            properties.MaximumPacketSize = section.max_packet_bytes
            self.client.connect(host, port, keepalive_s, clean_start=False, properties=properties)
        else:
            self.client.connect(host, port, keepalive_s)

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """See ``Line``."""
        while self._outbox and self._outbox[0].is_published():
            self._outbox.popleft()
        if self.up.done() and len(self._outbox) < OUTBOX_MESSAGES:
            self._outbox.append(self.client.publish(topic, payload, 0, retain))
            self._set_writing()
        else:
            name = "infragate_source_publishes_dropped_total"
            self._stats.count(name, source=self._section.client_id)

    def _set_reading(self) -> None:
        """Read unless the intake is congested or the window is full."""
        is_full = self._intake.is_congested or len(self._waiting) >= self._section.window
        if self._socket is not None and self._is_reading is is_full:
            self._is_reading = not is_full
            if self._is_reading:
                self.loop.add_reader(self._socket, self._read)
            else:
                self.loop.remove_reader(self._socket)
        self._set_writing()

    def _set_writing(self) -> None:
        if self._socket is not None:
            if self.client.want_write():
                self.loop.add_writer(self._socket, self._write)
            else:
                self.loop.remove_writer(self._socket)

    def _read(self) -> None:
        self.client.loop_read()
        # what TLS has already decrypted, the selector does not see
        while isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            self.client.loop_read()
        self._set_reading()

    def _write(self) -> None:
        self.client.loop_write()
        self._set_writing()

    def _look(self) -> None:
        """Let paho send its pings, and notice when nobody answers them."""
        self._timer = self.loop.call_later(LOOK_EVERY_S, self._look)
        if self._is_reading:  # who does not listen hears no PINGRESP
            self.client.loop_misc()
        self._set_writing()

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            self.loop.remove_reader(self._socket)
            self.loop.remove_writer(self._socket)
        self._socket, self._is_reading = None, False

    def _on_socket_close(self, _client: Client, _userdata: object, _socket: object) -> None:
        self._forget()

    def _on_connect(
        self,
        client: Client,
        _userdata: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._finish(farewell_of(reason.value, {}, "refused"))
            return
        client.user_data_set(flags.session_present)
        if self._section.version == "5":
            if_new = SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
            options = SubscribeOptions(qos=1, retainHandling=if_new)
            client.subscribe([(name, options) for name in self._section.filters])
        else:
            client.subscribe([(name, 1) for name in self._section.filters])

    def _on_subscribe(
        self,
        _client: Client,
        userdata: object,
        packet_id: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        self._filters.open(0, is_resumed=False)
        codes = tuple(int(reason.value) for reason in reasons)
        self._filters.receive(SubAck(packet_id, codes), self._stats)
        if not self.up.done():
            self.up.set_result(bool(userdata))

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        flags = RecordFlag.QOS1 if message.qos else RecordFlag(0)
        flags |= RecordFlag.RETAINED if message.retain else 0
        flags |= RecordFlag.DUP if message.dup else 0
        topic, payload = message.topic.encode(), bytes(message.payload)
        number = self._intake.append(self._source, flags, topic, payload)
        if message.qos:
            self._waiting.append((number, message.mid))

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._finish(farewell_of(reason.value, {}, "disconnected"))
        else:
            self._finish(Farewell(f"connection lost: {reason}"))

    def _finish(self, farewell: Farewell) -> None:
        if not self.gone.done():
            self.gone.set_result(farewell)


class PahoClient(ReconnectingSource):
    """See ``broker.BrokerClient``, whose arguments and errors are the same."""

    def __init__(
        self,
        index: int,
        section: BrokerSource,
        intake: Intake,
        stats: Stats,
        around: Surroundings | None = None,
    ) -> None:
        self._index, self._section = index, section
        self._intake, self._stats = intake, stats
        self._tls, self._login = tls_of(section), login_of(section)
        super().__init__(section, intake, stats, self._next_line, around or Surroundings())

    def _next_line(self) -> _PahoLine:
        return _PahoLine(self._client(), self._index, self._section, self._intake, self._stats)

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
