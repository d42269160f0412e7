"""Just enough MQTT 3.1.1 for a device: packets out, frames in. No socket, no clock.

Written from the standard and not from the gateway's codec, so that a mistake in one of them
shows when they meet.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP = 0x20, 0x30, 0x40, 0x90, 0xD0
PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"
_HEAD_BYTES = 5  # first byte and a length of at most four
MAX_FRAME_BYTES = 1 << 16  # receipts and commands are small: a larger frame is not for us


class WireError(Exception):
    """The peer sent what is not MQTT, or more than a device can take."""


class Will(NamedTuple):
    """What the broker says in our name once the connection is lost."""

    topic: str
    payload: bytes


class Login(NamedTuple):
    """Who we are; no user name means anonymous."""

    client_id: str
    username: str | None = None
    password: str | None = None


class Frame(NamedTuple):
    """One packet from the peer: first byte and everything after the length."""

    head: int
    body: bytes


def text(value: str | bytes) -> bytes:
    """Return a length-prefixed string."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(raw)) + raw


def packet(head: int, body: bytes) -> bytes:
    """Return a packet: first byte, length in base 128, body."""
    size, length = len(body), bytearray()
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | 0x80 if size else digit)
        if not size:
            return bytes([head]) + bytes(length) + body


def connect(login: Login, keepalive_s: int, will: Will | None = None) -> bytes:
    """Return a CONNECT with a clean session: the device's own memory is its session."""
    flags, body = 0x02, text(login.client_id)
    if will is not None:
        flags |= 0x04 | 0x08 | 0x20  # will, at QoS 1, retained
        body += text(will.topic) + text(will.payload)
    if login.username is not None:
        flags |= 0x80
        body += text(login.username)
        if login.password is not None:
            flags |= 0x40
            body += text(login.password)
    return packet(0x10, text("MQTT") + struct.pack(">BBH", 4, flags, keepalive_s) + body)


def publish(topic: str, payload: bytes, packet_id: int, *, retain: bool = False) -> bytes:
    """Return a PUBLISH at QoS 1."""
    return packet(0x32 | retain, text(topic) + struct.pack(">H", packet_id) + payload)


def subscribe(packet_id: int, *filters: str) -> bytes:
    """Return a SUBSCRIBE at QoS 0: receipts are repeated, so a lost one does no harm."""
    wanted = b"".join(text(topic_filter) + b"\x00" for topic_filter in filters)
    return packet(0x82, struct.pack(">H", packet_id) + wanted)


def parse_publish(frame: Frame) -> tuple[str, bytes]:
    """Return topic and payload of a PUBLISH that came in at QoS 0 or 1.

    Raises:
        WireError: it is not one.
    """
    try:
        (size,) = struct.unpack_from(">H", frame.body)
        topic = frame.body[2 : 2 + size].decode()
    except (struct.error, UnicodeDecodeError) as error:
        raise WireError("PUBLISH without a topic") from error
    return topic, frame.body[2 + size + (2 if frame.head & 0x06 else 0) :]


class Reader:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield each frame that ``data`` completes.

        Raises:
            WireError: a frame is larger than ``MAX_FRAME_BYTES``.
        """
        self._rest += data
        while (ends := self._ends()) is not None:
            start, end = ends
            frame = Frame(self._rest[0], self._rest[start:end])
            self._rest = self._rest[end:]
            yield frame

    def _ends(self) -> tuple[int, int] | None:
        size = 0
        for place in range(1, min(_HEAD_BYTES, len(self._rest))):
            size |= (self._rest[place] & 0x7F) << 7 * (place - 1)
            if size > MAX_FRAME_BYTES:
                raise WireError(f"frame of {size} bytes")
            if not self._rest[place] & 0x80:
                end = place + 1 + size
                return (place + 1, end) if end <= len(self._rest) else None
        if len(self._rest) >= _HEAD_BYTES:
            raise WireError("length of more than four bytes")
        return None
