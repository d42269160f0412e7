"""SML: what German meters send by themselves every second or so (BSI TR-03109-1, SML 1.04).

A file is framed by escape sequences and closed by CRC-16/X-25. Of its messages only the list
entries count: a list of seven whose first item is an OBIS code.
"""

from fieldnode.drivers import Driver, crc, obis

_FILE_MAX = 1024  # files of meters have 200…700 bytes; bounds what a stream without end takes
_DEPTH_MAX = 8  # messages nest 5 deep; bounds the recursion
_ESCAPE = b"\x1b\x1b\x1b\x1b"
_BEGIN = b"\x01\x01\x01\x01"
_OCTETS, _INTEGER, _UNSIGNED, _LIST = 0, 5, 6, 7


class Sml(Driver):
    """Listens to a meter."""

    def __init__(self, profile: str) -> None:
        super().__init__()
        self.line = (9600, 8, None, 1)
        self._collector = obis.Collector(profile)
        self._file = bytearray(_FILE_MAX)
        self._size = -1  # bytes of the open file without escapes; -1: none is open
        self._crc = 0
        self._begins = 0  # bytes of the begin of a file seen in a row
        self._word = bytearray(4)
        self._word_size = 0
        self._is_escape = False  # the word before was an escape sequence
        self._started_ms = 0
        self._row: "tuple[tuple[int | None, ...], int] | None" = None

    def feed(self, data: "bytes | memoryview", uptime_ms: int) -> None:
        """Take in bytes."""
        for byte in data:
            if self._size >= 0:
                self._add(byte)
            # A new file may begin anywhere, also where the one before broke off.
            if byte == 0x1B:
                self._begins = self._begins + 1 if self._begins < 4 else 4
            elif byte == 1 and self._begins >= 4:
                self._begins += 1
                if self._begins == 8:
                    self._begin(uptime_ms)
            else:
                self._begins = 0

    def _begin(self, uptime_ms: int) -> None:
        if self._size >= 0:
            self.errors += 1  # the file before had no end
        self._begins = self._size = self._word_size = 0
        self._is_escape = False
        self._crc = crc.x25(_ESCAPE + _BEGIN)
        self._started_ms = uptime_ms

    def _add(self, byte: int) -> None:
        """Gather words of four bytes, as they are aligned in a file."""
        self._word[self._word_size] = byte
        self._word_size = self._word_size + 1 & 3
        if self._word_size:
            return
        word = bytes(self._word)
        if self._is_escape:
            self._is_escape = False
            self._escape(word)
        elif word == _ESCAPE:
            self._is_escape = True
            self._crc = crc.x25(word, self._crc)
        else:
            self._append(word)

    def _append(self, word: bytes) -> None:
        if self._size == _FILE_MAX:
            self._drop()
            return
        self._file[self._size : self._size + 4] = word
        self._size += 4
        self._crc = crc.x25(word, self._crc)

    def _drop(self) -> None:
        self.errors += 1
        self._size = -1

    def _escape(self, word: bytes) -> None:
        if word == _ESCAPE:  # doubled: four bytes 1B of the file itself
            self._append(word)
        elif word[0] == 0x1A and word[1] <= 3:
            self._close(word)
        elif word != _BEGIN:
            self._drop()

    def _close(self, word: bytes) -> None:
        row = None
        if crc.x25(word[:2], self._crc) == word[2] | word[3] << 8:
            row = self._read(self._size - word[1])
        self._size = -1
        if row is None:
            self.errors += 1
            return
        self.telegrams += 1
        self.at_ms = self._started_ms
        self._row = row, 0

    def _read(self, size: int) -> "tuple[int | None, ...] | None":
        self._collector.clear()
        at = 0
        try:
            while at < size:
                at = self._element(at, 0)
        except (IndexError, ValueError):
            at = -1
        row = self._collector.row()
        return row if at == size else None

    def _head(self, at: int) -> "tuple[int, int, int]":
        """Return type, length (of a list: items; else bytes) and where the content begins."""
        byte = self._file[at]
        kind, length = byte >> 4 & 7, byte & 15
        start = at + 1
        while byte & 128:
            byte = self._file[start]
            length = length << 4 | byte & 15
            start += 1
            if length > _FILE_MAX:
                raise ValueError("length")
        if kind != _LIST:
            length = max(0, length - (start - at))  # a 00 ends a message
        return kind, length, start

    def _element(self, at: int, depth: int) -> int:
        kind, length, start = self._head(at)
        if kind != _LIST:
            if start + length > _FILE_MAX:
                raise ValueError("length")
            return start + length
        if depth == _DEPTH_MAX:
            raise ValueError("depth")
        places = []
        at = start
        for index in range(length):
            if index < 7:
                places.append(at)
            at = self._element(at, depth + 1)
        if length == 7:
            self._entry(places)
        return at

    def _entry(self, places: "list[int]") -> None:
        """Name, status, time, unit, scaler, value, signature."""
        kind, length, start = self._head(places[0])
        if kind != _OCTETS or length != 6:
            return
        a, _, c, d, e, f = self._file[start : start + 6]
        if a <= 1 and f == 255:
            scaler = self._integer(places[4])
            self._collector.put(obis.key(a, c, d, e), self._integer(places[5]), scaler or 0)

    def _integer(self, at: int) -> "int | None":
        kind, length, start = self._head(at)
        if kind not in {_INTEGER, _UNSIGNED} or not 1 <= length <= 8:
            return None
        value = int.from_bytes(self._file[start : start + length], "big")
        bits = 8 * length
        return value - (1 << bits) if kind == _INTEGER and value >> bits - 1 else value

    def take(self, uptime_ms: int) -> "tuple[tuple[int | None, ...], int] | None":
        """Return the latest file as a row."""
        row, self._row = self._row, None
        return row


def make(profile: str, options: "dict[str, object]", registers: "tuple[int, ...]") -> Sml:
    """Take no options."""
    return Sml(profile)
