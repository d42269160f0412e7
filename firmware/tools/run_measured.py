"""As run_rom.py, and says how its heap is filled: ``run_measured.py IMAGE FOLDER SECTORS``.

Lines: ``runner`` bytes before anything of the program is there, ``model`` bytes of the simulated
flash, which a board does not have; the tables of names around it, which the node fills up; ``heap``
from then on (sim_node.py).
"""

import gc
import os
import sys

import micropython
import vfs

image = bytearray(os.stat(sys.argv[1])[6])
with open(sys.argv[1], "rb") as file:
    file.readinto(image)
vfs.mount(vfs.VfsRom(image), "/rom")
sys.path.insert(0, "/rom")
micropython.qstr_info()
gc.collect()
before = gc.mem_alloc()
print("runner", before - len(image))
sim = __import__("fieldnode.hal.sim", None, None, ["x"])
file = open(sys.argv[2] + "/model.bin", "w+b")  # noqa: SIM115 - as long as the flash
flash = sim.Nor(file, int(sys.argv[3]), None)
gc.collect()
print("model", gc.mem_alloc() - before)
micropython.qstr_info()
flash = file = sim = None
sys.argv.append("census")
__import__("sim_node").main(sys.argv[2:])
