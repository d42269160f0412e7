"""Runs the web process: uvicorn with bounds; it answers probes before the API is loaded."""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import h11
import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.api.door import Door
from gateway.api.keys import Keys
from gateway.api.probes import stale_processes
from gateway.config import Settings
from gateway.config.sections import HttpSection, split_address
from gateway.imports import load
from gateway.late import LateApp
from gateway.profiles import Profiles

logger = logging.getLogger(__name__)

GRACE_S = 2  # stop within 3 s: systemd and the supervisor wait no longer
MAX_CONNECTIONS = 512  # 64 streams, some hundred boards; each idle one costs 30 kB
KEEP_ALIVE_S = 15
YIELDS_S = 0.5  # to intake and processor, at a start
LOOK_EVERY_S = 0.02
HEAD_TIMEOUT_S = 10.0  # for the head of one request
STALL_TIMEOUT_S = 30.0  # for some 300 kB to leave: a peer slower than 10 kB/s is no board
MAX_HEAD_BYTES = 32 << 10  # request line and headers; a browser sends 1 kB
WS_MAX_BYTES = 1 << 20  # what a page may send to the board at once

Mount = Callable[[Any], None]  # of a FastAPI


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

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

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
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say goodbye to streams, then as uvicorn does."""
        self._end_streams()
        await super().shutdown(sockets)


def _configure(app: Door, http: HttpSection, *, has_pages: bool) -> uvicorn.Config:
    host, port = split_address(http.listen)
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        lifespan="on",
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


def serve(
    settings: Settings,
    profiles: Profiles | None = None,
    clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    mounts: Sequence[Mount] = (),
    door: socket.socket | None = None,
    durable: Callable[[], int] = lambda: 0,
) -> int:
    """Serve until SIGTERM or SIGINT; ``mounts`` add pages, such as ``board.mount``.

    Raises:
        Exception: whatever kept the API from being loaded.
    """
    run_dir, http = settings.gateway.data_dir / "run", settings.http or HttpSection()

    def build() -> object:
        _let_others_start(run_dir, clock)
        app = cast("Any", load("gateway.api.app")).create_app(
            settings, None, clock, profiles, durable
        )
        for mount in mounts:
            mount(app)
        if not server.should_exit:  # a gateway that is told to stop says nothing of beginning
            logger.info("API and board on %s", _address(http))
        return app

    api = LateApp(lambda: asyncio.to_thread(build))

    def end_streams() -> None:
        if api.inner is not None:
            api.inner.state.streams.closing.set()

    def give_up() -> None:
        server.should_exit = True

    front = Door(api, run_dir, clock, Keys.of(settings), give_up)
    server = _Server(_configure(front, http, has_pages=bool(mounts)), end_streams)
    server.run(None if door is None else [door])
    return 0 if server.started and api.inner is not None else 1


def _let_others_start(run_dir: Path, clock: Callable[[], int]) -> None:
    """Load nothing heavy beside a start that shall be over within a second."""
    deadline_s = time.monotonic() + YIELDS_S
    while stale_processes(run_dir, clock()) and time.monotonic() < deadline_s:
        time.sleep(LOOK_EVERY_S)


def _address(http: HttpSection) -> str:
    host, port = split_address(http.listen)
    scheme = "http" if http.cert is None else "https"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
