"""Tasks of all boards: what the program uses of asyncio, which MicroPython pays with 3 KB."""

import sys

if sys.implementation.name == "micropython":
    from fieldnode.hal.tasks_mp import Event, create_task, run, sleep_ms
else:
    from fieldnode.hal.tasks_py import (  # type: ignore[assignment] # the same, with more types
        Event,
        create_task,
        run,
        sleep_ms,
    )

__all__ = ["Event", "create_task", "run", "sleep_ms"]
