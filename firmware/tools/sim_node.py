"""A node in a folder, under MicroPython or CPython: ``sim_node.py FOLDER [SECTORS [census]]``.

It has the driver of its configuration; without one its rows follow from their numbers, so that
the store can be checked. Once a second it has an event, and says how much of its heap is in use
after a collection; with ``census`` also once, how much of that is data (census.py) and how many
names there are.
"""

import gc
import sys

from fieldnode import start
from fieldnode.app import Node
from fieldnode.drivers import SAMPLE, Driver
from fieldnode.hal import tasks
from fieldnode.hal.simboard import SimBoard

CENSUS_S = 6  # when the node is connected and has sent some time


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


class Board(SimBoard):
    """Says how it is once a second, when the node feeds the watchdog."""

    def __init__(self, folder, sectors, census_s):
        super().__init__(folder, sectors)
        self.node = None
        self._census_s = census_s

    def feed(self):
        super().feed()
        self.node.event(77)
        if not hasattr(gc, "mem_alloc"):
            return
        gc.collect()
        heap = gc.mem_alloc()
        print("heap", heap, "of", heap + gc.mem_free(), self.node.recorder.next)
        self._census_s -= 1
        if not self._census_s:
            __import__("micropython").qstr_info()
            print("data", __import__("census").data_of(self.node, __import__("sim_node")))


async def live(folder, sectors, census_s):
    hal = Board(folder, sectors, census_s)
    config = start.configured(hal, {})
    driver = None if config["driver"] else Numbers(config["sample_ms"])
    hal.node = node = Node(hal, config, driver)
    if driver:
        driver.recorder = node.recorder
    print("boot", node.boot, "next", node.recorder.next, "done", node.ring.rows.done)
    await node.run()


def main(arguments):
    sectors = int(arguments[1]) if len(arguments) > 1 else 32
    tasks.run(live(arguments[0], sectors, CENSUS_S if "census" in arguments else 0))


if __name__ == "__main__":
    main(sys.argv[1:])
