"""The built-in board: one page for the wall, over the same views as the API.

NiceGUI takes longer to load than all the rest of the web process, so that happens when the API
answers already: a gateway that was killed is ready again without waiting for its pages.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

from gateway.imports import load


def mount(app: Any) -> None:  # noqa: ANN401  # a FastAPI, whose type would load it
    """Serve the board at ``/`` of an application that has a ``state.sight``."""
    pages = _LatePages(app)
    app.mount("/", pages)
    before = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(main: Any) -> AsyncIterator[object]:  # noqa: ANN401
        async with before(main) as state, pages.loaded_meanwhile():
            yield state

    app.router.lifespan_context = lifespan


class _LatePages:
    """An ASGI application that lets requests wait until it is there."""

    def __init__(self, app: Any) -> None:  # noqa: ANN401
        self._outer = app
        self._inner: asyncio.Task[Any]

    async def __call__(self, *request: object) -> None:
        inner = await asyncio.shield(self._inner)
        await inner(*request)

    @asynccontextmanager
    async def loaded_meanwhile(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            self._inner = asyncio.create_task(self._start(stack))
            try:
                yield
            finally:
                await asyncio.wait([self._inner])  # a stop while it loads: half a second at most

    async def _start(self, stack: AsyncExitStack) -> object:
        page = cast("Any", await asyncio.to_thread(load, "gateway.board.page"))
        inner = type(self._outer)(openapi_url=None)
        inner.state.sight = self._outer.state.sight
        page.mount(inner)
        await stack.enter_async_context(inner.router.lifespan_context(inner))
        return inner
