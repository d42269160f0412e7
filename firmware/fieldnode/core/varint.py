"""Unsigned LEB128 and zigzag, as protobuf writes them. At most 9 bytes (63 bits), shortest form."""

MAX_BYTES = 9

_MORE = 128  # set in every byte but the last


def put(buffer: bytearray, at: int, value: int) -> int:
    """Write ``value`` at offset ``at`` and return the offset behind it."""
    while value >= _MORE:
        buffer[at] = value & 127 | _MORE
        value >>= 7
        at += 1
    buffer[at] = value
    return at + 1


def get(data: "bytes | memoryview", at: int, end: int) -> "tuple[int, int]":
    """Return the value at offset ``at`` and the offset behind it.

    Raises:
        ValueError: cut off before ``end``, longer than 9 bytes, or not the shortest form.
    """
    value = 0
    for shift in range(0, 7 * MAX_BYTES, 7):
        if at >= end:
            raise ValueError("varint is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < _MORE:
            if not byte and shift:
                raise ValueError("varint is not the shortest form")
            return value, at
    raise ValueError("varint is longer than 9 bytes")


def zigzag(value: int) -> int:
    """Return a number that is small where ``value`` is near zero: 0, -1, 1, -2 → 0, 1, 2, 3."""
    return value << 1 if value >= 0 else (-value << 1) - 1


def unzigzag(value: int) -> int:
    """Return what ``zigzag`` was given."""
    return -(value >> 1) - 1 if value & 1 else value >> 1
