"""Modbus RTU master for meters on RS-485: PZEM-004T v3, Eastron SDM120 and SDM630.

A reading is a round of requests; only when every answer of the round was sound there is a row.
"""

from fieldnode.drivers import Driver, crc, number, obis
from fieldnode.drivers.obis import key

_READ_INPUT = 4
_TIMEOUT_MS = 500  # PZEM answers within 100 ms, SDM within 60…200; buffers hold bytes back
_PAUSE_MS = 20  # ≥ 3.5 characters of silence between frames: 16 ms at 2400 baud
_REPLY_MAX = 5 + 2 * 80  # the longest answer asked for
_U16, _U32, _F32 = 0, 1, 2  # U32: the lower word first, as PZEM has it

_P, _I = key(1, 16, 7, 0), key(1, 31, 7, 0)
_U, _PF, _F = key(1, 32, 7, 0), key(1, 13, 7, 0), key(1, 14, 7, 0)
_IMP, _EXP = key(1, 1, 8, 0), key(1, 2, 8, 0)

# Maker: baud, blocks of (first register, count), values of (register, form, code, exponent).
METERS = {
    "pzem": (
        9600,
        ((0, 10),),  # PZEM-004T-V3.0 datasheet: 0.1 V, 1 mA, 0.1 W, 1 Wh, 0.1 Hz, 0.01
        (
            (0, _U16, _U, -1),
            (1, _U32, _I, -3),
            (3, _U32, _P, -1),
            (5, _U32, _IMP, 0),
            (7, _U16, _F, -1),
            (8, _U16, _PF, -2),
        ),
    ),
    "sdm120": (
        2400,
        ((0, 32), (70, 6)),  # Eastron SDM120 Modbus protocol: floats in V, A, W, kWh
        (
            (0, _F32, _U, 0),
            (6, _F32, _I, 0),
            (12, _F32, _P, 0),
            (30, _F32, _PF, 0),
            (70, _F32, _F, 0),
            (72, _F32, _IMP, 3),
            (74, _F32, _EXP, 3),
        ),
    ),
    "sdm630": (
        9600,
        ((0, 80),),  # 80 registers are the most that an SDM630 gives: one snapshot
        tuple([(2 * n, _F32, key(1, 32 + 20 * n, 7, 0), 0) for n in range(3)])
        + tuple([(6 + 2 * n, _F32, key(1, 31 + 20 * n, 7, 0), 0) for n in range(3)])
        + tuple([(12 + 2 * n, _F32, key(1, 36 + 20 * n, 7, 0), 0) for n in range(3)])
        + (
            (52, _F32, _P, 0),
            (60, _F32, key(1, 3, 7, 0), 0),
            (62, _F32, _PF, 0),
            (70, _F32, _F, 0),
            (72, _F32, _IMP, 3),
            (74, _F32, _EXP, 3),
            (76, _F32, key(1, 3, 8, 0), 3),
            (78, _F32, key(1, 4, 8, 0), 3),
        ),
    ),
}


class Modbus(Driver):
    """Asks one meter every ``every_ms``."""

    def __init__(self, profile: str, meter: str, address: int, every_ms: int) -> None:
        super().__init__()
        baud, self._blocks, self._values = METERS[meter]
        self.line = (baud, 8, None, 1)
        self._collector = obis.Collector(profile)
        self._address = address
        self._every_ms = every_ms
        self._due_ms = 0
        self._block = 0  # the one to be asked for, or asked for
        self._is_waiting = False
        self._sent_ms = 0
        self._reply = bytearray(_REPLY_MAX)
        self._size = 0
        self._row: "tuple[tuple[int | None, ...], int] | None" = None

    def poll(self, uptime_ms: int) -> "bytes | None":
        """Return the next request when it is due."""
        if self._is_waiting:
            if uptime_ms - self._sent_ms < _TIMEOUT_MS:
                return None
            self._fail(uptime_ms)
        if uptime_ms < self._due_ms:
            return None
        if not self._block:
            self._collector.clear()
        first, count = self._blocks[self._block]
        frame = bytes((self._address, _READ_INPUT, first >> 8, first & 255, 0, count))
        self._is_waiting = True
        self._size = 0
        self._sent_ms = uptime_ms
        check = crc.arc(frame, 0xFFFF)
        return frame + bytes((check & 255, check >> 8))

    def _fail(self, uptime_ms: int) -> None:
        self.errors += 1
        self._is_waiting = False
        self._block = 0
        self._due_ms = uptime_ms + min(self._every_ms, _TIMEOUT_MS)

    def feed(self, data: "bytes | memoryview", uptime_ms: int) -> None:
        """Take in bytes; what comes while nothing was asked is not for us."""
        for byte in data:
            if self._is_waiting:
                self._add(byte, uptime_ms)

    def _add(self, byte: int, uptime_ms: int) -> None:
        # A transceiver that turns round leaves a stray byte before the answer.
        if not self._size and byte != self._address:
            return
        self._reply[self._size] = byte
        self._size += 1
        if self._size < 3:
            return
        size = 2 * self._blocks[self._block][1]
        is_answer = self._reply[1] == _READ_INPUT and self._reply[2] == size
        if not is_answer and self._reply[1] != _READ_INPUT | 128:
            self._shift()
            return
        if self._size < (size + 5 if is_answer else 5):
            return
        check = crc.arc(memoryview(self._reply)[: self._size - 2], 0xFFFF)
        is_sound = check == self._reply[self._size - 2] | self._reply[self._size - 1] << 8
        if is_answer and is_sound:
            self._take_in(uptime_ms)
        else:
            self._fail(uptime_ms)

    def _shift(self) -> None:
        """Begin again at the next byte that can be the address."""
        later = bytes(self._reply[1 : self._size])
        at = later.find(bytes((self._address,)))
        later = later[at:] if at >= 0 else b""
        self._reply[: len(later)] = later
        self._size = len(later)

    def _take_in(self, uptime_ms: int) -> None:
        first, count = self._blocks[self._block]
        for register, form, code, exponent in self._values:
            if first <= register < first + count:
                self._collector.put(code, *self._number(3 + 2 * (register - first), form, exponent))
        self._is_waiting = False
        self._block += 1
        self._due_ms = uptime_ms + _PAUSE_MS
        if self._block == len(self._blocks):
            self._end_round()

    def _end_round(self) -> None:
        self._block = 0
        self._due_ms = self._sent_ms + self._every_ms
        row = self._collector.row()
        if row is None:
            self.errors += 1
            return
        self.telegrams += 1
        self.at_ms = self._sent_ms
        self._row = row, 0

    def _number(self, at: int, form: int, exponent: int) -> "tuple[int | None, int]":
        high = self._reply[at] << 8 | self._reply[at + 1]
        if form == _U16:
            return high, exponent
        low = self._reply[at + 2] << 8 | self._reply[at + 3]
        if form == _U32:
            return low << 16 | high, exponent
        return from_float(high << 16 | low), exponent - _FLOAT_DIGITS

    def take(self, uptime_ms: int) -> "tuple[tuple[int | None, ...], int] | None":
        """Return the latest round as a row."""
        row, self._row = self._row, None
        return row


_FLOAT_DIGITS = 9
_FLOAT_UNIT = 1_000_000_000


def from_float(bits: int) -> "int | None":
    """Return an IEEE 754 single, given by its bits, in 10^-9; None where it is no number.

    By integers: a board's own float has no more digits, and loses some in each operation. What is
    beyond 10^-9 is cut off, so that the one rounding later is exact.
    """
    exponent = bits >> 23 & 255
    if exponent > 127 + 60:  # infinite, NaN, or nothing that a meter measures
        return None
    mantissa = bits & 0x7FFFFF | (0x800000 if exponent else 0)
    shift = max(exponent, 1) - 150
    value = mantissa * _FLOAT_UNIT
    value = value << shift if shift >= 0 else value >> -shift
    return -value if bits >> 31 else value


def make(profile: str, options: "dict[str, object]", registers: "tuple[int, ...]") -> Modbus:
    """Options: ``meter`` (pzem, sdm120, sdm630), ``address`` (1), ``every_ms`` (1000), ``baud``."""
    meter = str(options.get("meter", "pzem"))
    address = number(options, "address", 1, 1, 248)  # 248 is PZEM's "whoever is there"
    every_ms = number(options, "every_ms", 1000, 100, 3_600_000)
    if meter not in METERS:
        raise ValueError("options: meter")
    driver = Modbus(profile, meter, address, every_ms)
    baud = number(options, "baud", driver.line[0], 300, 115_200)
    driver.line = (baud, 8, None, 1)
    return driver
