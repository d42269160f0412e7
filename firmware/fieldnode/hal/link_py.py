"""Connections of CPython: Raspberry Pi, and the tests."""

import asyncio
import binascii
import os
import socket
import ssl
import tempfile

if False:  # for the type checker
    from fieldnode.hal.base import Tls

CONNECT_S = 10


class Wire:
    """A connection (hal/base.py)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, limit: int) -> bytes:
        return await self._reader.read(limit)

    async def write(self, data: "bytes | memoryview") -> None:
        self._writer.write(bytes(data))  # the caller builds the next one in the same place
        await self._writer.drain()

    def close(self) -> None:
        self._writer.transport.abort()


def context_of(tls: "Tls") -> ssl.SSLContext:
    """Return a context that proves the server, or a pre-shared key, or nothing.

    Raises:
        OSError: this Python cannot do pre-shared keys, or something is no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.psk_key:
        if not hasattr(context, "set_psk_client_callback"):
            raise OSError("psk: needs Python 3.13 or newer")
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # who has the key is who we want
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("PSK")
        pair = tls.psk_identity.decode(), tls.psk_key
        context.set_psk_client_callback(lambda _hint: pair)
        return context
    context.load_verify_locations(cadata=tls.ca)
    if tls.cert:
        _load_pair(context, tls)
    return context


def _load_pair(context: ssl.SSLContext, tls: "Tls") -> None:
    """Load certificate and key: OpenSSL's binding takes them from a PEM file only."""
    key = binascii.b2a_base64(tls.key).decode()
    text = ssl.DER_cert_to_PEM_cert(tls.cert)
    text += f"-----BEGIN PRIVATE KEY-----\n{key}-----END PRIVATE KEY-----\n"
    handle, name = tempfile.mkstemp()  # only its owner may read it
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        context.load_cert_chain(name)
    finally:
        os.unlink(name)


async def connect(host: str, port: int, tls: "Tls | None") -> Wire:
    context = context_of(tls) if tls else None
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    infos.sort(key=lambda info: info[0] != socket.AF_INET6)
    reason = OSError("no address")
    for family, _, _, _, address in infos:
        opening = asyncio.open_connection(
            str(address[0]),
            port,
            family=family,
            ssl=context,
            server_hostname=host if context else None,
            limit=4096,
        )
        try:
            reader, writer = await asyncio.wait_for(opening, CONNECT_S)
        except OSError as error:  # ssl.SSLError and TimeoutError are such
            reason = error
            continue
        writer.transport.get_extra_info("socket").setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )
        return Wire(reader, writer)
    raise reason


async def exchange_udp(host: str, port: int, data: bytes, wait_ms: int) -> bytes:
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    family, _, _, _, address = infos[0]
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, address)
        await loop.sock_sendall(sock, data)
        return await asyncio.wait_for(loop.sock_recv(sock, 512), wait_ms / 1000)
