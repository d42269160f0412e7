"""Runs a program out of a ROMFS image: ``micropython run_rom.py IMAGE PROGRAM ARGUMENT…``.

The image is mapped where a board has its flash: bytecode runs in place, as it does there. In this
process it lies in the heap, so whoever limits the heap adds the image's size.
"""

import os
import sys

import vfs

size = os.stat(sys.argv[1])[6]
image = bytearray(size)
with open(sys.argv[1], "rb") as file:
    file.readinto(image)
vfs.mount(vfs.VfsRom(image), "/rom")
sys.path.insert(0, "/rom")
del sys.argv[0]
program = __import__(sys.argv[1])
if hasattr(program, "main"):
    program.main(sys.argv[2:])
