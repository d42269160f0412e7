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
        if id(one) not in seen:
            seen.add(id(one))
            waiting.extend(_parts_of(one))
            total += _bytes_of(one)
    return total


def _bytes_of(one):
    if isinstance(one, (bytes, bytearray, str)):
        return len(one)
    if isinstance(one, int):
        return _INTEGER_BYTES if abs(one) >= _SMALL else 0
    return 4 * len(one) if type(one).__name__ == "array" else 0  # all of ours are "I"


def _parts_of(one):
    if isinstance(one, (list, tuple, set)):
        return one
    if isinstance(one, dict):
        return one.values()
    if hasattr(one, "__dict__") and not isinstance(one, type):
        return one.__dict__.values()
    return ()
