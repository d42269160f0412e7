"""Connections of MicroPython: ESP32, and the unix port in the tests."""
# mypy: ignore-errors
# CPython's asyncio and ssl are other ones; pyright checks this file with the ESP32's stubs.

import asyncio
import errno
import gc
import socket
import ssl

CONNECT_MS = 10_000
_IPPROTO_TCP, _TCP_NODELAY = 6, 1  # the unix port lacks the names
_UNDER_WAY = (errno.EINPROGRESS, errno.EAGAIN)


class Wire:
    """A connection (hal/base.py)."""

    def __init__(self, sock):
        self._socket = sock
        self._stream = asyncio.StreamReader(sock)  # writes, too: one class, whatever the stubs say

    async def read(self, limit):
        return await self._stream.read(limit)

    async def write(self, data):
        self._stream.write(data)  # pyright: ignore[reportAttributeAccessIssue]
        await self._stream.drain()  # pyright: ignore[reportAttributeAccessIssue]

    def close(self):
        self._socket.close()


def context_of(tls):
    """Return a context that proves the server, or a pre-shared key, or nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.psk_key:
        context.verify_mode = ssl.CERT_NONE  # who has the key is who we want
        inner = context._context  # noqa: SLF001 # pyright: ignore[reportAttributeAccessIssue]
        inner.psk_identity = tls.psk_identity  # ssl has no name for it
        inner.psk_key = tls.psk_key
        return context
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=tls.ca)
    if tls.cert:
        context.load_cert_chain(tls.cert, tls.key)
    return context


def addresses(host, port, kind):
    """Return what to try, IPv6 first."""
    found = socket.getaddrinfo(host, port, 0, kind)
    return sorted(found, key=lambda info: info[0] != socket.AF_INET6)


async def connect(host, port, tls):
    reason = OSError(errno.EHOSTUNREACH)
    for info in addresses(host, port, socket.SOCK_STREAM):
        sock = socket.socket(info[0], info[1], info[2])
        try:
            await asyncio.wait_for_ms(_connect(sock, info[-1]), CONNECT_MS)
            return Wire(_secured(sock, host, tls))
        except OSError as error:
            reason = error
        except asyncio.TimeoutError:  # pyright: ignore[reportUnusedExcept] - here no OSError
            reason = OSError(errno.ETIMEDOUT)
        except ValueError as error:  # a certificate that is none
            reason = OSError(errno.EINVAL, str(error))
        sock.close()
    raise reason


async def _connect(sock, address):
    sock.setblocking(False)
    try:
        sock.connect(address)
    except OSError as error:
        if error.errno not in _UNDER_WAY:
            raise
    await _writable(sock)  # pyright: ignore[reportGeneralTypeIssues]
    sock.send(b"")  # raises what became of the connection
    sock.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)


def _writable(sock):
    core = asyncio.core  # pyright: ignore[reportAttributeAccessIssue]
    yield core._io_queue.queue_write(sock)  # noqa: SLF001 - as asyncio.stream does it


def _secured(sock, host, tls):
    if tls is None:
        return sock
    tls.reserve.clear()  # the largest object of all goes where the reserve was
    gc.collect()
    # The handshake runs with the first bytes, and does not block the other tasks (mqtt_as#171).
    secured = context_of(tls).wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    secured.setblocking(False)
    return secured


async def exchange_udp(host, port, data, wait_ms):
    info = addresses(host, port, socket.SOCK_DGRAM)[-1]
    sock = socket.socket(info[0], info[1], info[2])
    try:
        sock.setblocking(False)
        sock.connect(info[-1])
        sock.send(data)
        return await asyncio.wait_for_ms(asyncio.StreamReader(sock).read(512), wait_ms)
    except asyncio.TimeoutError:
        raise OSError(errno.ETIMEDOUT)  # noqa: B904 - MicroPython has no "from"
    finally:
        sock.close()
