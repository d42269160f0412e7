"""Keeps a connection to the server and carries what the uplink says (core/uplink.py)."""

import json

from fieldnode import rooms
from fieldnode.core.backoff import Backoff
from fieldnode.core.mqtt import MqttError, Session
from fieldnode.core.uplink import UP
from fieldnode.hal.tasks import Event, create_task

if False:  # for the type checker
    from collections.abc import Callable, Coroutine
    from typing import Any

    from fieldnode.core.health import Health
    from fieldnode.core.uplink import Uplink
    from fieldnode.hal.base import Hal, Tls, Wire

READ_BYTES = 256  # the most that is asked of the heap in one piece for what arrives
_HANG_MS = 90_000  # a write takes less, or never ends; the watchdog waits for 120 s (app.py)
_PAUSE_MS = 5000  # sleeps are cut into these, so that the watchdog sees progress
UNKNOWN = (0x86, 0x87)  # CONNACK: bad user name or password, not authorised
# The alert that says it is lost: the server has closed by the time our CONNECT is on its way.
REFUSED = " before an answer: is our certificate expired or revoked, or our key wrong?"
# What a server or a network does wrong; anything else is a fault of ours and counts as a crash.
FAULTS = (OSError, MqttError, ValueError, IndexError)


class Connector:
    """One connection after the other.

    Args:
        hal: the board.
        config: core/config.py.
        uplink: what goes over it.
        health: counters.
        uptime_ms: the node's.
        handle: does what the server wants: ``(kind, id, payload)`` of ``Uplink.feed``.

    Attributes:
        reserve: what was taken at boot for the context of TLS (``app.RESERVE_BYTES``).
        moved: is told when there was progress (health.py, Progress).
    """

    moved: "Callable[[str], None]"

    def __init__(
        self,
        hal: "Hal",
        config: "dict[str, Any]",
        uplink: "Uplink",
        health: "Health",
        uptime_ms: "Callable[[], int]",
        handle: "Callable[[bytes, bytes, bytes], None]",
    ) -> None:
        self._hal = hal
        self._config = config
        self._uplink = uplink
        self._health = health
        self._uptime_ms = uptime_ms
        self._handle = handle
        self._backoff = Backoff(
            self._draw, config["retry_max_s"] * 1000, config["backlog_wait_s"] * 1000
        )
        self._wake = Event()
        self._ended = Event()
        self._wire: "Wire | None" = None
        self._pumped_ms = 0
        self._login: "Any" = None  # core/claim.py, while there is a claim
        self.is_up = False
        self.since_ms = 0  # uptime when the last connection ended, or began if it stands
        self._is_secured = False  # a connection over TLS was opened
        self.why = ""
        self.reserve: "list[bytearray]" = []
        self._tls: "Tls | None" = (
            None  # its context is made once: days later, no hole is that large
        )

    def _draw(self, below: int) -> int:
        return self._hal.random_u32() % below

    def wake(self) -> None:
        """Look for something to send."""
        self._wake.set()

    def drop(self, why: str) -> None:
        """End the connection that stands."""
        self.why = why
        self._ended.set()

    def tick(self, now_ms: int) -> None:
        """Call it every second: timers of the uplink run then, and nothing hangs unseen."""
        self._wake.set()
        silent_ms = now_ms - self._pumped_ms
        if self._wire and silent_ms > min(_HANG_MS, self._config["keepalive_s"] * 1500):
            self.drop("write hangs")

    async def run(self) -> None:
        """Connect, carry, and connect again, for ever."""
        while True:
            self.moved("uplink")
            self.why = "ended by the server"
            try:
                await self._carry()
            except FAULTS as error:
                self.why = repr(error)
            if self._is_secured and not self.is_up and "VERIFY" not in self.why:
                self.why += REFUSED
            self._is_secured = False
            if self.is_up:
                self.is_up = False
                self.since_ms = self._uptime_ms()
                self._health.count("disconnects")
            self._hal.log("connection: " + self.why)
            await self._pause(self._backoff.failed(self._uptime_ms()))

    async def _pause(self, duration_ms: int) -> None:
        while duration_ms > 0:
            self.moved("uplink")
            await self._hal.sleep_ms(min(duration_ms, _PAUSE_MS))
            duration_ms -= _PAUSE_MS

    def _secure(self) -> "Tls | None":
        if self._tls is None:
            self._tls = self.tls()
        return self._tls

    def tls(self) -> "Tls | None":
        """Return the material of this node.

        Raises:
            ValueError: something is missing; a node does not fall back to less.
        """
        config, hal = self._config, self._hal
        if config["tls"] == "none":
            return None
        room = rooms.enter("hal.material")
        rooms.leave("hal.material")  # the class is there as long as what is made of it
        made: "Tls"
        if config["tls"] == "psk":
            if not config["psk"]:
                raise ValueError("no psk")
            key = bytes.fromhex(config["psk"])
            name = config["device"].encode()
            made = room.Tls(psk_identity=name, psk_key=key, reserve=self.reserve)
            return made
        ca = hal.kv_get("ca")
        if not ca:
            raise ValueError("no ca")
        cert, key = hal.kv_get("cert") or b"", hal.kv_get("key") or b""
        made = room.Tls(ca, cert, key, reserve=self.reserve)
        return made

    def _session(self) -> Session:
        config = self._config
        base = "tg/1/%s/%s/%s/" % (config["org"], config["sector"], config["device"])
        if config["claim"] and self._login is None:  # only now: with its radio on, an ESP32
            room = rooms.enter("core.claim")  # draws true noise
            self._login = room.Login(config, self._save, self._hal.random_u32)
        password = self._login.password() if self._login else config["password"] or None
        session = Session(
            config["device"],
            config["keepalive_s"],
            (config["user"] or config["device"]) if password or config["user"] else None,
            password,
            (base.encode() + b"s", b'{"st":"lost"}'),
        )
        session.limit(config["window"])
        return session

    async def _carry(self) -> None:
        config = self._config
        wire = await self._hal.connect(config["host"], config["port"], self._secure())
        self._wire = wire
        self._is_secured = config["tls"] != "none"
        self._ended.clear()
        self._pumped_ms = now_ms = self._uptime_ms()
        session = self._session()
        self._uplink.opened(session, now_ms)
        reader = create_task(self._end_with(self._read(wire)))
        # Over TLS the first write waits for the handshake, perhaps for ever: in a task that
        # ``tick`` and the session's own time-out can end.
        writer = create_task(self._end_with(self._pump(wire, session.connect())))
        try:
            await self._ended.wait()
        finally:
            reader.cancel()
            writer.cancel()
            self._wire = None
            self._uplink.closed()
            wire.close()

    async def _end_with(self, work: "Coroutine[Any, Any, None]") -> None:
        try:
            await work
        except FAULTS as error:
            self.why = repr(error)
            if isinstance(error, MqttError) and error.code in UNKNOWN and self._login:
                self._login.refused()
        finally:
            self._ended.set()

    async def _read(self, wire: "Wire") -> None:
        while True:
            data = await wire.read(READ_BYTES)
            if not data:
                return
            self.moved("uplink")
            for kind, name, payload in self._uplink.feed(data, self._uptime_ms()):
                if kind == UP:
                    self._connected()
                else:
                    self._handle(kind, name, payload)
            self._wake.set()

    def _save(self, config: "dict[str, Any]") -> None:
        self._hal.kv_put("config", json.dumps(config).encode())

    def _connected(self) -> None:
        if self._login:
            self._login.accepted()
            self._login = None
            rooms.leave("core.claim")
        rooms.enter("moving").settle(self._hal, self._config)
        rooms.leave("moving")
        now_ms = self.since_ms = self._uptime_ms()
        self.is_up = True
        self._health.count("connects")
        self._uplink.backlog_after(now_ms + self._backoff.connected(now_ms))

    async def _pump(self, wire: "Wire", hello: bytes) -> None:
        await wire.write(hello)
        while True:
            packet = self._uplink.next(self._uptime_ms())
            if packet:
                await wire.write(packet)
            else:
                self._wake.clear()
                await self._wake.wait()
            self._pumped_ms = self._uptime_ms()
            self.moved("uplink")
