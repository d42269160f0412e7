"""Lines of JSON between two processes of one gateway, over a socket pair.

The intake tells the processor how far the journal is durable; the processor tells the intake
which receipts to send and how much of the journal it still needs. Both ends only ever send what
the other can lose without harm: a newer line says the same and more.
"""

import json
import select
import socket
from collections.abc import Iterator
from typing import Any

# A peer that stopped reading must not make us hoard: past this the connection counts as broken.
MAX_LINE_BYTES = 16 << 20


class Link:
    """The processor's blocking end."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        # not select(): the socket has the number it had among the thousands of the intake
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._buffer = bytearray()
        self.is_open = True

    def poll(self, timeout_s: float) -> Iterator[dict[str, Any]]:
        """Yield the messages that have come, waiting at most ``timeout_s`` for the first."""
        if not self._poll.poll(timeout_s * 1000):
            return
        data = self._sock.recv(1 << 16)
        if not data or len(self._buffer) > MAX_LINE_BYTES:
            self.is_open = False
            return
        self._buffer += data
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = bytearray(rest)
        for line in lines:
            yield json.loads(line)

    def send(self, message: dict[str, Any]) -> None:
        """Send one message; a vanished peer is noticed by ``poll``."""
        try:
            self._sock.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self.is_open = False
