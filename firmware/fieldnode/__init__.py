"""fieldnode: the code on the device; the same files run on MicroPython and CPython."""
