"""What a node holds that is as large on a 32-bit board as here, in bytes (tests/firmware/heaps.py).

Runs in the node itself, when its heap has been read: this module and its lists are in nobody's way.
"""

_SMALL = 1 << 30  # an ESP32 keeps smaller integers in the word itself, all others in the heap
_INTEGER_BYTES = 32  # there: the object, and its digits


def data_of(root, program):
    """Return the bytes of buffers, arrays and texts that are reached from an object.

    ``program``: a module whose large integers count, too; its texts are in the image.
    """
    seen = set()
    waiting = [root]
    waiting.extend([one for one in program.__dict__.values() if isinstance(one, int)])
    total = 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, (bytes, bytearray, str)):
            total += len(one)
        elif isinstance(one, int):
            total += _INTEGER_BYTES if abs(one) >= _SMALL else 0
        elif isinstance(one, (list, tuple, set)):
            waiting.extend(one)
        elif isinstance(one, dict):
            waiting.extend(one.values())
        elif hasattr(one, "typecode") or type(one).__name__ == "array":
            total += 4 * len(one)  # all of ours are "I"
        elif hasattr(one, "__dict__") and not isinstance(one, type):
            waiting.extend(one.__dict__.values())
    return total
