"""fieldnode: the code on the device; the same files run on MicroPython and CPython.

While it boots it collects every 8 KiB, so that what lives long lies together at the heap's
beginning. Without, imports fill the heap to its end once, and no hole of the 3 KiB that TLS takes
is left. ``start`` goes back to collecting when memory is short, which is faster.
"""

import gc

BOOT_GARBAGE_BYTES = 8192

if hasattr(gc, "threshold"):
    gc.threshold(BOOT_GARBAGE_BYTES)
