"""Starts an ESP32: chooses the slot, mounts it, runs the node in it.

Lies in the file system of the board beside boot.mpy and rom.mpy (firmware/README.md). Whatever
ends the node resets the board; only somebody at the cable (Ctrl-C) gets the prompt. Both slots
are in the partition "romfs": where MicroPython maps it into memory, the image runs in place.
"""

import sys

import machine
import vfs

import boot
import rom
from esp32 import Partition

SECTOR_BYTES = 4096


def partition(label):
    return Partition.find(Partition.TYPE_DATA, label=label)[0]


def image(slots, count, number):
    """Return the file system of a slot."""
    if hasattr(vfs, "rom_ioctl") and vfs.rom_ioctl(1) == 1:
        start = (number * count + 1) * SECTOR_BYTES
        mapped = memoryview(vfs.rom_ioctl(2, 0))[start : start + count * SECTOR_BYTES]
        return vfs.VfsRom(mapped)  # pyright: ignore[reportAttributeAccessIssue] - not in the stubs
    return rom.Rom(slots[number])


try:
    both = partition("romfs")
    count = both.ioctl(4, 0) // 2
    slots = [rom.Part(both, 0, count), rom.Part(both, count, count)]
    chosen = boot.Boot(partition("boot"), slots)
    vfs.mount(image(slots, count, chosen.choose()), "/app")
    sys.path.insert(0, "/app")
    from fieldnode import built, start
    from fieldnode.hal.esp32 import Esp32

    start.serve(Esp32(chosen, built.VERSION, built.BUILD_MS), chosen, built)
except KeyboardInterrupt:
    raise
except BaseException as error:  # a node that is out there has to start again
    sys.print_exception(error)
machine.reset()
