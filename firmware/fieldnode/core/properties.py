"""Properties of MQTT 5 packets (OASIS MQTT 5.0 §2.2.2): passed over, but for some numbers."""

from fieldnode.core import varint

if False:  # for the type checker
    from collections.abc import Callable

# Length of each property by its number (§2.2.2.2): bytes of an integer, or one of the three.
_VARINT, _TEXT, _PAIR = 5, 6, 7
_LENGTHS = b"\0\1\4\6\0\0\0\0\6\6\0\5\0\0\0\0\0\4\6\2\0\6\6\1\4\1\6\0\6\0\0\6\0\2\2\2\1\1\7\4\1\1\1"


def read(
    body: "bytes | memoryview", at: int, learn: "Callable[[int, int], None] | None" = None
) -> int:
    """Return the offset behind the properties at ``at``; ``learn(number, value)`` gets integers.

    Raises:
        ValueError, IndexError: they are malformed.
    """
    size, at = varint.get(body, at, len(body))
    end = at + size
    if end > len(body):
        raise ValueError("properties")
    while at < end:
        at = _read_one(body, at, learn)
    if at != end:
        raise ValueError("properties")
    return end


def _read_one(
    body: "bytes | memoryview", at: int, learn: "Callable[[int, int], None] | None"
) -> int:
    name = body[at]
    length = _LENGTHS[name]
    at += 1
    if not length:
        raise ValueError("property")
    if length == _VARINT:
        return varint.get(body, at, len(body))[1]
    for _ in range(length - _VARINT):
        at += 2 + (body[at] << 8 | body[at + 1])
    if length < _VARINT:
        if learn:
            learn(name, int.from_bytes(body[at : at + length], "big"))
        at += length
    return at
