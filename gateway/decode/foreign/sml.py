"""SML, the Smart Message Language of German meters (BSI TR-03109-1 annex IV; SML 1.04).

Transport version 1: ``1B1B1B1B 01010101``, messages, ``1B1B1B1B 1A`` with padding and a CRC-16/X-25
(some makers' meters use CRC-16/KERMIT). Of the messages only GetListResponse holds registers.
A time below the year 2000 is the meter's seconds index, not a clock, and is not used.

Own code: the well-kept library (smllib) takes a list's length from the wire as it is, so nine bytes
make it ask for gigabytes. The tests hold us to what it reads of sound telegrams.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TypeAlias

from gateway.decode.foreign.checksums import crc_kermit, crc_x25
from gateway.decode.foreign.telegrams import Number, Register, Telegram
from gateway.decode.wire import reject
from gateway.model import QuarantineReason

FIRST_BYTE = 0x1B
START = b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01"

_ESCAPE, _END = b"\x1b\x1b\x1b\x1b", b"\x1b\x1b\x1b\x1b\x1a"
_TAIL_BYTES = 8  # escape, 1A, padding, CRC
_MAX_BYTES = 16 << 10  # the longest telegram of a meter has about 500 bytes
_MAX_DEPTH, _MAX_ITEMS = 8, 2048
_LIST_RESPONSE = 0x0701
_MESSAGE_FIELDS, _RESPONSE_FIELDS, _ENTRY_FIELDS = 6, 7, 7
_OBIS_BYTES = 6
_YEAR_2000_S = 946_684_800
_OCTETS, _BOOL, _SIGNED, _UNSIGNED, _LIST = 0x00, 0x40, 0x50, 0x60, 0x70
_SCALERS = range(-12, 13)
_UNITS = {27: "W", 28: "VA", 29: "var", 30: "Wh", 32: "varh", 33: "A", 35: "V", 44: "Hz", 13: "m³"}
_SERIALS = ("1-0:96.1.0", "1-0:0.0.9")

Item: TypeAlias = "int | bytes | list[Item] | None"


def read_sml(payload: bytes) -> Telegram:
    """Return what one telegram says.

    Raises:
        RejectedError: ``checksum``; ``encoding``, it is no telegram; ``schema``, it says nothing.
    """
    registers: dict[str, Register] = {}
    texts: dict[str, str] = {}
    serial, time_ms = "", 0
    for response in _responses(_Reader(_unwrap(payload)).messages()):
        serial = serial or _hex(response[1])
        time_ms = time_ms or _time(response[3])
        entries = response[4]
        for entry in entries if isinstance(entries, list) else ():
            _take(entry, registers, texts)
    if not registers:
        reject(QuarantineReason.SCHEMA, "the telegram holds no register that is understood")
    named = next((texts[code] for code in _SERIALS if code in texts), serial)
    return Telegram(named, time_ms, registers)


def _unwrap(payload: bytes) -> bytes:
    """Return the messages of a telegram, its check seen and its escapes undone."""
    if len(payload) > _MAX_BYTES:
        reject(QuarantineReason.TOO_LARGE, f"{len(payload)} bytes of SML telegram")
    begin = payload.find(START)
    end = _end_of(payload, begin + len(START)) if begin >= 0 else -1
    if end < 0:
        reject(QuarantineReason.ENCODING, "no SML telegram of transport version 1")
    telegram = payload[begin : end + _TAIL_BYTES]
    if len(telegram) < end - begin + _TAIL_BYTES:
        reject(QuarantineReason.ENCODING, "an SML telegram that is cut off")
    check = int.from_bytes(telegram[-2:], "little")
    if check not in {crc_x25(telegram[:-2]), crc_kermit(telegram[:-2])}:
        reject(QuarantineReason.CHECKSUM, "the check of the SML telegram is wrong")
    if payload[end + _TAIL_BYTES :].strip(b"\x00\x1b\r\n"):
        reject(QuarantineReason.ENCODING, "bytes behind the SML telegram")
    body = payload[begin + len(START) : end - telegram[-3]]
    return body.replace(_ESCAPE + _ESCAPE, _ESCAPE)


def _end_of(payload: bytes, at: int) -> int:
    """Return where the end is: an escape with 1A that is not an escaped escape."""
    while (at := payload.find(_ESCAPE, at)) >= 0:
        if payload[at + 4 : at + 5] == _END[4:]:
            return at
        at += 2 * len(_ESCAPE) if payload[at + 4 : at + 8] == _ESCAPE else 1
    return -1


class _Reader:
    """Reads one item after the other; whatever is wrong is refused as ``encoding``."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = _MAX_ITEMS
        self._at = 0

    def messages(self) -> Iterator[Sequence[Item]]:
        """Yield the messages."""
        while self._at < len(self._data) and any(self._data[self._at :]):
            message = self.item(0)
            if not isinstance(message, list) or len(message) != _MESSAGE_FIELDS:
                reject(QuarantineReason.ENCODING, "no SML message of six fields")
            yield message

    def item(self, depth: int) -> Item:
        """Return the next item and what is in it."""
        self._left -= 1
        if not self._left or depth > _MAX_DEPTH:
            reject(
                QuarantineReason.TOO_LARGE, f"more than {_MAX_ITEMS} items, or {_MAX_DEPTH} deep"
            )
        begin, kind, length = self._head()
        if kind == _LIST:
            return [self.item(depth + 1) for _ in range(min(length, _MAX_ITEMS))]
        value = self._data[self._at : begin + length]
        if not length:
            return None  # end of message
        if begin + length < self._at or begin + length > len(self._data):
            reject(QuarantineReason.ENCODING, "an SML telegram whose lengths do not fit")
        self._at = begin + length
        if kind in {_SIGNED, _UNSIGNED, _BOOL}:
            return int.from_bytes(value, signed=kind == _SIGNED)
        if kind != _OCTETS:
            reject(QuarantineReason.ENCODING, f"SML type {kind:#x}")
        return value or None  # 01: an optional value that is not there

    def _head(self) -> tuple[int, int, int]:
        begin, kind, length = self._at, -1, 0
        while True:
            if self._at >= len(self._data) or length > _MAX_BYTES:
                reject(QuarantineReason.ENCODING, "an SML telegram whose lengths do not fit")
            byte = self._data[self._at]
            self._at += 1
            kind = byte & 0x70 if kind < 0 else kind
            length = length << 4 | byte & 15
            if not byte & 0x80:
                return begin, kind, length


def _responses(messages: Iterator[Sequence[Item]]) -> Iterator[Sequence[Item]]:
    for message in messages:
        body = message[3]
        if isinstance(body, list) and body[:1] == [_LIST_RESPONSE] and isinstance(body[-1], list):
            if len(body[-1]) != _RESPONSE_FIELDS:
                reject(QuarantineReason.ENCODING, "an SML list response of other than seven fields")
            yield body[-1]


def _time(time: Item) -> int:
    """Return Unix milliseconds of an SML_Time: [1, seconds index], [2 or 3, timestamp]."""
    if not isinstance(time, list) or len(time) != 2:  # noqa: PLR2004  # choice and value
        return 0
    stamp = time[1][0] if isinstance(time[1], list) and time[1] else time[1]
    is_clock = isinstance(stamp, int) and stamp >= _YEAR_2000_S
    return stamp * 1000 if is_clock and isinstance(stamp, int) else 0


def _take(entry: Item, registers: dict[str, Register], texts: dict[str, str]) -> None:
    """Put one entry where it belongs: name, status, time, unit, scaler, value, signature."""
    if not isinstance(entry, list) or len(entry) != _ENTRY_FIELDS:
        reject(QuarantineReason.ENCODING, "an SML list entry of other than seven fields")
    name, _, _, unit, scaler, value, _ = entry
    if not isinstance(name, bytes) or len(name) != _OBIS_BYTES:
        return
    code = f"{name[0]}-{name[1]}:{name[2]}.{name[3]}.{name[4]}"
    if isinstance(value, bytes):
        texts[code] = _hex(value)
        return
    if not isinstance(value, int) or not isinstance(unit, int) or unit not in _UNITS:
        return
    exponent = scaler if isinstance(scaler, int) else 0
    if exponent not in _SCALERS:
        return
    register = Register(_scaled(value, exponent), _UNITS[unit])
    if registers.get(code, register) != register:
        reject(QuarantineReason.SCHEMA, f"{code} comes twice, with two values")
    registers[code] = register


def _scaled(value: int, exponent: int) -> Number:
    return value * 10**exponent if exponent >= 0 else Decimal(value).scaleb(exponent)


def _hex(value: Item) -> str:
    return value.hex() if isinstance(value, bytes) else ""
