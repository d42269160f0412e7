"""Runs the web process: uvicorn with bounds, the board mounted where one is given."""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import h11
import uvicorn
from fastapi import FastAPI
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.api.app import create_app
from gateway.api.stream import Streams
from gateway.config import Settings
from gateway.config.sections import HttpSection, split_address
from gateway.profiles import Profiles

logger = logging.getLogger(__name__)

GRACE_S = 2  # stop within 3 s: systemd and the supervisor wait no longer
MAX_CONNECTIONS = 512  # 64 streams, some hundred boards; each idle one costs 30 kB
KEEP_ALIVE_S = 15
HEAD_TIMEOUT_S = 10.0  # for the head of one request
STALL_TIMEOUT_S = 30.0  # for some 300 kB to leave: a peer slower than 10 kB/s is no board
MAX_HEAD_BYTES = 32 << 10  # request line and headers; a browser sends 1 kB
WS_MAX_BYTES = 1 << 20  # what a page may send to the board at once

Mount = Callable[[FastAPI], None]


class PatientProtocol(H11Protocol):
    """Ends connections whose peer is too slow to be serious: slowloris, and readers that stop.

    Uvicorn bounds only the idle time between two requests.
    """

    head_timeout_s = HEAD_TIMEOUT_S
    stall_timeout_s = STALL_TIMEOUT_S
    _head_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the peer a time to finish its first request."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(self.head_timeout_s, transport.abort)

    @override
    def data_received(self, data: bytes) -> None:
        """Start the time at the first byte of a request, stop it when its head is complete."""
        before = self.cycle
        super().data_received(data)
        is_websocket = self.transport.get_protocol() is not self
        if self.cycle is not before or is_websocket:
            self._stop_head_timer()
        elif self._head_timer is None and self.conn.their_state is h11.IDLE:
            self._head_timer = self.loop.call_later(self.head_timeout_s, self.transport.abort)

    @override
    def pause_writing(self) -> None:
        """Start the time in which the peer must take what waits for it."""
        super().pause_writing()
        self._stall_timer = self.loop.call_later(self.stall_timeout_s, self.transport.abort)

    @override
    def resume_writing(self) -> None:
        """Stop that time."""
        super().resume_writing()
        self._stop_stall_timer()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Stop both."""
        self._stop_head_timer()
        super().connection_lost(exc)
        self._stop_stall_timer()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None


class _Server(uvicorn.Server):
    """Ends the event streams first, else each of them would use up the whole grace."""

    def __init__(self, config: uvicorn.Config, streams: Streams) -> None:
        super().__init__(config)
        self._streams = streams

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGTERM; a Ctrl-C reaches every process, and the intake stops the others."""
        # uvicorn's own raises signals anew at the end: a stop that was asked for would then
        # look like a crash to the supervisor
        before = signal.signal(signal.SIGTERM, self.handle_exit)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say where."""
        await super().startup(sockets)
        if self.started:
            scheme = "https" if self.config.is_ssl else "http"
            host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
            logger.info("API and board on %s://%s:%d", scheme, host, self.config.port)

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say goodbye to streams, then as uvicorn does."""
        self._streams.closing.set()
        await super().shutdown(sockets)


def build_server(app: FastAPI, http: HttpSection, *, has_pages: bool = True) -> uvicorn.Server:
    """Return the server of an application, not yet started; without pages no WebSocket."""
    host, port = split_address(http.listen)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=PatientProtocol,  # h11 bounds the size of a head; httptools does not
        ws="auto" if has_pages else "none",
        ws_max_size=WS_MAX_BYTES,
        ws_max_queue=16,
        ssl_certfile=http.cert,
        ssl_keyfile=http.key,
        limit_concurrency=MAX_CONNECTIONS,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
        access_log=False,
        log_level="warning",
        log_config=None,  # logging belongs to the application that starts us
    )
    return _Server(config, app.state.streams)


def serve(
    settings: Settings,
    profiles: Profiles | None = None,
    clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    mounts: Sequence[Mount] = (),
    door: socket.socket | None = None,
    durable: Callable[[], int] = lambda: 0,
) -> int:
    """Serve until SIGTERM or SIGINT; ``mounts`` add pages, such as ``board.mount``."""
    app = create_app(settings, None, clock, profiles, durable)
    for mount in mounts:
        mount(app)
    server = build_server(app, settings.http or HttpSection(), has_pages=bool(mounts))
    server.run(None if door is None else [door])
    return 0 if server.started else 1
