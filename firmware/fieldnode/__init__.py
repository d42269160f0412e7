"""fieldnode: the code on the device; the same files run on MicroPython and CPython."""

import gc

BOOT_GARBAGE_BYTES = 8192


def collect_early(is_booting: bool) -> None:
    """While booting, collect every 8 KiB; later only when memory is short, which is faster.

    So what lives long lies together at the heap's beginning. Without, imports fill the heap to
    its end once, and no hole of the 3 KiB that TLS takes is left.
    """
    if hasattr(gc, "threshold"):
        gc.threshold(BOOT_GARBAGE_BYTES if is_booting else -1)


collect_early(True)
