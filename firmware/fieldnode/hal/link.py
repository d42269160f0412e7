"""TCP, TLS and UDP for all boards; MicroPython and CPython differ too much for one module."""

import sys

if sys.implementation.name == "micropython":
    from fieldnode.hal.link_mp import connect, exchange_udp
else:
    from fieldnode.hal.link_py import connect, exchange_udp

__all__ = ["Tls", "connect", "exchange_udp"]


class Tls:
    """What a connection is secured with (hal/base.py)."""

    def __init__(
        self,
        ca: bytes = b"",
        cert: bytes = b"",
        key: bytes = b"",
        psk_identity: bytes = b"",
        psk_key: bytes = b"",
        reserve: "list[bytearray] | None" = None,
    ) -> None:
        self.ca = ca
        self.cert = cert
        self.key = key
        self.psk_identity = psk_identity
        self.psk_key = psk_key
        self.reserve = reserve if reserve is not None else []
        self.context: object = None  # MicroPython's, kept from one connection to the next
