"""One column of a page as bytes: the cheapest of a few forms, exact both ways.

A column is a header of 14 bytes and its data, everything little endian::

    u8   form     0 CONSTANT  every value is ``base``
                  1 OFFSET    unsigned integers, value = base + data
                  2 DELTA     i64 first value, then zigzag of (difference − base)
                  3 FLOAT     float64 as they are
    u8   width of an integer in bytes (1, 2, 4, 8), or-ed with
                  0x20 the bits of ``base`` are a float64 (CONSTANT only)
                  0x40 a validity bitmap precedes the data (most significant bit first);
                       only valid values follow, the others are NaN
                  0x80 bitmap and data are one zlib stream, and integers are stored as planes:
                       all lowest bytes, then all second bytes and so on
    i64  base
    u32  length of what follows

Integer arithmetic is modulo 2**64, so that any int64 column comes back as it was. A float
column is stored as integers only where that gives back every bit (−0.0 and fractions do not).
"""

import struct
import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.errors import GatewayError
from gateway.model import BoolArray, FloatArray, IntArray

_CONSTANT, _OFFSET, _DELTA, _FLOAT = range(4)
_FLOAT_BASE, _BITMAP, _ZLIB, _WIDTH = 0x20, 0x40, 0x80, 0x0F
_HEADER = struct.Struct("<BBqI")
_FIRST = struct.Struct("<q")
_EXACT = 2.0**53  # beyond it not every integer is a float64

Unsigned = NDArray[np.unsignedinteger]


class _Form(NamedTuple):
    form: int
    width: int
    base: int
    data: bytes


class PageDamagedError(GatewayError):
    """A page is not what its checksum or its form says."""


def encode_ints(values: IntArray, level: int) -> bytes:
    """Return an integer column as bytes; ``level`` 0 is quick, else the zlib level."""
    return _pack(_integers(values, level), b"", level)


def encode_floats(values: FloatArray, level: int) -> bytes:
    """Return a float column as bytes; NaN is "not measured", its payload bits are not kept."""
    valid = values == values  # noqa: PLR0124  # False for NaN only, quicker than isnan
    bitmap = b""
    if not valid.all():
        bitmap = np.packbits(valid).tobytes()
        values = values[valid]
    if not len(values):
        return _pack(_Form(_CONSTANT, 0, 0, b""), bitmap, level)
    whole = _as_integers(values)
    if whole is not None:
        return _pack(_integers(whole, level), bitmap, level)
    bits = values.view(np.int64)
    if (bits == bits[0]).all():
        return _pack(_Form(_CONSTANT, _FLOAT_BASE, int(bits[0]), b""), bitmap, level)
    return _pack(_Form(_FLOAT, 8, 0, _plane_bytes(bits.view(np.uint64), level)), bitmap, level)


def skip_column(data: memoryview, place: int) -> int:
    """Return where the column after the one at ``place`` begins."""
    length: int = _HEADER.unpack_from(data, place)[3]
    return place + _HEADER.size + length


def decode_ints(data: memoryview, place: int, n: int) -> IntArray:
    """Return the integer column at ``place``."""
    return _decode(data, place, n)[0].view(np.int64)


def decode_floats(data: memoryview, place: int, out: FloatArray) -> None:
    """Decode the float column at ``place`` into ``out``."""
    values, valid = _decode(data, place, len(out))
    if valid is None:
        out[:] = values
    else:
        out.fill(np.nan)
        out[valid] = values


def _as_integers(values: FloatArray) -> IntArray | None:
    low, high = values.min(), values.max()
    if low < -_EXACT or high > _EXACT:
        return None
    whole = values.astype(np.int64)
    if (whole.astype(np.float64).view(np.int64) == values.view(np.int64)).all():
        return whole
    return None


def _integers(values: IntArray, level: int) -> _Form:
    if not len(values):
        return _Form(_CONSTANT, 0, 0, b"")
    low, high = int(values.min()), int(values.max())
    if low == high:
        return _Form(_CONSTANT, 0, low, b"")
    offsets = _narrow((values - low).view(np.uint64), high - low)
    if level and len(values) > 2:  # noqa: PLR2004  # two values have one difference: no gain
        delta = _deltas(values, offsets)
        if delta is not None:
            base, zigzag = delta
            first = _FIRST.pack(int(values[0]))
            return _Form(_DELTA, zigzag.itemsize, base, first + _plane_bytes(zigzag, level))
    return _Form(_OFFSET, offsets.itemsize, low, _plane_bytes(offsets, level))


def _deltas(values: IntArray, offsets: Unsigned) -> tuple[int, Unsigned] | None:
    """Return base and zigzag differences where they promise to compress better than offsets.

    The median difference as base makes a steady column (time, sequence number) all zeros but
    for the borders between devices; fewer bytes that are not zero is a good guess at zlib.
    """
    steps = np.diff(values)
    middle = len(steps) // 2
    base = int(np.partition(steps, middle)[middle])
    steps = steps - base
    zigzag = ((steps << 1) ^ (steps >> 63)).view(np.uint64)
    narrow = _narrow(zigzag, int(zigzag.max()))
    if np.count_nonzero(narrow.view(np.uint8)) < np.count_nonzero(offsets.view(np.uint8)):
        return base, narrow
    return None


def _narrow(values: NDArray[np.uint64], highest: int) -> Unsigned:
    if highest < 1 << 8:
        return values.astype(np.uint8)
    if highest < 1 << 16:
        return values.astype(np.uint16)
    if highest < 1 << 32:
        return values.astype(np.uint32)
    return values


def _plane_bytes(values: Unsigned, level: int) -> bytes:
    if not level or values.itemsize == 1:
        return values.tobytes()
    return values.view(np.uint8).reshape(-1, values.itemsize).T.tobytes()


def _pack(form: _Form, bitmap: bytes, level: int) -> bytes:
    kind, width, base, data = form
    if bitmap:
        width |= _BITMAP
        data = bitmap + data
    if level and kind != _CONSTANT:
        # Always as zlib, even where it does not shrink: planes and zlib go together.
        data = zlib.compress(data, level)
        width |= _ZLIB
    return _HEADER.pack(kind, width, base, len(data)) + data


def _decode(data: memoryview, place: int, n: int) -> tuple[NDArray[np.generic], BoolArray | None]:
    """Return the valid values of the column at ``place``, and which places are valid."""
    form, width, base, length = _HEADER.unpack_from(data, place)
    start = place + _HEADER.size
    body: memoryview | bytes = data[start : start + length]
    if width & _ZLIB:
        try:
            body = zlib.decompress(body)
        except zlib.error as error:
            raise PageDamagedError(f"column at byte {place}: {error}") from error
    valid = None
    if width & _BITMAP:
        size = (n + 7) // 8
        valid = np.unpackbits(np.frombuffer(body[:size], np.uint8), count=n).view(np.bool_)
        body = body[size:]
        n = int(np.count_nonzero(valid))
    return _values(form, width, base, body, n), valid


def _values(
    form: int, flags: int, base: int, body: memoryview | bytes, n: int
) -> NDArray[np.generic]:
    if form == _CONSTANT:
        same = np.full(n, base, np.int64)
        return same.view(np.float64) if flags & _FLOAT_BASE else same
    if form == _DELTA:
        (first,) = _FIRST.unpack_from(body)
        return _running_sum(first, base, _unsigned(body[_FIRST.size :], flags, n - 1))
    data = _unsigned(body, flags, n)
    if form == _FLOAT:
        return data.view(np.float64)
    if form != _OFFSET:
        raise PageDamagedError(f"unknown form {form} of a column")
    values = data.view(np.int64)
    values += base
    return values


def _running_sum(first: int, base: int, zigzag: NDArray[np.uint64]) -> IntArray:
    values = np.empty(len(zigzag) + 1, np.int64)
    values[0] = first
    steps = values[1:]
    np.bitwise_and(zigzag, np.uint64(1), out=steps.view(np.uint64))
    np.negative(steps, out=steps)
    zigzag >>= np.uint64(1)
    steps ^= zigzag.view(np.int64)
    steps += base
    return np.cumsum(values, out=values)


def _unsigned(body: memoryview | bytes, flags: int, n: int) -> NDArray[np.uint64]:
    """Return a fresh array that the caller may write into."""
    width = flags & _WIDTH
    if width not in {1, 2, 4, 8} or len(body) != n * width:
        raise PageDamagedError(f"{len(body)} bytes of data where {n} x {width} belong")
    if width == 1 or not flags & _ZLIB:
        return np.frombuffer(body, f"<u{width}").astype(np.uint64)
    values = np.zeros((n, 8), np.uint8)
    for place, plane in enumerate(np.frombuffer(body, np.uint8).reshape(width, n)):
        values[:, place] = plane
    return values.view("<u8").reshape(n)
