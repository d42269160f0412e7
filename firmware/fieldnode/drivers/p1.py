"""DSMR P1: the customer port of Dutch, Belgian, Luxembourgish, Hungarian, Swedish … meters.

A telegram of lines comes by itself every 1…10 s (DSMR 5.0.2 P1 Companion Standard): ``/`` and the
identification, lines with OBIS codes, ``!`` and a CRC-16 over everything from ``/`` to ``!``. It
is read line by line, so no telegram is too long for the heap.
"""

from fieldnode.drivers import STATUS_CRITICAL, Driver, crc, obis, text

_LINE_MAX = 128  # the wanted lines have < 40; text messages of up to 2 KB only go into the CRC
_SLASH, _BANG, _NEWLINE = 47, 33, 10
_IDLE, _LINES, _CRC = 0, 1, 2


class P1(Driver):
    """Reads telegrams; ``unchecked`` takes those of DSMR 2 and 3 without CRC, marked suspect."""

    def __init__(self, profile: str, unchecked: bool = False) -> None:
        super().__init__()
        self.line = (115200, 8, None, 1)
        self._collector = obis.Collector(profile)
        self._is_unchecked = unchecked
        self._buffer = bytearray(_LINE_MAX)
        self._view = memoryview(self._buffer)
        self._size = 0
        self._state = _IDLE
        self._is_long = False  # the line did not fit: only its CRC counts
        self._crc = 0
        self._started_ms = 0
        self._row: "tuple[tuple[int | None, ...], int] | None" = None

    def feed(self, data: "bytes | memoryview", uptime_ms: int) -> None:
        """Take in bytes."""
        for byte in data:
            if byte == _SLASH:
                self._begin(uptime_ms)
            if self._state != _IDLE:
                self._add(byte)

    def _begin(self, uptime_ms: int) -> None:
        if self._state != _IDLE:
            self.errors += 1  # the telegram before had no end
        self._collector.clear()
        self._state = _LINES
        self._size = self._crc = 0
        self._is_long = False
        self._started_ms = uptime_ms

    def _add(self, byte: int) -> None:
        self._buffer[self._size] = byte
        self._size += 1
        is_bang = byte == _BANG and self._size == 1 and not self._is_long
        if self._state == _CRC:
            if byte == _NEWLINE or self._size == _LINE_MAX:
                self._finish()
        elif is_bang or byte == _NEWLINE or self._size == _LINE_MAX:
            self._end_line(byte == _NEWLINE)
            if is_bang:
                self._state = _CRC

    def _end_line(self, is_whole: bool) -> None:
        line = bytes(self._view[: self._size])
        self._size = 0
        self._crc = crc.arc(line, self._crc)
        if is_whole and not self._is_long:
            item = text.read_line(line)
            if item:
                self._collector.put(*item)
        self._is_long = not is_whole

    def _finish(self) -> None:
        check = bytes(self._buffer[: self._size]).strip()
        self._state = _IDLE
        status = self._judge(check)
        row = self._collector.row() if status >= 0 else None
        if row is None:
            self.errors += 1
            return
        self.telegrams += 1
        self._row = row, status
        self.at_ms = self._started_ms

    def _judge(self, check: bytes) -> int:
        """Return the status that the check deserves, -1 where it is wrong."""
        if not check:
            return STATUS_CRITICAL if self._is_unchecked else -1
        value = 0
        for char in check:
            digit = b"0123456789ABCDEF".find(bytes((char,)).upper())
            if digit < 0 or len(check) > 4:
                return -1
            value = value << 4 | digit
        return 0 if value == self._crc else -1

    def take(self, uptime_ms: int) -> "tuple[tuple[int | None, ...], int] | None":
        """Return the latest telegram as a row: registers in it make up for those before."""
        row, self._row = self._row, None
        return row


def make(profile: str, options: "dict[str, object]", registers: "tuple[int, ...]") -> P1:
    """Options: ``baud`` 9600 (7E1: DSMR 2 and 3) or 115200, ``unchecked``."""
    driver = P1(profile, bool(options.get("unchecked")))
    if options.get("baud") == 9600:
        driver.line = (9600, 7, 0, 1)
    return driver
