"""Tasks of CPython: asyncio."""

from asyncio import Event, create_task, run, sleep

__all__ = ["Event", "create_task", "run", "sleep_ms"]


async def sleep_ms(duration_ms: int) -> None:
    await sleep(duration_ms / 1000)
