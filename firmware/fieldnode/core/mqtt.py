"""MQTT 5 for a node, without any input or output: bytes in, events out, one write per packet.

Only what a node needs: it publishes at QoS 1, subscribes, and answers. Each packet leaves as one
piece: written in two, Nagle's algorithm and a delayed ACK cost 40 ms each (firmware.md §1.5:
22 messages a second instead of 45,000). The ring is the memory of what is under way, so a
connection starts clean and a session that the server kept all the same is accepted.
Numbers in comments: sections of the OASIS standard MQTT 5.0.
"""

import struct

from fieldnode.core import properties, varint

if False:  # for the type checker
    from typing import Any

# Kinds of events that ``feed`` returns, each a tuple that begins with one of these.
CONNECTED = 1  # session present
DELIVERED = 2  # token: PUBACK with reason 0
REFUSED = 3  # token, reason: PUBACK with 0x10 (nobody has subscribed) or an error
MESSAGE = 4  # topic, payload, whether retained
SUBSCRIBED = 5  # granted QoS or a reason of 0x80 and more for each filter

MALFORMED, PROTOCOL, TIMEOUT, TOO_LARGE, NO_QOS = (
    0x81,
    0x82,
    0x8D,
    0x95,
    0x9B,
)  # reasons of MqttError

WINDOW = 8  # PUBLISHes under way; more needs memory and wins nothing (firmware.md §5.2)
_MAX_PACKET = 2048  # we tell the server: longer ones it keeps to itself (§3.1.2.11.4)
_RECEIVE_MAX = 4  # QoS 1 messages at once that the server may send us


class MqttError(Exception):
    """The connection is of no use any more; ``code`` is an MQTT 5 reason code."""

    def __init__(self, code: int) -> None:
        super().__init__("MQTT 0x%02x" % code)
        self.code = code


class Session:
    """One connection.

    Args:
        client_id: the node's name.
        keepalive_s: how soon the server notices that the node is gone: 1.5 times this.
        user: user name, or None.
        password: password, or None.
        will: topic and payload that the server publishes, retained at QoS 1, when it is cut off.
    """

    def __init__(
        self,
        client_id: str,
        keepalive_s: int = 60,
        user: "str | None" = None,
        password: "str | None" = None,
        will: "tuple[bytes, bytes] | None" = None,
    ) -> None:
        self._hello: "Any" = (client_id, user, password, will)
        self.keepalive_s = keepalive_s
        self._own_window = self.window = WINDOW
        self.is_up = False
        self.buffer = bytearray(0)  # where PUBLISHes are built; one lasts until the next one
        self._max_packet = 1 << 28  # what the server takes (§3.2.2.3.6)
        self._keeps_retained = True
        self._waiting: "dict[int, object]" = {}  # packet id → token
        self._id = 0
        self._tail = b""
        self._has_sent = self._has_heard = True
        self._is_pinged = False
        self._sent_ms = self._heard_ms = 0
        self.replies = b""  # what ``feed`` wants written; the caller takes and clears it

    def limit(self, window: int) -> None:
        """Have at most so many PUBLISHes under way, whatever the server allows."""
        self._own_window = self.window = window

    def connect(self) -> bytes:
        """Return the CONNECT, once."""
        client_id, user, password, will = self._hello
        self._hello = None
        flags = 2 | (will is not None and 0x2C) | (user is not None) << 7
        flags |= (password is not None) << 6
        body = b"\0\4MQTT\5" + struct.pack(
            ">BHBBHBI", flags, self.keepalive_s, 8, 0x21, _RECEIVE_MAX, 0x27, _MAX_PACKET
        )
        body += _text(client_id.encode())
        if will is not None:
            body += b"\0" + _text(will[0]) + _text(will[1])
        for credential in (user, password):
            if credential is not None:
                body += _text(credential.encode())
        return self._packet(0x10, body)

    def subscribe(self, filters: "list[bytes]") -> bytes:
        """Return a SUBSCRIBE at QoS 0: receipts, commands and configuration repeat themselves."""
        body = struct.pack(">H", self._next_id()) + b"\0"
        for one in filters:
            body += _text(one) + b"\0"
        return self._packet(0x82, body)

    def has_room(self) -> bool:
        """Return whether ``publish`` would give a packet."""
        return self.is_up and len(self._waiting) < self.window

    def publish(
        self, topic: bytes, payload: bytes, token: object, retain: bool = False, dup: bool = False
    ) -> "memoryview | None":
        """Return a PUBLISH at QoS 1; None where the window is full or nobody is there.

        ``token`` comes back with DELIVERED or REFUSED.

        Raises:
            ValueError: longer than the server takes.
        """
        if not self.has_room():
            return None
        first = 0x32 | (retain and self._keeps_retained) | dup << 3
        size = 5 + len(topic) + len(payload)
        if size + 5 > self._max_packet:
            raise ValueError("packet")
        number = self._next_id()
        out = self.buffer if size + 5 <= len(self.buffer) else bytearray(size + 5)
        out[0] = first
        at = varint.put(out, 1, size)
        struct.pack_into(">H", out, at, len(topic))
        at += 2
        out[at : at + len(topic)] = topic
        at += len(topic)
        struct.pack_into(">H", out, at, number)
        out[at + 2] = 0  # no properties
        at += 3
        out[at : at + len(payload)] = payload
        self._waiting[number] = token
        self._has_sent = True
        return memoryview(out)[: at + len(payload)]

    def disconnect(self) -> bytes:
        """Return the DISCONNECT of a planned end: the will is dropped."""
        self.is_up = False
        return self._packet(0xE0, b"")

    def tick(self, now_ms: int) -> "bytes | None":
        """Return a PINGREQ where one is due; call it every second or so with the uptime.

        Raises:
            MqttError: (TIMEOUT) nothing was heard for half a keepalive after it was due.
        """
        if self._has_heard:
            self._heard_ms = now_ms
            self._has_heard = self._is_pinged = False
        if self._has_sent:
            self._sent_ms = now_ms
            self._has_sent = False
        half_ms = self.keepalive_s * 500
        silent_ms = now_ms - self._heard_ms
        if half_ms and silent_ms > half_ms * (3 if self.is_up else 1):
            raise MqttError(TIMEOUT)
        is_due = silent_ms >= half_ms and not self._is_pinged
        if half_ms and self.is_up and (is_due or now_ms - self._sent_ms >= half_ms):
            self._is_pinged = True
            self._sent_ms = now_ms
            return b"\xc0\0"
        return None

    def waiting(self) -> "list[object]":
        """Return the tokens without an answer: after the connection ended, not delivered."""
        return list(self._waiting.values())

    def feed(self, data: bytes) -> "list[tuple]":  # type: ignore[type-arg]
        """Return the events that ``data`` completes; ``replies`` is to be written then.

        Raises:
            MqttError: the server refused the connection, ended it, or broke the protocol.
        """
        self._has_heard = True
        data = self._tail + data if self._tail else data
        events: "list[tuple]" = []  # type: ignore[type-arg]
        at = 0
        code = -1
        try:
            while True:
                body, end = self._frame(data, at)
                if not end:
                    break
                event = self._read(data[at], memoryview(data)[body:end])
                at = end
                if event:
                    events.append(event)
        except MqttError as error:
            code = error.code
        except (ValueError, IndexError):
            code = MALFORMED
        self._tail = data[at:]
        if code >= 0 and not events:  # else the next call comes to it again
            raise MqttError(code)
        return events

    def _frame(self, data: bytes, at: int) -> "tuple[int, int]":
        """Return where the body of the packet at ``at`` begins and ends; 0: not all is there."""
        end = len(data)
        body = at + 1
        while body < end and data[body] & 128 and body < at + 4:
            body += 1
        if body >= end:
            return 0, 0
        size, body = varint.get(data, at + 1, body + 1)
        if body + size - at > _MAX_PACKET:
            raise MqttError(TOO_LARGE)
        return body, body + size if body + size <= end else 0

    def _read(self, first: int, body: memoryview) -> "tuple | None":  # type: ignore[type-arg]
        kind = first >> 4
        if not self.is_up:
            if kind != 2:
                raise MqttError(PROTOCOL)
            return self._connack(body)
        if kind == 4:
            return self._puback(body)
        if kind == 3:
            return self._message(first, body)
        if kind == 9:
            return SUBSCRIBED, bytes(body[properties.read(body, 2) :])
        if kind == 14:
            raise MqttError(body[0] if body else 0)
        if kind != 13:
            raise MqttError(PROTOCOL)
        return None

    def _connack(self, body: memoryview) -> "tuple":  # type: ignore[type-arg]
        if body[1]:
            raise MqttError(body[1])
        properties.read(body, 2, self._learn)
        self.is_up = True
        return CONNECTED, body[0] & 1

    def _puback(self, body: memoryview) -> "tuple | None":  # type: ignore[type-arg]
        number = body[0] << 8 | body[1]
        if number not in self._waiting:
            return None
        token = self._waiting.pop(number)
        reason = body[2] if len(body) > 2 else 0
        return (REFUSED, token, reason) if reason else (DELIVERED, token)

    def _message(self, first: int, body: memoryview) -> "tuple":  # type: ignore[type-arg]
        at = 2 + (body[0] << 8 | body[1])
        topic = bytes(body[2:at])
        if first & 4:
            raise MqttError(NO_QOS)
        if first & 2:
            self.replies += b"\x40\2" + bytes(body[at : at + 2])
            self._has_sent = True
            at += 2
        return MESSAGE, topic, bytes(body[properties.read(body, at) :]), first & 1

    def _learn(self, name: int, value: int) -> None:
        """Note what the server said of itself in its CONNACK (§3.2.2.3)."""
        if name == 0x13:
            self.keepalive_s = value
        elif name == 0x21:
            self.window = min(self._own_window, value)
        elif name == 0x24 and not value:
            raise MqttError(NO_QOS)
        elif name == 0x25:
            self._keeps_retained = bool(value)
        elif name == 0x27:
            self._max_packet = value

    def _next_id(self) -> int:
        while True:
            self._id = self._id % 65535 + 1
            if self._id not in self._waiting:
                return self._id

    def _packet(self, first: int, body: bytes) -> bytes:
        head = bytearray(5)
        head[0] = first
        self._has_sent = True
        return bytes(head[: varint.put(head, 1, len(body))]) + body


def _text(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data
