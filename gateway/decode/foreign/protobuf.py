"""The wire format of Protocol Buffers, as far as telemetry needs it: fields of one message.

Own code, since the library needs a generated module, takes 32 µs for a message of seven metrics
and builds objects for all that is never looked at. The format is four kinds of fields
(protobuf.dev/programming-guides/encoding).
"""

from collections.abc import Iterator
from struct import Struct

from gateway.decode.wire import reject
from gateway.model import QuarantineReason

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_FIELDS = 65_536  # of one message; bounds what a payload of 1 MiB of empty fields costs
_MAX_SHIFT = 63  # ten bytes of seven bits: a 64-bit number
_U64 = (1 << 64) - 1

FLOAT, DOUBLE = Struct("<f"), Struct("<d")

Field = tuple[int, int, int | bytes]  # number, kind, value; fixed numbers as their bytes


def read_fields(data: bytes) -> Iterator[Field]:
    """Yield the fields of a message, in the order they come.

    Raises:
        RejectedError: ``encoding``, it is no message.
    """
    at, end, left = 0, len(data), MAX_FIELDS
    while at < end:
        key, at = read_varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = read_varint(data, at)
            yield number, kind, value
        else:
            size = 8 if kind == FIXED64 else 4
            if kind == BYTES:
                size, at = read_varint(data, at)
            elif kind not in {FIXED64, FIXED32}:
                reject(QuarantineReason.ENCODING, f"protobuf field of kind {kind}")
            if at + size > end:
                reject(QuarantineReason.ENCODING, f"protobuf field {number} is cut off")
            yield number, kind, data[at : at + size]
            at += size
        left -= 1
        if not left:
            reject(QuarantineReason.TOO_LARGE, f"more than {MAX_FIELDS} protobuf fields")


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, lowest first, and where it ends.

    Raises:
        RejectedError: ``encoding``, it is cut off or has more than 64 bits.
    """
    value = shift = 0
    try:
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:  # noqa: PLR2004  # the top bit says that more follow
                return value & _U64, at
            shift += 7
            if shift > _MAX_SHIFT:
                reject(QuarantineReason.ENCODING, "a varint of more than ten bytes")
    except IndexError:
        reject(QuarantineReason.ENCODING, "a varint is cut off")


def write_varint(value: int) -> bytes:
    """Return a number as ``read_varint`` reads it."""
    out = bytearray()
    while value > 127:  # noqa: PLR2004
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def write_bytes(number: int, value: bytes) -> bytes:
    """Return a field of bytes, text or a message."""
    return write_varint(number << 3 | BYTES) + write_varint(len(value)) + value


def write_number(number: int, value: int) -> bytes:
    """Return a field that is a varint."""
    return write_varint(number << 3 | VARINT) + write_varint(value)
