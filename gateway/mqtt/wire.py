"""Primitive types of MQTT (§1.5): integers, strings and the bounded cursor that reads them."""

from gateway.errors import ProtocolError
from gateway.mqtt.codes import Code

MAX_VARINT = 268_435_455
_VARINT_BYTES = 4
_MAX_STRING_BYTES = 65_535


def varint(value: int) -> bytes:
    """Return a variable byte integer."""
    if value < 128:  # noqa: PLR2004  # seven bits a byte
        return bytes((value,))
    if value > MAX_VARINT:
        raise ValueError(f"{value} does not fit a variable byte integer")
    out = bytearray()
    while value > 127:  # noqa: PLR2004  # seven bits a byte
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def binary(value: bytes) -> bytes:
    """Return bytes with their two-byte length in front."""
    if len(value) > _MAX_STRING_BYTES:
        raise ValueError(f"{len(value)} bytes are more than an MQTT string holds")
    return len(value).to_bytes(2, "big") + value


def text(value: str) -> bytes:
    """Return UTF-8 text with its two-byte length in front."""
    if "\0" in value:
        raise ValueError("MQTT text holds no NUL")
    return binary(value.encode())


def decode_text(raw: bytes) -> str:
    """Return text, refusing what is not UTF-8 (surrogates too) and NUL (MQTT-1.5.4)."""
    try:
        value = raw.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError("text is not UTF-8", Code.MALFORMED) from error
    if "\0" in value:
        raise ProtocolError("NUL in text", Code.MALFORMED)
    return value


def check_topic(topic: bytes) -> None:
    """Refuse what cannot be a topic name: empty, not UTF-8, NUL, wildcards."""
    decode_text(topic)
    if not topic:
        raise ProtocolError("empty topic name", Code.PROTOCOL_ERROR)
    if b"+" in topic or b"#" in topic:
        raise ProtocolError("wildcard in a topic name", Code.TOPIC_INVALID)


def check_filter(topic_filter: str) -> None:
    """Refuse what cannot be a topic filter (§4.7.1), shared subscriptions (§4.8.2) included."""
    levels = topic_filter.split("/")
    if levels[0] == "$share":
        if len(levels) < 3 or not levels[1] or set(levels[1]) & {"+", "#"}:  # noqa: PLR2004
            raise ProtocolError("malformed shared subscription", Code.FILTER_INVALID)
        levels = levels[2:]
    is_good = levels != [""] and all(
        level in {"+", "#"} or not set(level) & {"+", "#"} for level in levels
    )
    if not is_good or "#" in levels[:-1]:
        raise ProtocolError("malformed topic filter", Code.FILTER_INVALID)


class Reader:
    """A cursor over one packet's body that never looks past its end."""

    __slots__ = ("_at", "_data", "_stop")

    def __init__(self, data: bytes, at: int, stop: int) -> None:
        self._data = data
        self._at = at
        self._stop = stop

    @property
    def left(self) -> int:
        """How many bytes are not yet read."""
        return self._stop - self._at

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes."""
        at = self._at
        if size > self._stop - at:
            raise ProtocolError("packet ends too early", Code.MALFORMED)
        self._at = at + size
        return self._data[at : at + size]

    def rest(self) -> bytes:
        """Return everything that is left."""
        return self.take(self.left)

    def part(self, size: int) -> "Reader":
        """Return a cursor over the next ``size`` bytes and step over them."""
        at = self._at
        self.take(size)
        return Reader(self._data, at, at + size)

    def u8(self) -> int:
        """Return one byte."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Return two bytes, big endian."""
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        """Return four bytes, big endian."""
        return int.from_bytes(self.take(4), "big")

    def varint(self) -> int:
        """Return a variable byte integer; longer forms than needed are refused (MQTT-1.5.5-1)."""
        value = 0
        for index in range(_VARINT_BYTES):
            byte = self.u8()
            value |= (byte & 127) << (7 * index)
            if byte < 128:  # noqa: PLR2004  # no continuation bit
                if index and not byte:
                    break
                return value
        raise ProtocolError("malformed variable byte integer", Code.MALFORMED)

    def binary(self) -> bytes:
        """Return bytes with a two-byte length in front."""
        return self.take(self.u16())

    def text(self) -> str:
        """Return UTF-8 text with a two-byte length in front."""
        return decode_text(self.take(self.u16()))

    def packet_id(self) -> int:
        """Return a packet identifier; 0 is none (MQTT-2.2.1-3)."""
        packet_id = self.u16()
        if not packet_id:
            raise ProtocolError("packet identifier 0", Code.PROTOCOL_ERROR)
        return packet_id

    def finish(self) -> None:
        """Refuse bytes that nothing has read."""
        if self.left:
            raise ProtocolError(f"{self.left} bytes too many in a packet", Code.MALFORMED)
