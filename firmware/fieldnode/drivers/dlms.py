"""DLMS push (data notification) over HDLC: the customer port of Nordic and many other meters.

Lists of three kinds are understood: pairs or triples of OBIS code, value, scaler and unit (Aidon
and in general), pairs without scaler (Kamstrup, Kaifa in Sweden) and Kaifa's without codes. Values
without a known scaler are left out: a guess may be off by a thousand. Ciphered ones need the keys
of the meter (glo.py, loaded where there are keys).
"""

from fieldnode.drivers import Driver, number, obis
from fieldnode.drivers.hdlc import Hdlc

_LLC = b"\xe6\xe7\x00"
_NOTIFICATION = 0x0F
_DEPTH_MAX = 6  # lists have 3; bounds the recursion
_ITEMS_MAX = 40  # of a list without codes: Kaifa's has 18
_ARRAY, _STRUCTURE, _OCTETS, _TEXT, _INT8, _ENUM = 1, 2, 9, 10, 15, 22
# Bytes of a type by its tag, '?': there is none, 'n': a length comes first, 'b': one in bits.
_SIZES = b"0??1b44??nn?n1?1212?88148<54"  # '<' is 12
_LENGTH, _BITS, _UNKNOWN = 62, 50, 15
_SIGNED = (5, 15, 16, 20)
_UNSIGNED = (6, 17, 18, 21)

# Powers of ten of registers, currents and voltages of makers that send none.
_MAKERS = {b"Kamstrup": (1, -2, 0), b"KFM_": (0, -3, -1)}
_KAMSTRUP_CT = b"685"  # types with current transformers give mA
_KAIFA_EXPONENTS = _MAKERS[b"KFM_"]


def _kaifa(count: int) -> bytes:
    """Return C and D of each item of Kaifa's lists, which have no codes; empty: no such list."""
    powers, energies = b"\x01\x07\x02\x07\x03\x07\x04\x07", b"\x01\x08\x02\x08\x03\x08\x04\x08"
    if count == 1:
        return powers[:2]
    if count in {9, 14}:
        phases = b"\x1f\x07\x20\x07"
    elif count in {13, 18}:
        phases = b"\x1f\x07\x33\x07\x47\x07\x20\x07\x34\x07\x48\x07"
    else:
        return b""
    return bytes(6) + powers + phases + (bytes(2) + energies if count in {14, 18} else b"")


if False:  # for the type checker
    from typing import Any


class Dlms(Driver):
    """Listens to a meter's pushes."""

    def __init__(self, profile: str, baud: int, parity: "int | None", opener: "Any") -> None:
        super().__init__()
        self._opener = opener
        self.line = (baud, 8, parity, 1)
        self._hdlc = Hdlc()
        self._collector = obis.Collector(profile)
        self._data = memoryview(b"")
        self._code = -1  # of the value that comes next
        self._value: "int | None" = None  # whose scaler may come next
        self._scaler: "int | None" = None
        self._maker: "tuple[int, int, int] | None" = None
        self._items: "list[int | None]" = []
        self._has_codes = False
        self._row: "tuple[tuple[int | None, ...], int] | None" = None

    def feed(self, data: "bytes | memoryview", uptime_ms: int) -> None:
        """Take in bytes."""
        refused = self._hdlc.errors
        for byte in data:
            if self._hdlc.add(byte):
                self._take_in(uptime_ms)
        self.errors += self._hdlc.errors - refused

    def _take_in(self, uptime_ms: int) -> None:
        row = None
        try:
            self._read(self._opened(self._hdlc.message))
            row = self._collector.row()
        except (IndexError, ValueError):
            self._collector.clear()
        if row is None:
            self.errors += 1
            return
        self.telegrams += 1
        self.at_ms = uptime_ms
        self._row = row, 0

    def _opened(self, message: memoryview) -> memoryview:
        """Return the notification in a message, in the clear."""
        if bytes(message[:3]) != _LLC:
            raise ValueError("no push")
        message = message[3:]
        return message if not self._opener else self._opener.open(message)

    def _read(self, message: memoryview) -> None:
        """Read a notification into the collector; ValueError or IndexError where it is none."""
        self._data = message
        if message[0] != _NOTIFICATION:
            raise ValueError("no notification")
        at = 5  # behind long-invoke-id and priority
        if message[at] == _OCTETS:  # Kaifa sends the date and time with its tag
            at += 1
        at += 1 + message[at]
        self._code, self._value, self._maker = -1, None, None
        self._items = []
        self._has_codes = False
        count = message[at + 1] if message[at] in {_ARRAY, _STRUCTURE} else 0
        if self._element(at, 0) != len(message):
            raise ValueError("length")
        self._flush()
        if not self._has_codes:
            self._read_kaifa(count)

    def _element(self, at: int, depth: int) -> int:
        tag = self._data[at]
        at += 1
        if tag in {_ARRAY, _STRUCTURE}:
            if depth == _DEPTH_MAX:
                raise ValueError("depth")
            count, at = self._length(at)
            for _ in range(count):
                at = self._element(at, depth + 1)
            return at
        size = _SIZES[tag] - 48
        if size == _UNKNOWN:
            raise ValueError("tag")
        if size in {_LENGTH, _BITS}:
            length, at = self._length(at)
            size = length if size == _LENGTH else (length + 7) // 8
        if at + size > len(self._data):
            raise ValueError("length")
        self._token(tag, self._data[at : at + size])
        return at + size

    def _length(self, at: int) -> "tuple[int, int]":
        length = self._data[at]
        at += 1
        if length & 128:  # BER: that many bytes of length follow
            more = length & 127
            length = int.from_bytes(self._data[at : at + more], "big")
            at += more
        return length, at

    def _token(self, tag: int, piece: memoryview) -> None:
        if tag in {_OCTETS, _TEXT}:
            self._text(bytes(piece))
        elif tag == _ENUM:  # the unit: the scaler before it belongs to the value before
            if self._value is not None and self._scaler is not None:
                self._collector.put(self._code, self._value, self._scaler)
                self._code, self._value = -1, None
        else:
            number = _integer(tag, piece)
            if tag == _INT8 and self._value is not None:
                self._scaler = number
            else:
                if self._value is not None:
                    self._flush()  # no scaler came: the number after it is another item
                if self._code >= 0:
                    self._value, self._scaler = number, None
            self._keep(number)
            if number is None:
                self._code = -1

    def _keep(self, number: "int | None") -> None:
        if len(self._items) < _ITEMS_MAX:
            self._items.append(number)

    def _text(self, text: bytes) -> None:
        self._keep(None)
        if len(text) == 6 and text[0] <= 1 and text[5] == 255:
            self._flush()
            self._has_codes = True
            self._code = obis.key(text[0], text[2], text[3], text[4])
        for maker, exponents in _MAKERS.items():
            if text.startswith(maker):
                self._maker = exponents
        if text.startswith(_KAMSTRUP_CT) and self._maker == _MAKERS[b"Kamstrup"]:
            self._maker = (1, -3, 0)

    def _flush(self) -> None:
        """Put a value that came without scaler, where its maker's is known."""
        if self._value is not None and self._maker is not None:
            c, d = self._code >> 16 & 255, self._code >> 8 & 255
            self._put_of(self._maker, c, d, self._value)
        self._code, self._value = -1, None

    def _put_of(self, exponents: "tuple[int, int, int]", c: int, d: int, value: int) -> None:
        exponent = 0
        if d == 8:
            exponent = exponents[0]
        elif c in {31, 51, 71}:
            exponent = exponents[1]
        elif c in {32, 52, 72}:
            exponent = exponents[2]
        self._collector.put(obis.key(1, c, d, 0), value, exponent)

    def _read_kaifa(self, count: int) -> None:
        if len(self._items) != count:
            return
        codes = _kaifa(count)
        for index in range(len(codes) // 2):
            value = self._items[index]
            if value is not None:
                self._put_of(_KAIFA_EXPONENTS, codes[2 * index], codes[2 * index + 1], value)

    def take(self, uptime_ms: int) -> "tuple[tuple[int | None, ...], int] | None":
        """Return the latest push as a row."""
        row, self._row = self._row, None
        return row


def _integer(tag: int, piece: memoryview) -> "int | None":
    if tag not in _SIGNED and tag not in _UNSIGNED:
        return None
    value = int.from_bytes(piece, "big")
    bits = 8 * len(piece)
    return value - (1 << bits) if tag in _SIGNED and value >> bits - 1 else value


def make(profile: str, options: "dict[str, object]", registers: "tuple[int, ...]") -> Dlms:
    """Options: ``baud`` (2400: M-Bus of the Nordic meters), ``parity`` ("even", "none"), ``key``.

    With a key only ciphered pushes are taken: who has the wire could send any others.
    """
    baud = number(options, "baud", 2400, 300, 115_200)
    secret = str(options.get("key", ""))
    opener = None
    if secret:
        opener = __import__("fieldnode.drivers.glo", None, None, ["Opener"]).Opener(secret)
    return Dlms(profile, baud, 0 if options.get("parity", "none") == "even" else None, opener)
