"""A-XDR, how DLMS/COSEM writes data (IEC 62056-6-2, Green Book §9.5): a tag, then the value."""

from collections.abc import Callable, Mapping
from struct import Struct
from typing import NamedTuple, TypeAlias

from gateway.decode.wire import reject
from gateway.model import QuarantineReason

MAX_DEPTH = 6  # lists of meters have 3; bounds the recursion
MAX_ITEMS = 2048  # of one message; the longest recorded push has 108. Bounds empty items.


class Enum(NamedTuple):
    """A member of an enumeration; the only one in a push is the unit."""

    code: int


Data: TypeAlias = "int | float | bytes | str | Enum | list[Data] | None"

_ARRAYS = (1, 2)  # array, structure
_OCTETS, _TEXT, _UTF8, _BITS = 9, 10, 12, 4
DATE_TIME_BYTES = 12
_FLOATS = {23: Struct(">f"), 24: Struct(">d")}
# bytes, and whether signed
_INTEGERS: Mapping[int, tuple[int, bool]] = {
    5: (4, True),
    6: (4, False),
    15: (1, True),
    16: (2, True),
    17: (1, False),
    18: (2, False),
    20: (8, True),
    21: (8, False),
}
_FIXED = {0: 0, 3: 1, 13: 1, 25: DATE_TIME_BYTES, 26: 5, 27: 4}  # null, bool, bcd, date and time


class Reader:
    """Reads one item after the other; whatever is wrong is refused as ``encoding``."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = MAX_ITEMS
        self.at = 0

    @property
    def is_at_end(self) -> bool:
        """Whether everything is read."""
        return self.at == len(self._data)

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        found = self._data[self.at : self.at + size]
        if len(found) != size:
            reject(QuarantineReason.ENCODING, "a DLMS message that is cut off")
        self.at += size
        return found

    def length(self) -> int:
        """Return a length (BER: one byte, or how many bytes of it follow)."""
        first = self.take(1)[0]
        return first if first < 128 else int.from_bytes(self.take(first & 127))  # noqa: PLR2004

    def item(self, depth: int = 0) -> Data:
        """Return the next item and what is in it."""
        self._left -= 1
        if not self._left or depth > MAX_DEPTH:
            reject(QuarantineReason.TOO_LARGE, f"more than {MAX_ITEMS} items, or {MAX_DEPTH} deep")
        tag = self.take(1)[0]
        if tag in _ARRAYS:
            return [self.item(depth + 1) for _ in range(min(self.length(), MAX_ITEMS))]
        if tag in _INTEGERS:
            size, is_signed = _INTEGERS[tag]
            return int.from_bytes(self.take(size), signed=is_signed)
        read = _READERS.get(tag)
        if read is None:
            reject(QuarantineReason.ENCODING, f"DLMS data of type {tag}")
        return read(self, tag)

    def _octets(self, _: int) -> Data:
        return self.take(self.length())

    def _text(self, _: int) -> Data:
        return self.take(self.length()).decode("utf-8", "replace")

    def _bits(self, _: int) -> Data:
        return self.take((self.length() + 7) // 8)

    def _fixed(self, tag: int) -> Data:
        return self.take(_FIXED[tag]) or None

    def _float(self, tag: int) -> Data:
        layout = _FLOATS[tag]
        found: float = layout.unpack(self.take(layout.size))[0]
        return found

    def _enum(self, _: int) -> Data:
        return Enum(self.take(1)[0])


_READERS: Mapping[int, Callable[[Reader, int], Data]] = {
    _OCTETS: Reader._octets,  # noqa: SLF001
    _TEXT: Reader._text,  # noqa: SLF001
    _UTF8: Reader._text,  # noqa: SLF001
    _BITS: Reader._bits,  # noqa: SLF001
    22: Reader._enum,  # noqa: SLF001
    **dict.fromkeys(_FIXED, Reader._fixed),  # noqa: SLF001
    **dict.fromkeys(_FLOATS, Reader._float),  # noqa: SLF001
}
