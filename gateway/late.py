"""An ASGI application that is loaded while its server answers already.

FastAPI takes a quarter of a second to load and NiceGUI twice that; a gateway that was killed says
that it is ready without waiting for either.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any


class LateApp:
    """Lets requests wait until the application is there.

    Args:
        build: returns it, a FastAPI with a lifespan of its own. What blocks belongs in a thread.
    """

    def __init__(self, build: Callable[[], Awaitable[Any]]) -> None:
        self._build = build
        self._inner: asyncio.Task[Any]

    async def __call__(self, *request: object) -> None:
        """Answer, perhaps a little later."""
        inner = await asyncio.shield(self._inner)
        await inner(*request)

    @property
    def inner(self) -> Any | None:  # noqa: ANN401  # a FastAPI, whose type would load it
        """The application, None as long as it is not there.

        Raises:
            Exception: whatever kept it from being built.
        """
        return self._inner.result() if self._inner.done() else None

    @asynccontextmanager
    async def loaded_meanwhile(self) -> AsyncIterator[asyncio.Task[Any]]:
        """Load it while the block runs, and end it after that."""
        async with AsyncExitStack() as stack:
            self._inner = asyncio.create_task(self._start(stack))
            try:
                yield self._inner
            finally:
                await asyncio.wait([self._inner])  # a stop while it loads: half a second at most

    async def _start(self, stack: AsyncExitStack) -> object:
        inner = await self._build()
        await stack.enter_async_context(inner.router.lifespan_context(inner))
        return inner
