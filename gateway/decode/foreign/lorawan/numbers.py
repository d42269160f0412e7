"""Kinds of raw values: how many bytes, and what stands in them.

``u8`` … ``u64`` and ``i8`` … ``i64`` in whole bytes (``u24``, too), with ``le`` or ``be`` where the
order is not the layout's; ``f32`` and ``f64`` (IEEE 754); ``bytes:N`` and ``nibbles:N`` (numbers to
be put into a text), ``hex:N``, ``text:N`` (UTF-8, zeros at its end left out), ``text:*`` (a byte
says how long), ``skip:N``.
"""

import re
import struct
from collections.abc import Callable
from typing import Literal, NamedTuple

from gateway.decode.wire import reject
from gateway.model import QuarantineReason

_INTEGER = re.compile(r"([ui])(8|16|24|32|40|48|56|64)(le|be)?\Z")
_REAL = re.compile(r"f(32|64)(le|be)?\Z")
_PIECE = re.compile(r"(bytes|nibbles|hex|text|skip):(\d{1,3}|\*)\Z")
_NIBBLE = 15

Raw = int | float | str | tuple[int, ...]
Order = Literal["little", "big"]


class Kind(NamedTuple):
    """A kind of raw value."""

    size: int  # bytes; -1: the first byte says how many follow it
    read: Callable[[bytes], Raw]
    raws: range = range(0)  # the whole numbers that it reads; none: it reads no such


def parse_kind(text: str, order: Order) -> Kind:
    """Return the kind of a name.

    Raises:
        ValueError: there is no such kind.
    """
    number = _INTEGER.match(text)
    if number is not None:
        return _integer(int(number[2]) // 8, number[1] == "i", _order(number[3], order))
    real = _REAL.match(text)
    if real is not None:
        size = int(real[1]) // 8
        sign = "<" if _order(real[2], order) == "little" else ">"
        unpack = struct.Struct(f"{sign}{'f' if size == 4 else 'd'}").unpack  # noqa: PLR2004  # f32
        return Kind(size, lambda raw: float(unpack(raw)[0]))
    piece = _PIECE.match(text)
    if piece is None or (piece[2] == "*") > (piece[1] == "text"):
        raise ValueError(f"{text!r} is no kind of value")
    return Kind(-1 if piece[2] == "*" else int(piece[2]), _PIECES[piece[1]])


def _order(said: str | None, order: Order) -> Order:
    return order if said is None else "little" if said == "le" else "big"


def _integer(size: int, is_signed: bool, order: Order) -> Kind:  # noqa: FBT001  # of a pattern
    raws = raws_of(8 * size, is_signed=is_signed)
    return Kind(size, lambda raw: int.from_bytes(raw, order, signed=is_signed), raws)


def raws_of(bits: int, *, is_signed: bool) -> range:
    """Return the numbers that so many bits can be."""
    least = -(1 << bits - 1) if is_signed else 0
    return range(least, least + (1 << bits))


def _text(raw: bytes) -> str:
    try:
        return raw.decode().rstrip("\0")
    except UnicodeDecodeError:
        reject(QuarantineReason.SCHEMA, f"{raw.hex()} is no text")


def _nibbles(raw: bytes) -> tuple[int, ...]:
    return tuple(half for byte in raw for half in (byte >> 4, byte & _NIBBLE))


_PIECES: dict[str, Callable[[bytes], Raw]] = {
    "bytes": tuple,
    "nibbles": _nibbles,
    "hex": bytes.hex,
    "text": _text,
    "skip": lambda raw: tuple(raw[:0]),
}
