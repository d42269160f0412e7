"""IEC 62056-21: the optical head of a meter; mode C (asked, baud switched) and mode D (pushed).

Bytes are 7E1 on the line. The UART is set to 8N1 and parity is checked here, since that of
MicroPython does not tell of parity errors: together with BCC every error of up to three bits
is found. BCC is blind to a pair of equal characters lost, so a readout must also have the shape
of the one before, digits apart (the fields of a meter have a fixed width); the first is read
twice.
"""

from fieldnode.drivers import STATUS_CRITICAL, Driver, crc, number, obis, text

_BAUDS = (300, 600, 1200, 2400, 4800, 9600, 19200)  # IEC 62056-21 §6.3.14
_STX, _ETX, _SLASH, _BANG, _NEWLINE, _DIGIT, _NINE = 2, 3, 47, 33, 10, 48, 57
_LINE_MAX = 128  # a data line has at most 78 characters (§6.5)
_BLOCK_MAX = 32_768  # ends a readout without an end, 5 min at 1200 baud
_REACTION_MS = 250  # §6.6: 200…1500 ms between a message and its answer
_SILENCE_MS = 3000  # twice the 1500 ms of §6.6: buffers of the UART may hold bytes back
_AGAIN_MS = 5000
_IDLE, _IDENT, _ACK, _BLOCK, _LINES, _BCC = 0, 1, 2, 3, 4, 5


def with_parity(text: bytes) -> bytes:
    """Return 7-bit text as the bytes of 7E1 on a line set to 8N1."""
    return bytes([char | _is_odd(char) << 7 for char in text])


def _is_odd(byte: int) -> int:
    byte ^= byte >> 4
    return 0x6996 >> (byte & 15) & 1  # the parity of 0…15 as a table of bits


class Iec62056(Driver):
    """Reads a meter every ``interval_s`` (mode C), or listens (mode D: interval 0)."""

    def __init__(self, profile: str, interval_s: int, baud: int, address: bytes) -> None:
        super().__init__()
        self._collector = obis.Collector(profile)
        self._interval_ms = interval_s * 1000
        self._first_line = (baud, 8, None, 1)
        self.line = self._first_line
        self._request = with_parity(b"/?" + address + b"!\r\n")
        self._buffer = bytearray(_LINE_MAX)
        self._size = 0
        self._state = _IDLE
        self._due_ms = 0  # of the next readout
        self._heard_ms = 0  # the last byte of either side
        self._started_ms = 0
        self._baud_char = 48
        self._bcc = 0
        self._length = 0
        self._shape = self._shape_before = 0  # check over all but the digits
        self._row: "tuple[tuple[int | None, ...], int] | None" = None

    def poll(self, uptime_ms: int) -> "bytes | None":
        """Return the request when a readout is due, and the acknowledgement that switches."""
        if self._state != _IDLE and uptime_ms - self._heard_ms > _SILENCE_MS:
            self._fail()
        if self._state == _ACK and uptime_ms - self._heard_ms >= _REACTION_MS:
            self._heard_ms = uptime_ms
            self._state = _BLOCK
            self.line = (_BAUDS[self._baud_char - 48], 8, None, 1)
            return with_parity(b"\x060" + bytes((self._baud_char,)) + b"0\r\n")
        if self._state == _IDLE and self._interval_ms and uptime_ms >= self._due_ms:
            self._due_ms = uptime_ms + self._interval_ms
            self._begin(_IDENT, uptime_ms)
            return self._request
        return None

    def _begin(self, state: int, uptime_ms: int) -> None:
        self._collector.clear()
        self._state = state
        self._size = self._bcc = self._length = self._shape = 0
        self._started_ms = self._heard_ms = uptime_ms
        self.line = self._first_line

    def _fail(self) -> None:
        self.errors += 1
        self._state = _IDLE
        self.line = self._first_line
        self._due_ms = min(self._due_ms, self._heard_ms + 2 * _AGAIN_MS)

    def feed(self, data: "bytes | memoryview", uptime_ms: int) -> None:
        """Take in bytes."""
        self._heard_ms = uptime_ms
        for byte in data:
            if not self._interval_ms and byte & 127 == _SLASH:
                self._begin(_LINES, uptime_ms)
            if self._state not in (_IDLE, _ACK):
                self._add(byte)

    def _add(self, byte: int) -> None:
        if _is_odd(byte) and self._state != _BLOCK:
            self._fail()
            return
        byte &= 127
        self._bcc ^= byte
        self._length += 1
        if self._state == _BCC:
            self._finish(0 if not self._bcc else -1)
        elif self._state == _BLOCK:
            if byte == _STX:
                self._state = _LINES
                self._size = self._bcc = self._length = self._shape = 0
        elif byte == _ETX:
            self._state = _BCC
        else:
            self._add_text(byte)

    def _add_text(self, char: int) -> None:
        if self._size < _LINE_MAX:  # what is longer is no line of data
            self._buffer[self._size] = char
            self._size += 1
        if char == _NEWLINE:
            line = bytes(self._buffer[: self._size])
            self._size = 0
            self._end_line(line)
        elif self._length > _BLOCK_MAX:
            self._fail()

    def _end_line(self, line: bytes) -> None:
        if self._state == _IDENT:
            self._identify(line)
            return
        shape = bytes([_DIGIT if _DIGIT <= char <= _NINE else char for char in line])
        self._shape = crc.arc(shape, self._shape)
        if line[0] == _BANG and not self._interval_ms:
            self._finish(STATUS_CRITICAL)  # mode D has no BCC
            return
        item = text.read_line(line) if len(line) < _LINE_MAX else None
        if item:
            self._collector.put(*item)

    def _identify(self, line: bytes) -> None:
        """``/XYZB…``: maker and, as a character, the baud that the meter offers."""
        start = line.find(b"/")
        if start < 0 or len(line) < start + 7:
            return  # the optical head gives back what was sent: wait for the meter's own line
        if line[start + 1 : start + 2] == b"?":
            return
        char = line[start + 4]
        if 48 <= char <= 54:  # mode C
            self._state = _ACK
            self._baud_char = char
            return
        self._state = _BLOCK
        if 65 <= char <= 70:  # mode B switches without being asked
            self.line = (_BAUDS[char - 64], 8, None, 1)

    def _finish(self, status: int) -> None:
        is_expected = self._shape == self._shape_before
        row = self._collector.row() if status >= 0 else None
        if row is None:
            self._fail()
            return
        self._shape_before = self._shape
        self._state = _IDLE
        self.line = self._first_line
        if not is_expected:
            self._due_ms = min(self._due_ms, self._heard_ms + _AGAIN_MS)
            return
        self.telegrams += 1
        self._row = row, status
        self.at_ms = self._started_ms

    def take(self, uptime_ms: int) -> "tuple[tuple[int | None, ...], int] | None":
        """Return the latest readout as a row."""
        row, self._row = self._row, None
        return row


def make(profile: str, options: "dict[str, object]", registers: "tuple[int, ...]") -> Iec62056:
    """Options: ``interval_s`` (900; 0: mode D), ``baud`` (300; mode D 2400), ``address``."""
    interval_s = number(options, "interval_s", 900, 0, 86_400)
    baud = number(options, "baud", 300 if interval_s else 2400, 300, 19_200)
    if 0 < interval_s < 30 or baud not in _BAUDS:
        raise ValueError("options")
    return Iec62056(profile, interval_s, baud, str(options.get("address", "")).encode())
