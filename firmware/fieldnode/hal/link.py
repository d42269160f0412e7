"""TCP, TLS and UDP for all boards; MicroPython and CPython differ too much for one module."""

import sys

if sys.implementation.name == "micropython":
    from fieldnode.hal.link_mp import connect, exchange_udp
else:
    from fieldnode.hal.link_py import connect, exchange_udp

__all__ = ["connect", "exchange_udp"]
