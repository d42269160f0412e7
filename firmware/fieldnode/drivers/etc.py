"""An electronic toll lane: what the tag reader says, joined with the vehicles that pass.

The reader is a TransCore Encompass or MPRX on RS-232 in its error correcting protocol (Encompass 4
Reader System Guide, P/N 412066-012, chapter 6): ``#``, a sequence digit, data, four hex digits of
CRC, CR, LF; the host answers ``#``, the same digit, ``@`` or ``?``, CRC, CR, and what is not
acknowledged comes again with its digit. The data of an ISO 18000-6C tag is its UII in hex; that of
the 6C Toll Operators Coalition (AVI Standard 3.1) has the class of the vehicle. Channel 0 is what
the lane knows vehicles by (light curtain, contact of a loop card), channels 1 and 2 are axle
sensors inside of it, if there are any.

No tag leaves this module: a row has 53 bits of HMAC-SHA256, by the key that the node was given.
Low balance, black lists and manual passages are the back office's: never in these rows.
"""

from hashlib import sha256

from fieldnode.drivers import STATUS_CRITICAL, Driver, number
from fieldnode.drivers.axle import Axles, Presence

OK, NO_TAG, READ_FAILURE = 0, 2, 4  # of the profile's outcomes, those that a lane can know
_SOM, _CR, _LF = 35, 13, 10
_MESSAGE_MAX = 80  # sequence digit, 72 of data, CRC
_TAGS_MAX = 4  # read and not yet claimed by a vehicle
_ROWS_MAX = 16
_KEPT_MS = 10_000  # from the antenna to the light curtain; then the tag went another way
_ALONE_MS = 2000  # without a light curtain: the reader has said it all by then
_AGAIN_MS = 30_000  # who has just passed and is read once more does not pass again
_CLOSED_MS = 5000  # later than any axle of the vehicle
_GAP_MS, _MIN_MS = 300, 200  # of the light curtain: a trailer's bar; something that flies through
_LONGEST_MS = 600_000  # of t_ms
_RETRIES_MAX = 1000

# Class by the vehicle type of a 6C TOC tag, 0…17 (AVI Standard 3.1, after the E-ZPass Group):
# undefined, car, motorcycle, pickup, van, minibus, bus, mobile home, truck, then combinations.
_CLASSES = b"\0\2\1\2\2\3\3\0\4\5\5\5\5\5\5\5\0\5"
_TOC = 0x3E  # data storage format identifier of the coalition


def crc_of(text: "bytes | memoryview") -> int:
    """Return the reader's CRC: remainder of the text by x^16 + x^12 + x^5 + 1, from zero.

    Unlike XMODEM's no 16 zero bits follow the text. By nibbles, and without a table: below 16
    the multiples of 0x1021 do not overlap.
    """
    crc = 0
    for byte in text:
        crc = (crc << 4 & 0xFFF0 | byte >> 4) ^ (crc >> 12) * 0x1021
        crc = (crc << 4 & 0xFFF0 | byte & 15) ^ (crc >> 12) * 0x1021
    return crc


def keyed_hash(key: bytes, tag: bytes) -> int:
    """Return the upper 53 bits of HMAC-SHA256 (RFC 2104); MicroPython has no hmac."""
    if len(key) > 64:
        key = sha256(key).digest()
    key += bytes(64 - len(key))
    inner = sha256(bytes([byte ^ 0x36 for byte in key]) + tag).digest()
    outer = sha256(bytes([byte ^ 0x5C for byte in key]) + inner).digest()
    return int.from_bytes(outer[:7], "big") >> 3


def class_declared(tag: bytes) -> int:
    """Return the class of the vehicle that a tag was issued for, 0 where it does not say."""
    if len(tag) == 28:  # the protocol control word before it
        tag = tag[4:]
    try:
        bits = int(tag, 16) if len(tag) == 24 else 0
    except ValueError:
        return 0
    is_assigned = bits >> 88 == _TOC and bits >> 74 & 1  # bit 21 of 96, the type in 22…26
    kind = bits >> 69 & 31
    return _CLASSES[kind] if is_assigned and kind < len(_CLASSES) else 0


class _Tag:
    """A tag in the lane."""

    def __init__(self, text: bytes, now_ms: int, retries: int) -> None:
        self.text = text
        self.first_ms = self.last_ms = now_ms
        self.retries = retries


class _Axled:
    """Takes what ``Axles`` finds in one vehicle (drivers/lane.py has the other taker)."""

    count = 0

    def __init__(self) -> None:
        self._kinds: "list[int]" = []

    def covered(self, duration_us: int) -> None:
        """Take the time on the sensors: of no use here."""

    def passed(
        self,
        rear_ms: int,
        duration_ms: "int | None",
        speed: "int | None" = None,
        length_dm: "int | None" = None,
        kind: int = 0,
        direction: int = 0,
    ) -> None:
        """Take a class."""
        self._kinds.append(kind)

    def kind(self) -> int:
        """Return the class of the vehicle that has left; 0 where it stood still on the sensors."""
        kinds, self._kinds = self._kinds, []
        return kinds[0] if len(kinds) == 1 else 0


class Etc(Driver):
    """Joins tags and vehicles, oldest first."""

    def __init__(self, options: "dict[str, object]") -> None:
        super().__init__()
        self.line = (number(options, "baud", 9600, 1200, 115_200), 8, None, 1)
        self._key = str(options.get("key", "")).encode()
        self._is_unchecked = bool(options.get("unchecked"))
        self._has_presence = number(options, "presence", 1, 0, 1)
        gap_ms = number(options, "gap_ms", _GAP_MS, 0, 10_000)
        min_ms = number(options, "min_ms", _MIN_MS, 0, 10_000)
        self._presence = Presence(self, gap_ms, min_ms)  # type: ignore[arg-type]
        self._axled = _Axled()
        distance_dm = number(options, "distance_dm", 20, 1, 100)
        self._axles = Axles(self._axled, distance_dm)  # type: ignore[arg-type]
        self._buffer = bytearray(_MESSAGE_MAX)
        self._size = -1  # -1: no message is under way
        self._reply: "bytes | None" = None
        self._before = b""  # the message before: it comes again where our answer was lost
        self._damaged = 0  # messages since the last sound one or vehicle
        self._is_covered = 0  # the light curtain
        self._tags: "list[_Tag]" = []
        self._settled: "_Tag | None" = None
        self._rows: "list[tuple[int, tuple[int | None, ...]]]" = []
        self.count = 0  # Presence's

    def feed(self, data: "bytes | memoryview", uptime_ms: int) -> None:
        """Take in bytes of the reader."""
        for byte in data:
            if byte == _SOM:
                self.errors += self._size > 0  # the one before has lost its end
                self._size = 0
            elif self._size >= 0:
                self._add(byte, uptime_ms)

    def _add(self, byte: int, now_ms: int) -> None:
        if byte in (_CR, _LF):
            text = bytes(memoryview(self._buffer)[: self._size])
            self._size = -1
            if self._is_unchecked:
                self._take_in(text, now_ms)
            else:
                self._check(text, now_ms)
        elif self._size == _MESSAGE_MAX:
            self._size = -1
            self.errors += 1
        else:
            self._buffer[self._size] = byte
            self._size += 1

    def _check(self, text: bytes, now_ms: int) -> None:
        try:
            is_sound = len(text) > 4 and crc_of(text[:-4]) == int(text[-4:], 16)
        except ValueError:
            is_sound = False
        answer = text[:1] + (b"@" if is_sound else b"?")
        self._reply = b"#" + answer + b"%04X\r" % crc_of(answer)
        if not is_sound:
            self.errors += 1
            self._damaged += 1
        elif text != self._before:
            self._before = text
            self._take_in(text[1:-4], now_ms)

    def _take_in(self, text: bytes, now_ms: int) -> None:
        """Take in the data of a message: a tag, or what the reader says of itself."""
        tag = text.split(b"%")[0].split(b"&")[0].strip()
        if tag[:5] == b"Error":
            self.errors += 1
        elif tag and tag != b"Done" and tag[:6] != b"Model ":
            self._read(tag, now_ms)

    def _read(self, tag: bytes, now_ms: int) -> None:
        damaged, self._damaged = self._damaged, 0  # they were this one, which came again
        settled = self._settled
        if settled and settled.text == tag and now_ms - settled.last_ms < _AGAIN_MS:
            settled.last_ms = now_ms
            return
        for one in self._tags:
            if one.text == tag:
                one.last_ms = now_ms
                one.retries = min(one.retries + 1, _RETRIES_MAX)
                return
        if len(self._tags) == _TAGS_MAX:
            self._let_go()
        self._tags.append(_Tag(tag, now_ms, min(damaged, _RETRIES_MAX)))

    def edge(self, channel: int, level: int, uptime_us: int) -> None:
        """Take in an edge of the light curtain (0) or of an axle sensor (1, 2)."""
        if channel:
            self._axles.edge(channel - 1, level, uptime_us)
        else:
            self._is_covered = level
            self._presence.edge(0, level, uptime_us)

    def poll(self, uptime_ms: int) -> "bytes | None":
        """Let go of what has passed, and return the answer to the reader."""
        self._presence.poll(uptime_ms)
        self._axles.poll(uptime_ms)
        # While a vehicle stands in the lane, its tag is read once and waits with it.
        while self._is_old(uptime_ms):
            self._let_go()
        reply, self._reply = self._reply, None
        return reply

    def _let_go(self) -> None:
        """Take the oldest tag as one for which no vehicle comes."""
        tag = self._tags.pop(0)
        if self._has_presence:
            self.errors += 1  # read in the next lane, or the light curtain is blind
        else:
            self._settle(tag.last_ms, tag, None)

    def _is_old(self, now_ms: int) -> bool:
        if not self._tags or self._is_covered:
            return False
        longest_ms = _KEPT_MS if self._has_presence else _ALONE_MS
        return now_ms - self._tags[0].last_ms >= longest_ms

    def covered(self, duration_us: int) -> None:
        """Take the time in the light curtain from ``Presence``: of no use here."""

    def passed(self, rear_ms: int, duration_ms: int) -> None:
        """Take in from ``Presence`` that a vehicle has left."""
        self._axles.poll(rear_ms + _CLOSED_MS)
        front_ms = rear_ms - duration_ms
        while self._tags and self._tags[0].last_ms < front_ms - _KEPT_MS:
            self._let_go()
        self._settle(rear_ms, self._tags.pop(0) if self._tags else None, front_ms)

    def _settle(self, rear_ms: int, tag: "_Tag | None", front_ms: "int | None") -> None:
        measured = self._axled.kind()
        took_ms = None
        if front_ms is not None:
            begin_ms = min(front_ms, tag.first_ms) if tag else front_ms
            took_ms = min(max(rear_ms - begin_ms, 0), _LONGEST_MS)
        if tag:
            self._settled = tag
            hashed = keyed_hash(self._key, tag.text) if self._key else None
            row = (OK, took_ms, class_declared(tag.text), measured, tag.retries, hashed)
        else:
            result = READ_FAILURE if self._damaged else NO_TAG
            row = (result, took_ms, 0, measured, min(self._damaged, _RETRIES_MAX), None)
            self._damaged = 0
        self.telegrams += 1
        if len(self._rows) == _ROWS_MAX:
            self._rows.pop(0)
            self.errors += 1
        self._rows.append((rear_ms, row))

    def take(self, uptime_ms: int) -> "tuple[tuple[int | None, ...], int] | None":
        """Return the next passage; without CRC it is marked suspect."""
        if not self._rows:
            return None
        self.at_ms, row = self._rows.pop(0)
        return row, STATUS_CRITICAL if self._is_unchecked else 0


def make(profile: str, options: "dict[str, object]", registers: "tuple[int, ...]") -> Etc:
    """Options: ``baud`` (9600), ``presence`` (1; 0: every tag is a passage), ``distance_dm`` (20).

    ``gap_ms`` (300) and ``min_ms`` (200) of the light curtain, ``unchecked`` (the reader's basic
    protocol: no CRC, rows are suspect), ``key`` of the tags (``driver_secret``).
    """
    if profile != "etc1":
        raise ValueError("profile")
    return Etc(options)
