"""One non-blocking connection of the load generator; many devices may share it.

The channel says whose turn it is, ``load`` encodes for many channels at once and hands each its
part: a call of the encoder costs as much as a hundred messages.
"""

import contextlib
import socket
import ssl
import time
from collections import deque

from simulators import wire
from simulators.target import Target
from simulators.templates import Shape

CONNECT_TIMEOUT_S = 5.0
KEEPALIVE_S = 600
CONNACK_BYTES = 4
READ_BYTES = 1 << 15  # a larger buffer is mapped and unmapped by every recv: 37 µs instead of 3
_PUBACK_BYTES = 4
SAMPLES = 100_000  # latencies kept; the oldest go first
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def open_socket(target: Target, client_id: str) -> socket.socket:
    """Return a connected socket on which the server has accepted us.

    Raises:
        OSError: nobody there, or the server refuses.
    """
    sock = socket.create_connection((target.host, target.port), CONNECT_TIMEOUT_S)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = target.tls_of(client_id)
        if tls is not None:
            sock = tls.wrap_socket(sock, server_hostname=target.name)
        sock.sendall(wire.connect(target.login(client_id), KEEPALIVE_S))
        reply = b""
        while len(reply) < CONNACK_BYTES:
            reply += (data := sock.recv(CONNACK_BYTES - len(reply)))
            if not data:
                raise ConnectionRefusedError(f"{client_id}: closed instead of CONNACK")
        check_connack(client_id, reply)
    except OSError:
        sock.close()
        raise
    sock.settimeout(0)
    return sock


def check_connack(client_id: str, reply: bytes) -> None:
    """Look at the four bytes that answer a CONNECT.

    Raises:
        ConnectionRefusedError: they do not let us in.
    """
    if reply[:1] != b"\x20" or reply[3]:
        raise ConnectionRefusedError(f"{client_id}: CONNACK {reply.hex()}")


class Channel:
    """Publishes for the devices ``first`` up to before ``last`` with a window in flight."""

    def __init__(self, shape: Shape, first: int, last: int, window: int) -> None:
        self.client_id = shape.device(first)
        self.sock: socket.socket | None = None
        self.retry_at_s = 0.0
        self.sent = self.acked = self.unacknowledged_lost = 0
        self.latencies_s: deque[float] = deque(maxlen=SAMPLES)
        self._first, self._last, self._cursor = first, last, first
        self._is_answered = shape.qos > 0
        self._window = window if self._is_answered else 1 << 62
        self._queue: list[memoryview] = []
        self._unsent = memoryview(b"")  # the rest of a send that the socket did not take
        self._tail = b""  # of a PUBACK that came in two parts
        self._marks: deque[tuple[int, float]] = deque()  # (sent, when); at most one per send

    @property
    def in_flight(self) -> int:
        """Messages that the server has not acknowledged."""
        return self.sent - self.acked if self._is_answered else 0

    @property
    def waits_since_s(self) -> float | None:
        """When the oldest message without PUBACK was sent."""
        return self._marks[0][1] if self._marks else None

    @property
    def is_stuck(self) -> bool:
        """Whether the socket has not taken all of the last send."""
        return bool(self._unsent)

    @property
    def room(self) -> int:
        """How many messages may be sent now."""
        if self.sock is None or self._unsent:
            return 0
        return self._window - self.in_flight

    def turn(self, most: int) -> tuple[int, int]:
        """Return which devices, ``most`` at the most, are to send their next message."""
        return self._cursor, min(self._cursor + max(0, min(most, self.room)), self._last)

    def take(self, data: memoryview, first: int, last: int) -> None:
        """Queue the messages of devices whose turn it is; ``data`` is written again soon."""
        self._queue.append(memoryview(bytes(data)))
        self._cursor = last if last < self._last else self._first
        self.sent += last - first

    def flush(self) -> None:
        """Send what is queued, or go on with what the socket did not take whole."""
        if self._queue:
            if self._is_answered:
                self._marks.append((self.sent, time.perf_counter()))
            queue, self._queue = [self._unsent, *self._queue], []
            self._unsent = memoryview(b"".join(queue))
        sent = 0
        with contextlib.suppress(*_WOULD_BLOCK):
            while self.sock is not None and sent < len(self._unsent):
                sent += self.sock.send(self._unsent[sent:])
        self._unsent = self._unsent[sent:]

    def receive(self) -> None:
        """Count what has been acknowledged.

        Raises:
            ConnectionError: the server has closed, or said something else than PUBACK.
        """
        while self.sock is not None:
            try:
                data = self.sock.recv(READ_BYTES)
            except _WOULD_BLOCK:
                return
            if not data:
                raise ConnectionResetError("closed by the server")
            self._count(self._tail + data)
            if len(data) < READ_BYTES and not isinstance(self.sock, ssl.SSLSocket):
                return  # a TLS socket may hold more than the selector sees

    def lose(self, retry_at_s: float) -> None:
        """Forget the connection; what was in flight on it is counted, not sent again."""
        if self.sock is not None:
            self.sock.close()
        self.sock, self.retry_at_s = None, retry_at_s
        self.unacknowledged_lost += self.in_flight
        self.acked = self.sent if self._is_answered else self.acked
        self._unsent, self._tail = memoryview(b""), b""
        self._queue.clear()
        self._marks.clear()

    def _count(self, data: bytes) -> None:
        whole = len(data) // _PUBACK_BYTES
        end = whole * _PUBACK_BYTES
        # nothing else is subscribed to, so every fourth byte must be the head of a PUBACK
        if data[0:end:_PUBACK_BYTES] != b"\x40" * whole:
            raise ConnectionAbortedError(f"not a PUBACK: {data[:16].hex()}")
        self.acked += whole
        self._tail = data[end:]
        now_s = time.perf_counter()
        while self._marks and self._marks[0][0] <= self.acked:
            self.latencies_s.append(now_s - self._marks.popleft()[1])
