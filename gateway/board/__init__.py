"""The built-in board: one page for the wall, over the same views as the API."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from gateway.imports import load
from gateway.late import LateApp


def mount(app: Any) -> None:  # noqa: ANN401  # a FastAPI, whose type would load it
    """Serve the board at ``/`` of an application that has a ``state.sight``."""

    async def build() -> object:
        page = cast("Any", await asyncio.to_thread(load, "gateway.board.page"))
        inner = type(app)(openapi_url=None)
        inner.state.sight = app.state.sight
        page.mount(inner)
        return inner

    pages = LateApp(build)
    app.mount("/", pages)
    before = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(main: Any) -> AsyncIterator[object]:  # noqa: ANN401
        async with before(main) as state, pages.loaded_meanwhile():
            yield state

    app.router.lifespan_context = lifespan
