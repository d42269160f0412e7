"""DSMR P1 telegrams (DSMR 5.0.2 P1 Companion Standard; e-MUCS 1.7; also 2.2 to 4.2).

``/`` and the identification, lines ``OBIS(value*unit)…``, ``!`` and a CRC-16/ARC over everything
from ``/`` to ``!``. From DSMR 4 on a telegram must have one. Those before have none: they are read,
and their rows carry the status of a sensor without a check, as our own driver sends it.

Times are ``YYMMDDhhmmssX``: local standard time, one hour ahead of it for X = S. What is no date
(``632525252525S``) or stands before a value without a unit (``(700101010000W)(00000000)``) is how a
meter says that it has none: such a sub-meter is left out, the rest of the telegram counts. A time
without X names no instant, and is not used.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from gateway.decode.foreign.checksums import crc_arc
from gateway.decode.foreign.telegrams import MAX_REGISTERS, Register, SubMeter, Telegram
from gateway.decode.wire import reject
from gateway.model import QuarantineReason

FIRST_BYTE = 0x2F  # "/"
STATUS_UNCHECKED = 1  # AMR status, critical error: nothing says that the line did no harm

MAX_BYTES = 32 << 10  # DSMR allows 2 KiB of text messages and a power failure log; ten times that
_STANDARD_MS = 3_600_000  # Central European Time, of every country with a P1 port
_SUMMER_MS = 2 * _STANDARD_MS
_MBUS_CHANNELS = range(1, 5)
_KIND_DIGITS = 16  # three of a device type; int() refuses thousands
_ADDRESS_BYTES = 8

_ITEM = re.compile(
    r"(?:(\d{1,3}-\d{1,3}):)?(\d{1,3}\.\d{1,3}\.\d{1,3})(?:\*\d{1,3})?((?:\([^()]*\))+)"
)
_GROUP = re.compile(r"\(([^()]*)\)")
_MEASURED = re.compile(r"(-?\d{1,12}(?:\.\d{1,9})?)\*([A-Za-z0-9³°%]{1,8})\Z", re.ASCII)
_TIME = re.compile(r"(\d{12})([SW])\Z", re.ASCII)
_CHECK = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,4})\s*\Z")  # some makers leave leading zeros out
_VERSIONS = ("1-3:0.2.8", "0-0:96.1.4")
_CHECKED_SINCE = 4
_SERIALS = ("0-0:96.1.1", "0-0:96.1.0", "0-0:96.1.255", "1-0:0.0.0")
_TEXTS = ("0-0:96.13.0", "0-0:96.13.1")

Items = dict[str, Sequence[str]]


def read_p1(payload: bytes) -> Telegram:
    """Return what one telegram says.

    Raises:
        RejectedError: ``checksum``; ``encoding``, it is no telegram; ``schema``, it says nothing.
    """
    body = payload.lstrip()
    if len(body) > MAX_BYTES:
        reject(QuarantineReason.TOO_LARGE, f"{len(body)} bytes of P1 telegram")
    end = body.find(b"!")
    if not body.startswith(b"/") or end < 0:
        reject(QuarantineReason.ENCODING, "no P1 telegram: it goes from / to !")
    items = _items(body[:end])
    is_checked = _check(body, end, items)
    registers = {code: register for code, register in _registers(items) if register is not None}
    if not registers and not any(code.startswith("0-") for code in items):
        reject(QuarantineReason.SCHEMA, "the telegram holds no register")
    time_ms = time_of(items["0-0:1.0.0"][0]) if "0-0:1.0.0" in items else 0
    media = _media(items)
    return Telegram(
        _serial(items),
        time_ms,
        registers,
        tuple(_sub_meters(items, media)),
        0 if is_checked else STATUS_UNCHECKED,
        media=tuple(media.values()),
    )


def time_of(text: str) -> int:
    """Return Unix milliseconds of ``YYMMDDhhmmssX``, 0 where it names no instant."""
    match = _TIME.match(text)
    if match is None:
        return 0
    try:
        local = datetime.strptime(match[1], "%y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return 0
    return int(local.timestamp()) * 1000 - (_SUMMER_MS if match[2] == "S" else _STANDARD_MS)


def _check(body: bytes, end: int, items: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a CRC vouches for the telegram."""
    match = _CHECK.match(body, end + 1)
    if match is not None:
        found = int(match[1], 16)
        wanted = crc_arc(body[: end + 1])
        if found != wanted:
            reject(QuarantineReason.CHECKSUM, f"CRC {found:04X}, the telegram has {wanted:04X}")
        return True
    version = next((items[code][0] for code in _VERSIONS if code in items), "")
    if version[:1].isdecimal() and int(version[0]) >= _CHECKED_SINCE:
        reject(QuarantineReason.CHECKSUM, f"no CRC behind !, which version {version} must have")
    return False


def _items(body: bytes) -> Items:
    """Return the groups in parentheses of each OBIS code."""
    items: Items = {}
    # a gas value of DSMR 2 and 3 stands on a line of its own, below its code
    text = body.decode("latin-1").replace("\r\n(", "(").replace("\n(", "(")
    for line in text.splitlines()[1:]:
        match = _ITEM.match(line.strip())
        if match is None:
            continue  # an empty line, or a maker's own remark
        code = f"{match[1] or '1-0'}:{match[2]}"
        if code in items and items[code] != _GROUP.findall(match[3]):
            reject(QuarantineReason.SCHEMA, f"{code} comes twice, with two values")
        if len(items) >= MAX_REGISTERS:
            reject(QuarantineReason.TOO_LARGE, f"more than {MAX_REGISTERS} lines")
        items[code] = _GROUP.findall(match[3])
    return items


def _registers(items: Items) -> Iterator[tuple[str, Register | None]]:
    for code, groups in items.items():
        if len(groups) == 1 and code.startswith("1-"):
            yield code, _measured(groups[0])


def _measured(text: str) -> Register | None:
    match = _MEASURED.match(text)
    return None if match is None else Register(Decimal(match[1]), match[2])


def _media(items: Items) -> Mapping[int, int]:
    """Return what each channel says that its meter measures, whether or not it has a reading."""
    kinds = ((channel, items.get(f"0-{channel}:24.1.0", [""])[0]) for channel in _MBUS_CHANNELS)
    return {
        channel: int(kind) % 1000
        for channel, kind in kinds
        if kind.isascii() and kind.isdecimal() and len(kind) <= _KIND_DIGITS
    }


def _sub_meters(items: Items, media: Mapping[int, int]) -> Iterator[SubMeter]:
    for channel, medium in media.items():
        stem = f"0-{channel}"
        found = _sub_reading(items, stem)
        if found is None:
            continue
        serial = next(
            (items[f"{stem}:96.1.{n}"][0] for n in (0, 1) if f"{stem}:96.1.{n}" in items), ""
        )
        yield SubMeter(channel, medium, _text(serial), *found)


def _sub_reading(items: Items, stem: str) -> tuple[int, Register] | None:
    """Return time and register of a channel; 24.2.3 is the Belgian one at base conditions."""
    for code in (f"{stem}:24.2.1", f"{stem}:24.2.3"):
        groups = items.get(code, ())
        if len(groups) == 2:  # noqa: PLR2004  # time, value
            time_ms, register = time_of(groups[0]), _measured(groups[1])
            if time_ms and register is not None:
                return time_ms, register
    return None


def _serial(items: Items) -> str:
    return next((_text(items[code][0]) for code in _SERIALS if items.get(code, [""])[0]), "")


def _text(text: str) -> str:
    """Return a serial number; DSMR writes its characters as hexadecimal numbers."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return text[:64]
    if raw.isascii() and raw.decode("ascii").isprintable() and raw:
        return raw.decode("ascii")
    return _address(raw) or text[:64]


def _address(raw: bytes) -> str:
    """Return the M-Bus address of a meter as its maker writes it, "" where it is none.

    EN 13757-3: number in BCD and maker, lowest byte first, then version and medium. A maker has
    three letters of five bits, A is 1.
    """
    number, maker = raw[3::-1].hex(), int.from_bytes(raw[4:6], "little")
    letters = [chr(64 + (maker >> shift & 0x1F)) for shift in (10, 5, 0)]
    if len(raw) != _ADDRESS_BYTES or not number.isdecimal() or maker >> 15:
        return ""
    return f"{''.join(letters)}{number}" if all(map(str.isalpha, letters)) else ""
