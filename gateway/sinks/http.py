"""A small HTTP/1.1 client for databases: one kept connection, a deadline that really holds.

h11 (which uvicorn brings) reads and writes the protocol, asyncio the bytes. A client in threads
(urllib3) was weighed against it: its timeouts are per ``recv``, so a server that drips bytes is
never timed out, and a thread in ``recv`` cannot be cancelled, so neither "free within the
timeout" nor "stops within two seconds" could be promised. httpx would be a dependency more.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import h11

from gateway.errors import SinkUnavailableError

_READ_BYTES = 1 << 16
_CLOSE_S = 0.2  # for TLS to say goodbye


class Answer(NamedTuple):
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Request(NamedTuple):
    """What to ask; ``query`` is put into the url, percent-encoded."""

    method: str
    path: str
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: bytes = b""
    # An answer beyond this is cut off and the connection closed: a database that answers a
    # write with gigabytes must not fill our memory. /metrics of a busy one is ~300 kB.
    max_answer_bytes: int = 1 << 22


class HttpClient:
    """One keep-alive connection to one server; not for concurrent use.

    Args:
        url: ``http(s)://host[:port][/path]``; the path goes before every request's.
        timeout_s: for a whole request, connecting included.
        tls: context for https.
    """

    def __init__(self, url: str, timeout_s: float, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        self._is_tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._is_tls else 80)
        self._base = parts.path.rstrip("/")
        self._netloc = parts.netloc.rpartition("@")[2]
        self._timeout_s = timeout_s
        self._tls = (tls or ssl.create_default_context()) if self._is_tls else None
        self._link: _Link | None = None

    async def ask(self, request: Request) -> Answer:
        """Send a request and return the answer.

        Raises:
            SinkUnavailableError: no answer within the timeout, connection refused or broken.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._ask(request)
        except TimeoutError as error:
            raise SinkUnavailableError(
                f"{self._netloc}: no answer within {self._timeout_s:g} s"
            ) from error
        except (OSError, EOFError, h11.ProtocolError) as error:
            words = str(error) or type(error).__name__
            raise SinkUnavailableError(f"{self._netloc}: {words}") from error

    async def close(self) -> None:
        """Close the connection."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def _ask(self, request: Request) -> Answer:
        link, self._link = self._link, None
        if link is not None:
            # The server may have closed a connection it had kept: that is no outage, and asking
            # twice does no harm since every line is idempotent.
            with contextlib.suppress(OSError, EOFError):
                return await self._exchange(link, request)
        return await self._exchange(await self._connect(), request)

    async def _exchange(self, link: "_Link", request: Request) -> Answer:
        try:
            return await link.exchange(self._head(request), request)
        finally:  # also when cancelled: a half-read connection is never used again
            if link.is_reusable:
                self._link = link
            else:
                link.abort()

    async def _connect(self) -> "_Link":
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        return _Link(reader, writer)

    def _head(self, request: Request) -> h11.Request:
        query = f"?{urlencode(request.query)}" if request.query else ""
        headers = [
            ("Host", self._netloc),
            ("User-Agent", "infragate"),
            ("Content-Length", str(len(request.body))),
            *request.headers.items(),
        ]
        target = f"{self._base}{request.path}{query}"
        return h11.Request(method=request.method, target=target, headers=headers)


class _Link:
    """One TCP or TLS connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = h11.Connection(h11.CLIENT)
        self.is_reusable = False

    async def exchange(self, head: h11.Request, request: Request) -> Answer:
        """Send a request, return its answer; raises EOFError where none came at all."""
        self.is_reusable = False
        send = self._protocol.send
        out = [send(head), send(h11.Data(data=request.body)), send(h11.EndOfMessage())]
        # No drain: the body is bounded by a batch, and a server that refuses it early (413) must
        # be heard while it is still being sent.
        self._writer.write(b"".join(part or b"" for part in out))
        response = await self._response()
        body = bytearray()
        while isinstance(event := await self._event(), h11.Data):
            body += event.data
            if len(body) > request.max_answer_bytes:
                return _answer(response, body)
        if self._protocol.our_state is h11.DONE and self._protocol.their_state is h11.DONE:
            self._protocol.start_next_cycle()
            self.is_reusable = True
        return _answer(response, body)

    def abort(self) -> None:
        """Drop the connection at once."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close in peace, but not for long."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._writer.wait_closed()

    async def _response(self) -> h11.Response:
        while True:
            event = await self._event()
            if isinstance(event, h11.Response):  # not 100 Continue and the like
                return event

    async def _event(self) -> h11.Event:
        while True:
            event = self._protocol.next_event()
            if event is h11.PAUSED:
                raise EOFError("the server sent more than an answer")
            if not isinstance(event, type):  # NEED_DATA is a class, events are instances
                return event
            data = await self._reader.read(_READ_BYTES)
            if not data and self._protocol.their_state is h11.SEND_RESPONSE:
                raise EOFError("the server closed the connection without an answer")
            self._protocol.receive_data(data)


def _answer(response: h11.Response, body: bytearray) -> Answer:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
    return Answer(response.status_code, headers, bytes(body))
