"""Many connections at once, without waiting for any: TCP, TLS, CONNECT, CONNACK."""

import os
import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable

from simulators import wire
from simulators.channel import CONNACK_BYTES, CONNECT_TIMEOUT_S, KEEPALIVE_S, Channel, check_connack
from simulators.target import Target

# Mosquitto lets 100 connections wait for accept(); a SYN beyond them comes again after a second,
# and what we would measure then is the kernel.
AT_ONCE = 100
_TCP, _TLS, _CONNACK = range(3)


class Dial:
    """One connection on its way."""

    def __init__(self, channel: Channel, target: Target) -> None:
        self.channel = channel
        self.began_s = time.perf_counter()
        self.events = selectors.EVENT_WRITE
        self.sock = socket.socket(_family(target.host), socket.SOCK_STREAM)
        self._target = target
        self._state = _TCP
        self._reply = b""
        self.sock.settimeout(0)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = self.sock.connect_ex((target.host, target.port))
        if code not in {0, 115}:  # EINPROGRESS of Linux
            self.sock.close()
            raise OSError(code, os.strerror(code))

    def advance(self) -> bool:
        """Do what can be done now; return whether the server has let us in.

        Raises:
            OSError: it has not.
        """
        try:
            if self._state == _TCP:
                self._connected()
            if self._state == _TLS:
                self._shake_hands()
            if self._state == _CONNACK:
                self._reply += self._receive()
        except ssl.SSLWantWriteError:
            self.events = selectors.EVENT_WRITE
        except (BlockingIOError, ssl.SSLWantReadError):
            self.events = selectors.EVENT_READ
        if len(self._reply) < CONNACK_BYTES:
            return False
        check_connack(self.channel.client_id, self._reply)
        return True

    def _connected(self) -> None:
        code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        tls = self._target.tls_of(self.channel.client_id)
        if tls is None:
            self._greet()
            return
        self.sock = tls.wrap_socket(
            self.sock, server_hostname=self._target.name, do_handshake_on_connect=False
        )
        self._state = _TLS

    def _shake_hands(self) -> None:
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.do_handshake()
        self._greet()

    def _greet(self) -> None:
        client_id = self.channel.client_id
        self.sock.send(wire.connect(self._target.login(client_id), KEEPALIVE_S))
        self._state, self.events = _CONNACK, selectors.EVENT_READ

    def _receive(self) -> bytes:
        data = self.sock.recv(CONNACK_BYTES - len(self._reply))
        if not data:
            raise ConnectionRefusedError(f"{self.channel.client_id}: closed instead of CONNACK")
        return data


class Dialler:
    """Opens channels, ``at_once`` of them at a time."""

    def __init__(
        self, target: Target, selector: selectors.BaseSelector, at_once: int = AT_ONCE
    ) -> None:
        self.latencies_s: deque[float] = deque(maxlen=100_000)
        self.failed = 0
        self.last_error: OSError | None = None
        self._target = target
        self._selector = selector
        self._at_once = at_once
        self._waiting: deque[Channel] = deque()
        self._under_way: dict[Dial, int] = {}  # oldest first; the number of its file

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits for a connection."""
        return not self._waiting and not self._under_way

    def want(self, channel: Channel) -> None:
        """Open this channel when its turn comes."""
        self._waiting.append(channel)

    def start(self, on_failure: Callable[[Channel], None]) -> None:
        """Begin as many as may be under way, and give up what takes too long."""
        now_s = time.perf_counter()
        for dial in list(self._under_way):
            if now_s - dial.began_s < CONNECT_TIMEOUT_S:
                break
            self._fail(dial, TimeoutError("no CONNACK"), on_failure)
        while self._waiting and len(self._under_way) < self._at_once:
            channel = self._waiting.popleft()
            try:
                dial = Dial(channel, self._target)
            except OSError as error:
                self._note(error)
                on_failure(channel)
                continue
            self._under_way[dial] = dial.sock.fileno()
            self._selector.register(dial.sock, dial.events, dial)

    def serve(self, dial: Dial, on_failure: Callable[[Channel], None]) -> Channel | None:
        """Go on with one; return its channel once that is open and registered for reading."""
        number, events = self._under_way[dial], dial.events
        try:
            is_open = dial.advance()
        except OSError as error:
            self._fail(dial, error, on_failure)
            return None
        if not is_open:
            if dial.events != events or dial.sock.fileno() != number:
                self._selector.modify(dial.sock.fileno(), dial.events, dial)
            return None
        del self._under_way[dial]
        self._selector.unregister(dial.sock.fileno())
        self.latencies_s.append(time.perf_counter() - dial.began_s)
        dial.channel.sock = dial.sock
        self._selector.register(dial.sock, selectors.EVENT_READ, dial.channel)
        return dial.channel

    def _fail(self, dial: Dial, error: OSError, on_failure: Callable[[Channel], None]) -> None:
        self._selector.unregister(self._under_way.pop(dial))
        dial.sock.close()
        self._note(error)
        on_failure(dial.channel)

    def _note(self, error: OSError) -> None:
        self.failed += 1
        self.last_error = error


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
