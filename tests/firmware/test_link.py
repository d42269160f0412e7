"""The wire of a node under CPython (hal/link_py.py): TCP, TLS and UDP against real peers."""

import asyncio
import contextlib
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from fieldnode.hal import link_py
from fieldnode.hal.material import Tls

_AUTHORITY = trustme.CA()
_PSK_NEEDS_313 = not hasattr(ssl.SSLContext, "set_psk_client_callback")


def _der(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.decode())


def _client() -> Tls:
    """Return what a node has: the authority, its certificate and its key."""
    issued = _AUTHORITY.issue_cert("meter-1")
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    return Tls(
        _der(_AUTHORITY.cert_pem.bytes()),
        _der(issued.cert_chain_pems[0].bytes()),
        key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def served(
    host: str = "127.0.0.1", context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Echo what comes; yields the port."""
    server = await asyncio.start_server(_echo, host, 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _mutual() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    _AUTHORITY.issue_cert("localhost").configure_cert(context)
    _AUTHORITY.configure_trust(context)
    return context


async def _read(wire: link_py.Wire, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = await asyncio.wait_for(wire.read(size - len(data)), 10)
        assert piece
        data += piece
    return data


async def test_bytes_go_both_ways_and_the_buffer_is_free_again() -> None:
    async with served() as port:
        wire = await link_py.connect("127.0.0.1", port, None)
        packet = bytearray(b"x" * 100_000)  # more than the socket takes at once
        reading = asyncio.create_task(_read(wire, 100_000))
        await wire.write(memoryview(packet))
        packet[:] = bytes(100_000)  # the uplink builds its next packet in the same place
        assert await reading == b"x" * 100_000
        wire.close()
        assert await asyncio.wait_for(wire.read(10), 10) == b""


async def test_a_small_packet_is_not_held_back() -> None:
    async with served() as port:
        wire = await link_py.connect("127.0.0.1", port, None)
        sock = wire._writer.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        wire.close()


@pytest.mark.clause("749.IV.3.c-1")
async def test_ipv6_goes_first_and_ipv4_is_what_remains(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(*_: object, **__: object) -> list[object]:
        four = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
        return [four, (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", _Resolver(both))
    async with served("::1") as port:
        wire = await link_py.connect("node.example", port, None)
        assert wire._writer.transport.get_extra_info("peername")[0] == "::1"
        wire.close()
    async with served() as port:  # nobody listens on ::1 at this one
        wire = await link_py.connect("node.example", port, None)
        assert wire._writer.transport.get_extra_info("peername")[0] == "127.0.0.1"
        wire.close()


class _Resolver:
    """Answers for one name; for addresses the real one does."""

    def __init__(self, answer: object) -> None:
        self._answer = answer
        self._real = socket.getaddrinfo

    def __call__(self, host: str, *rest: object, **names: object) -> object:
        asked = self._answer if host == "node.example" else self._real
        return asked(host, *rest, **names)  # type: ignore[operator]


async def test_where_nobody_listens_is_an_error_of_the_network() -> None:
    async with served() as port:
        pass
    with pytest.raises(OSError, match="Connect call failed"):
        await link_py.connect("127.0.0.1", port, None)


async def test_a_certificate_is_shown_and_its_key_lies_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with served("localhost", _mutual()) as port:
        wire = await link_py.connect("localhost", port, _client())
        await wire.write(b"hello")
        assert await _read(wire, 5) == b"hello"
        assert wire._writer.transport.get_extra_info("ssl_object").version() >= "TLSv1.2"
        wire.close()
        assert list(tmp_path.iterdir()) == []
        answer = b""
        with contextlib.suppress(OSError):  # with TLS 1.3 the refusal comes after the handshake
            wire = await link_py.connect("localhost", port, Tls(_client().ca))
            await wire.write(b"hello")
            answer = await asyncio.wait_for(wire.read(5), 10)
        assert answer == b""


@pytest.mark.parametrize("part", ["ca", "cert", "key"])
async def test_what_is_no_certificate_is_an_error_of_the_network(part: str) -> None:
    tls = _client()
    setattr(tls, part, b"\x30\x03nonsense")
    async with served("localhost", _mutual()) as port:
        with pytest.raises(OSError, match=r"\[SSL|ASN1|X509|nested|certificate"):
            await link_py.connect("localhost", port, tls)


@pytest.mark.skipif(not _PSK_NEEDS_313, reason="Python 3.13 has TLS-PSK: nothing to refuse")
async def test_a_pre_shared_key_needs_a_newer_python_and_says_so() -> None:
    async with served() as port:
        with pytest.raises(OSError, match=r"3\.13"):
            await link_py.connect("127.0.0.1", port, Tls(psk_identity=b"m", psk_key=b"k" * 16))


async def test_a_datagram_is_answered_or_not() -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(0)
        port = peer.getsockname()[1]

        async def answer() -> None:
            question, sender = await loop.sock_recvfrom(peer, 512)
            await loop.sock_sendto(peer, question[::-1], sender)

        task = asyncio.create_task(answer())
        assert await link_py.exchange_udp("127.0.0.1", port, b"time?", 5000) == b"?emit"
        await task
        with pytest.raises(OSError):
            await link_py.exchange_udp("127.0.0.1", port, b"time?", 50)
