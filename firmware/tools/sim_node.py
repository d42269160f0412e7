"""A node in a folder, under MicroPython or CPython: ``sim_node.py FOLDER [SECTORS]``.

It has the driver of its configuration; without one its rows follow from their numbers, so that
the store can be checked. Once a second it has an event, and says how much of its heap is in use
after a collection.
"""

import asyncio
import gc
import sys

from fieldnode import start
from fieldnode.app import Node
from fieldnode.drivers import SAMPLE, Driver
from fieldnode.hal.simboard import SimBoard


class Numbers(Driver):
    """Row n is ``values_of(n)``."""

    INPUT = SAMPLE

    def __init__(self, sample_ms):
        super().__init__()
        self.sample_ms = sample_ms
        self.recorder = None
        self._has_row = False

    def sample(self, values, uptime_ms):  # noqa: ARG002 - as every driver
        self.at_ms = uptime_ms
        self._has_row = True

    def take(self, uptime_ms):  # noqa: ARG002
        if not self._has_row:
            return None
        self._has_row = False
        n = self.recorder.next
        return (1_000_000 + n, 0, n % 5000, 2200 + n % 100, n % 3000, 1000 - n % 50), 0


async def tell(node):
    while True:
        await node.hal.sleep_ms(1000)
        node.event(77)
        gc.collect()
        print("heap", gc.mem_alloc(), "of", gc.mem_alloc() + gc.mem_free(), node.recorder.next)


async def live(folder, sectors):
    hal = SimBoard(folder, sectors)
    config = start.configured(hal, {})
    driver = None if config["driver"] else Numbers(config["sample_ms"])
    node = Node(hal, config, driver)
    if driver:
        driver.recorder = node.recorder
    print("boot", node.boot, "next", node.recorder.next, "done", node.ring.rows.done)
    if hasattr(gc, "mem_alloc"):
        node.telling = asyncio.create_task(tell(node))
    await node.run()


def main(arguments):
    asyncio.run(live(arguments[0], int(arguments[1]) if len(arguments) > 1 else 32))


if __name__ == "__main__":
    main(sys.argv[1:])
