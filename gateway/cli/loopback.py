"""Ports of the loopback that nobody listens on."""

import random
import socket

# Below those that the system gives to who connects (32,768 on Linux): a load test opens thousands
# of connections, and one of them would have the port before its server does.
_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """Return a TCP port that was free a moment ago."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
