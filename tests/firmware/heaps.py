"""The heap of a node as a 32-bit board would have it, from one that runs on 64 bits.

What a heap holds is words (objects, tables, frames) and data (buffers, texts). A word is half as
large on a board, a GC block too; data is as large as here. So, for a heap of ``bytes`` here::

    board = (bytes - data) / 2 + data + names

``names``: an identifier is a pointer, 2 bytes of hash and 1 of length (py/qstr.c), so 11 bytes here
and 7 there, where half would be 5.5; and 2 bytes in the table of its module on both. Not counted
are the image, which lies in the flash of a board, and the model of a flash (hal/sim.py). What the
runner and the interpreter have is counted: a board has its main.py instead.

A real 32-bit MicroPython (its WebAssembly port, 1.27, from npm) against this one, the same .mpy:
100 functions 0.54 of the bytes, 30 classes 0.44, 50 instances 0.50, 50 generators 0.50; a node's
objects 5,344 bytes where the formula says 5,302.
"""

import re
from pathlib import Path
from typing import NamedTuple

from tests.firmware.nodes import Node

_NAMES_FIRST = 20  # entries of the first table; each further one has twice as many (py/qstr.c)
_NAME_MORE = 1.5  # bytes of an entry beyond half
_TABLES = re.compile(r"n_pool=(\d+), n_qstr=(\d+), n_str_data_bytes=(\d+), n_total_bytes=(\d+)")
_ENTRY_MORE = 1.0  # and of an entry of a module's table


class Tables(NamedTuple):
    """What ``micropython.qstr_info`` says."""

    tables: int
    names: int
    texts: int  # bytes, in the image
    all: int  # bytes of tables and texts

    @property
    def bytes(self) -> int:
        """Return the bytes of the tables."""
        return self.all - self.texts


class Heap(NamedTuple):
    """Bytes on a 32-bit board."""

    steady: int  # the most after a collection, from the first connection on
    data: int
    more: int  # of names, beyond half
    names: int


def names_of(mpy: Path) -> int:
    """Return how many identifiers a module's table has (the .mpy format, docs.micropython.org)."""
    content, at, count = mpy.read_bytes(), 4, 0
    while True:
        count = count << 7 | content[at] & 127
        at += 1
        if content[at - 1] < 128:
            return count


def measured(node: Node, program: Path) -> Heap:
    """Read what a node that ``run_measured.py`` has run said; ``program`` is its module."""
    text = node.console
    here = {
        name: int(found) for name, found in re.findall(r"^(model|data) (\d+)", text, re.MULTILINE)
    }
    tables = [Tables(*map(int, found)) for found in _TABLES.findall(text)]
    model = here["model"] - (tables[1].bytes - tables[0].bytes)
    entries = _NAMES_FIRST * ((1 << tables[2].tables) - 1)
    more = _NAME_MORE * entries + _ENTRY_MORE * names_of(program)
    words = 2 * max(node.heaps()) - model - here["data"]
    steady = words / 2 + here["data"] + more
    return Heap(int(steady), here["data"], int(more), tables[2].names)


def limit_kb(board_bytes: int, heap: Heap) -> float:
    """Return the heap, in the KiB of ``Node.heap_kb``, that is here what this is on a board.

    The collector's tables are three bits a block of four words (py/gc.c), 2.3 % of a board's heap
    and 1.2 % of one here.
    """
    words = board_bytes * 128 / 131 - heap.data - heap.more
    return (2 * words + heap.data) * 259 / 256 / 2048
