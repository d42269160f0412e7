"""Times of the core under MicroPython: ``micropython measure.py`` with the package in its path.

One line for each: name and number. Times are the best of many short runs, since somebody else's
work on this machine is not ours; bytes are of 64-bit words.
"""

import gc
import io
import time

from fieldnode.core.block import BlockWriter
from fieldnode.core.ring import Ring
from fieldnode.hal.sim import Nor

BLOCK_ROWS = 8  # of V, I, P, E: 32 readings
ROWS = [
    (row * 10_000, (2300 + row % 3, 412 + row, 948 - row, 1_234_567 + 3 * row))
    for row in range(BLOCK_ROWS)
]


def best_us(work, times, each):
    best = 1 << 29
    for _ in range(times):
        began_us = time.ticks_us()
        work()
        best = min(best, time.ticks_diff(time.ticks_us(), began_us))
    return best // each


def encode(writer, n):
    writer.open(7, 1, n, 3, 1_795_300_200_000)
    for dt, values in ROWS:
        writer.add(dt, values)
    return writer.close()


def blank(sectors):
    image = io.BytesIO()
    return Nor(image, sectors, lambda below: below >> 1)


writer = BlockWriter(1, 4)
block = encode(writer, 0)
gc.collect()
gc.disable()
before = gc.mem_alloc()
encode(writer, 0)
print("encode_garbage_bytes", gc.mem_alloc() - before)
gc.enable()
print("encode_bytes", len(block))


def encode_ten():
    for _ in range(10):
        encode(writer, 0)


print("encode_us", best_us(encode_ten, 300, 10))


class Still:
    """Flash that only takes time to be asked: the model of a NOR would be what is measured."""

    def __init__(self, flash):
        self._flash = flash
        self.is_still = False

    def readblocks(self, number, buffer, offset):
        self._flash.readblocks(number, buffer, offset)

    def writeblocks(self, number, buffer, offset):
        if not self.is_still:
            self._flash.writeblocks(number, buffer, offset)

    def ioctl(self, operation, argument):
        return 0 if self.is_still and operation == 6 else self._flash.ioctl(operation, argument)


device = Still(blank(64))
ring = Ring(device, 7)
blocks = [encode(BlockWriter(1, 4), n * BLOCK_ROWS) for n in range(300)]
for block in blocks[:200]:
    ring.append(block)
print("mount_us", best_us(lambda: Ring(device, 7), 30, 1))
device.is_still = True
waiting = iter(blocks[200:])


def append_five():
    for _ in range(5):
        ring.append(next(waiting))


print("append_us", best_us(append_five, 20, 5))
