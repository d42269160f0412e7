"""Packets to bytes, for both roles."""

from collections.abc import Callable, Iterable, Sequence
from struct import pack
from typing import Any

from gateway.mqtt.codes import V5, Code, PacketType
from gateway.mqtt.packets import (
    FLAG_DUP,
    FLAG_QOS1,
    FLAG_QOS2,
    FLAG_RETAIN,
    Ack,
    Auth,
    ConnAck,
    Connect,
    Disconnect,
    Packet,
    PingReq,
    PingResp,
    Publish,
    SubAck,
    Subscribe,
    UnsubAck,
    Unsubscribe,
)
from gateway.mqtt.properties import NO_PROPERTIES, Properties, write_properties
from gateway.mqtt.wire import binary, text, varint

# An acknowledgement that all is well is four bytes in both versions: type and flags, length 2,
# packet id. As a number it is one of these plus the id, so a thousand of them are one ``pack``.
PUBACK_WORD = 0x4002_0000
PUBREC_WORD = 0x5002_0000
PUBCOMP_WORD = 0x7002_0000


def pack_acks(words: Sequence[int]) -> bytes:
    """Return acknowledgements given as ``PUBACK_WORD + packet_id`` and the like."""
    return pack(f">{len(words)}I", *words)


def encode_pubacks(packet_ids: Iterable[int]) -> bytes:
    """Return one successful PUBACK for each id, in order."""
    return pack_acks([PUBACK_WORD + packet_id for packet_id in packet_ids])


def encode_publish(publish: Publish, version: int, properties: Properties = NO_PROPERTIES) -> bytes:
    """Return a PUBLISH; topic and id are the caller's to have right."""
    packet_id, flags, topic, payload = publish
    variable = binary(topic)
    if flags & (FLAG_QOS1 | FLAG_QOS2):
        variable += packet_id.to_bytes(2, "big")
    if version == V5:
        variable += write_properties(properties) if properties else b"\0"
    return b"".join(
        (
            bytes((0x30 | flags,)),
            varint(len(variable) + len(payload)),
            variable,
            payload,
        )
    )


def publish_flags(qos: int, *, retain: bool = False, dup: bool = False) -> int:
    """Return the flags of a PUBLISH tuple."""
    return qos << 1 | (FLAG_RETAIN if retain else 0) | (FLAG_DUP if dup else 0)


def encode(packet: Packet, version: int) -> bytes:
    """Return a control packet as bytes of the given protocol version."""
    first, write = _WRITE[type(packet)]
    body = write(packet, version)
    if isinstance(packet, Ack):
        first = packet.kind << 4 | (2 if packet.kind is PacketType.PUBREL else 0)
    return bytes((first,)) + varint(len(body)) + body


def _properties(properties: Properties, version: int) -> bytes:
    return write_properties(properties) if version == V5 else b""


def _outcome(code: int, properties: Properties, version: int) -> bytes:
    """Return code and properties, as short as the specification allows."""
    if version != V5 or (code == Code.SUCCESS and not properties):
        return b""
    return bytes((code,)) + (write_properties(properties) if properties else b"")


def _connect(packet: Connect, version: int) -> bytes:
    will = packet.will
    flags = (packet.clean_start << 1) | (packet.username is not None) << 7
    flags |= (packet.password is not None) << 6
    tail = text(packet.client_id)
    if will is not None:
        flags |= 4 | will.qos << 3 | will.retain << 5
        tail += _properties(will.properties, version) + binary(will.topic) + binary(will.payload)
    if packet.username is not None:
        tail += text(packet.username)
    if packet.password is not None:
        tail += binary(packet.password)
    head = b"\0\x04MQTT" + bytes((version, flags)) + packet.keepalive_s.to_bytes(2, "big")
    return head + _properties(packet.properties, version) + tail


def _connack(packet: ConnAck, version: int) -> bytes:
    head = bytes((packet.session_present, packet.code))
    return head + _properties(packet.properties, version)


def _ack(packet: Ack, version: int) -> bytes:
    return packet.packet_id.to_bytes(2, "big") + _outcome(packet.code, packet.properties, version)


def _subscribe(packet: Subscribe, version: int) -> bytes:
    return b"".join(
        (
            packet.packet_id.to_bytes(2, "big"),
            _properties(packet.properties, version),
            *(text(name) + bytes((options,)) for name, options in packet.subscriptions),
        )
    )


def _suback(packet: SubAck, version: int) -> bytes:
    head = packet.packet_id.to_bytes(2, "big")
    return head + _properties(packet.properties, version) + bytes(packet.codes)


def _unsubscribe(packet: Unsubscribe, version: int) -> bytes:
    head = packet.packet_id.to_bytes(2, "big") + _properties(packet.properties, version)
    return head + b"".join(map(text, packet.filters))


def _unsuback(packet: UnsubAck, version: int) -> bytes:
    head = packet.packet_id.to_bytes(2, "big")
    if version != V5:
        return head
    return head + write_properties(packet.properties) + bytes(packet.codes)


def _bare(_packet: PingReq | PingResp, _version: int) -> bytes:
    return b""


def _goodbye(packet: Disconnect | Auth, version: int) -> bytes:
    return _outcome(packet.code, packet.properties, version)


# Each function takes exactly the class it stands beside; ``Any`` because a dict cannot say so.
_WRITE: dict[type, tuple[int, Callable[[Any, int], bytes]]] = {
    Connect: (0x10, _connect),
    ConnAck: (0x20, _connack),
    Ack: (0, _ack),
    Subscribe: (0x82, _subscribe),
    SubAck: (0x90, _suback),
    Unsubscribe: (0xA2, _unsubscribe),
    UnsubAck: (0xB0, _unsuback),
    PingReq: (0xC0, _bare),
    PingResp: (0xD0, _bare),
    Disconnect: (0xE0, _goodbye),
    Auth: (0xF0, _goodbye),
}
