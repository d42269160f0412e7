"""Connections of MicroPython: ESP32, and the unix port in the tests."""
# mypy: ignore-errors
# CPython's ssl is another one; pyright checks this file with the ESP32's stubs.

import errno
import gc
import select
import socket

import tls

from fieldnode.hal.tasks_mp import sleep_ms, until

if False:  # for the type checker
    from typing import Any

CONNECT_MS = 10_000
_POLL_MS = 20  # while a connection is made
_IPPROTO_TCP, _TCP_NODELAY = 6, 1  # the unix port lacks the names
_UNDER_WAY = (errno.EINPROGRESS, errno.EAGAIN)


class Wire:
    """A connection (hal/base.py): what asyncio.StreamReader does, in a tenth of its heap."""

    def __init__(self, sock):
        self._socket = sock

    async def read(self, limit):
        data = None
        while data is None:  # TLS has taken bytes that were none of ours
            await until(self._socket, False)
            data = self._socket.read(limit)
        return data

    async def write(self, data):
        rest = memoryview(data)
        while rest:
            await until(self._socket, True)
            rest = rest[self._socket.write(rest) or 0 :]

    def close(self):
        self._socket.close()


async def _ready(sock, event, wait_ms, step_ms):
    """Wait for an event of a socket."""
    poller = select.poll()
    poller.register(sock, event)
    while not poller.poll(0):
        if wait_ms <= 0:
            raise OSError(errno.ETIMEDOUT)
        await sleep_ms(step_ms)
        wait_ms -= step_ms


def context_of(way):
    """Return a context that proves the server, or a pre-shared key, or nothing."""
    context: Any = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)  # the stubs know half of it
    if way.psk_key:
        context.verify_mode = tls.CERT_NONE  # who has the key is who we want
        context.psk_identity = way.psk_identity
        context.psk_key = way.psk_key
        return context
    context.verify_mode = tls.CERT_REQUIRED
    context.load_verify_locations(way.ca)
    if way.cert:
        context.load_cert_chain(way.cert, way.key)
    return context


def addresses(host, port, kind):
    """Return what to try, IPv6 first."""
    found = socket.getaddrinfo(host, port, 0, kind)
    return sorted(found, key=lambda info: info[0] != socket.AF_INET6)


async def connect(host, port, way):
    reason = OSError(errno.EHOSTUNREACH)
    for info in addresses(host, port, socket.SOCK_STREAM):
        sock = socket.socket(info[0], info[1], info[2])
        try:
            await _connect(sock, info[-1])
            return Wire(_secured(sock, host, way))
        except OSError as error:
            reason = error
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
    await _ready(sock, select.POLLOUT, CONNECT_MS, _POLL_MS)
    sock.send(b"")  # raises what became of the connection
    sock.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)


def _secured(sock, host, way):
    if way is None:
        return sock
    if way.context is None:
        way.reserve.clear()  # the largest object of all goes where the reserve was
        gc.collect()
        way.context = context_of(way)
        way.ca = way.cert = way.key = b""  # Mbed TLS has its own, outside of this heap
    # The handshake runs with the first bytes, and does not block the other tasks (mqtt_as#171).
    secured = way.context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    secured.setblocking(False)
    return secured


async def exchange_udp(host, port, data, wait_ms):
    info = addresses(host, port, socket.SOCK_DGRAM)[-1]
    sock = socket.socket(info[0], info[1], info[2])
    try:
        sock.setblocking(False)
        sock.connect(info[-1])
        sock.send(data)
        await _ready(sock, select.POLLIN, wait_ms, 1)  # a late look would be an error of the time
        return sock.recv(512)
    finally:
        sock.close()
