"""What a request meets first: probes are answered at once, the rest waits for the API to load."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.api import probes
from gateway.api.guard import Guard
from gateway.api.keys import Keys
from gateway.late import LateApp


class Door:
    """An ASGI application.

    Args:
        api: everything; guards itself.
        run_dir: where the other processes leave their snapshots.
        clock: Unix milliseconds.
        keys: without one of them ``/readyz`` tells nothing, where one is asked for.
        on_failure: called when the API cannot be loaded.
    """

    def __init__(
        self,
        api: LateApp,
        run_dir: Path,
        clock: Callable[[], int],
        keys: Keys,
        on_failure: Callable[[], None],
    ) -> None:
        self._api = api
        self._probes: Mapping[str, Callable[[], Response]] = {
            "/healthz": probes.alive,
            "/readyz": lambda: probes.ready(run_dir, clock()),
        }
        self._guard = Guard(self._probe, keys)
        self._on_failure = on_failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or live and die."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._is_probe(scope) and self._api.inner is None:
            await self._guard(scope, receive, send)
        else:
            await self._api(scope, receive, send)

    def _is_probe(self, scope: Scope) -> bool:
        return scope["type"] == "http" and scope["path"] in self._probes and _is_read(scope)

    async def _probe(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await asyncio.to_thread(self._probes[scope["path"]])
        await answer(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()  # lifespan.startup
        async with self._api.loaded_meanwhile() as loading:
            loading.add_done_callback(self._look_at)
            await send({"type": "lifespan.startup.complete"})
            await receive()  # lifespan.shutdown
        await send({"type": "lifespan.shutdown.complete"})

    def _look_at(self, loading: "asyncio.Task[object]") -> None:
        if not loading.cancelled() and loading.exception() is not None:
            self._on_failure()


def _is_read(scope: Scope) -> bool:
    return scope["method"] in {"GET", "HEAD"}
