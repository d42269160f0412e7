"""Bodies of control packets other than PUBLISH: bytes to values, strictly."""

from collections.abc import Callable

from gateway.errors import ProtocolError
from gateway.mqtt.codes import ALLOWED_CODES, CONNACK_V311_LAST, V5, V311, Code, PacketType
from gateway.mqtt.packets import (
    Ack,
    Auth,
    ConnAck,
    Connect,
    Disconnect,
    Packet,
    PingReq,
    PingResp,
    SubAck,
    Subscribe,
    Subscription,
    UnsubAck,
    Unsubscribe,
    Will,
)
from gateway.mqtt.properties import NO_PROPERTIES, WILL, Properties, read_properties
from gateway.mqtt.wire import Reader, check_filter, check_topic

_QOS_MAX = 2
_SUBACK_FAILURE_V311 = 0x80


def read_version(reader: Reader) -> int:
    """Return the protocol level at the start of a CONNECT.

    Raises:
        ProtocolError: not MQTT (malformed), or a version we do not speak (0x84).
    """
    name, level = reader.binary(), reader.u8()
    if name not in {b"MQTT", b"MQIsdp"}:
        raise ProtocolError("not an MQTT CONNECT", Code.UNSUPPORTED_VERSION)
    if name != b"MQTT" or level not in {V311, V5}:
        raise ProtocolError(f"MQTT protocol level {level}", Code.UNSUPPORTED_VERSION)
    return level


def read_connect(reader: Reader, version: int) -> Connect:
    """Read a CONNECT behind its protocol level."""
    flags = reader.u8()
    if flags & 1:
        raise ProtocolError("reserved CONNECT flag", Code.MALFORMED)
    has_username, has_password = bool(flags & 128), bool(flags & 64)
    if has_password and not has_username and version == V311:
        raise ProtocolError("password without user name", Code.MALFORMED)
    keepalive_s = reader.u16()
    properties = _properties(reader, version, PacketType.CONNECT)
    client_id = reader.text()
    will = _read_will(reader, flags, version)
    return Connect(
        version,
        client_id,
        clean_start=bool(flags & 2),
        keepalive_s=keepalive_s,
        username=reader.text() if has_username else None,
        password=reader.binary() if has_password else None,
        will=will,
        properties=properties,
    )


def _read_will(reader: Reader, flags: int, version: int) -> Will | None:
    qos = flags >> 3 & 3
    if not flags & 4:
        if flags & 0x38:
            raise ProtocolError("will flags without a will", Code.MALFORMED)
        return None
    if qos > _QOS_MAX:
        raise ProtocolError("will QoS 3", Code.MALFORMED)
    properties = _properties(reader, version, WILL)
    topic = reader.binary()
    check_topic(topic)
    return Will(topic, reader.binary(), qos, bool(flags & 32), properties)


def _read_connack(reader: Reader, version: int) -> ConnAck:
    flags, code = reader.u8(), reader.u8()
    if flags > 1:
        raise ProtocolError("reserved CONNACK flag", Code.MALFORMED)
    if version == V311 and code > CONNACK_V311_LAST:
        raise ProtocolError(f"CONNACK code {code}", Code.MALFORMED)
    if version == V5:
        _check_code(code, PacketType.CONNACK)
    return ConnAck(code, bool(flags), _properties(reader, version, PacketType.CONNACK))


def _reads_ack(kind: PacketType) -> Callable[[Reader, int], Packet]:
    def read(reader: Reader, version: int) -> Ack:
        packet_id = reader.packet_id()
        code, properties = _read_outcome(reader, version, kind)
        return Ack(kind, packet_id, code, properties)

    return read


def _read_subscribe(reader: Reader, version: int) -> Subscribe:
    packet_id = reader.packet_id()
    properties = _properties(reader, version, PacketType.SUBSCRIBE)
    reserved = 0xC0 if version == V5 else 0xFC
    subscriptions = []
    while reader.left:
        one = Subscription(reader.text(), reader.u8())
        check_filter(one.topic_filter)
        if one.options & reserved or one.qos > _QOS_MAX or one.retain_handling > 2:  # noqa: PLR2004
            raise ProtocolError("reserved subscription options", Code.MALFORMED)
        if one.is_no_local and one.topic_filter.startswith("$share/"):
            raise ProtocolError("no-local on a shared subscription", Code.PROTOCOL_ERROR)
        subscriptions.append(one)
    if not subscriptions:
        raise ProtocolError("SUBSCRIBE without a filter", Code.PROTOCOL_ERROR)
    return Subscribe(packet_id, tuple(subscriptions), properties)


def _read_suback(reader: Reader, version: int) -> SubAck:
    packet_id = reader.packet_id()
    properties = _properties(reader, version, PacketType.SUBACK)
    codes = tuple(reader.rest())
    for code in codes:
        if version == V5:
            _check_code(code, PacketType.SUBACK)
        elif code > _QOS_MAX and code != _SUBACK_FAILURE_V311:
            raise ProtocolError(f"SUBACK code {code}", Code.MALFORMED)
    if not codes:
        raise ProtocolError("SUBACK without a code", Code.PROTOCOL_ERROR)
    return SubAck(packet_id, codes, properties)


def _read_unsubscribe(reader: Reader, version: int) -> Unsubscribe:
    packet_id = reader.packet_id()
    properties = _properties(reader, version, PacketType.UNSUBSCRIBE)
    filters = []
    while reader.left:
        filters.append(reader.text())
        check_filter(filters[-1])
    if not filters:
        raise ProtocolError("UNSUBSCRIBE without a filter", Code.PROTOCOL_ERROR)
    return Unsubscribe(packet_id, tuple(filters), properties)


def _read_unsuback(reader: Reader, version: int) -> UnsubAck:
    packet_id = reader.packet_id()
    if version == V311:
        return UnsubAck(packet_id)
    properties = _properties(reader, version, PacketType.UNSUBACK)
    codes = tuple(reader.rest())
    for code in codes:
        _check_code(code, PacketType.UNSUBACK)
    if not codes:
        raise ProtocolError("UNSUBACK without a code", Code.PROTOCOL_ERROR)
    return UnsubAck(packet_id, codes, properties)


def _read_pingreq(_reader: Reader, _version: int) -> PingReq:
    return PingReq()


def _read_pingresp(_reader: Reader, _version: int) -> PingResp:
    return PingResp()


def _read_disconnect(reader: Reader, version: int) -> Disconnect:
    return Disconnect(*_read_outcome(reader, version, PacketType.DISCONNECT))


def _read_auth(reader: Reader, version: int) -> Auth:
    if version != V5:
        raise ProtocolError("AUTH before MQTT 5", Code.PROTOCOL_ERROR)
    return Auth(*_read_outcome(reader, version, PacketType.AUTH))


def _read_outcome(reader: Reader, version: int, kind: PacketType) -> tuple[int, Properties]:
    """Read reason code and properties, both of which may be left out when all went well."""
    if version == V311 or not reader.left:
        return Code.SUCCESS, NO_PROPERTIES
    code = reader.u8()
    _check_code(code, kind)
    return code, read_properties(reader, kind) if reader.left else NO_PROPERTIES


def _check_code(code: int, kind: PacketType) -> None:
    if code not in ALLOWED_CODES[kind]:
        raise ProtocolError(f"reason code 0x{code:02x} in {kind.name}", Code.MALFORMED)


def _properties(reader: Reader, version: int, place: int) -> Properties:
    return read_properties(reader, place) if version == V5 else NO_PROPERTIES


_READ: dict[int, Callable[[Reader, int], Packet]] = {
    PacketType.CONNACK: _read_connack,
    PacketType.PUBACK: _reads_ack(PacketType.PUBACK),
    PacketType.PUBREC: _reads_ack(PacketType.PUBREC),
    PacketType.PUBREL: _reads_ack(PacketType.PUBREL),
    PacketType.PUBCOMP: _reads_ack(PacketType.PUBCOMP),
    PacketType.SUBSCRIBE: _read_subscribe,
    PacketType.SUBACK: _read_suback,
    PacketType.UNSUBSCRIBE: _read_unsubscribe,
    PacketType.UNSUBACK: _read_unsuback,
    PacketType.PINGREQ: _read_pingreq,
    PacketType.PINGRESP: _read_pingresp,
    PacketType.DISCONNECT: _read_disconnect,
    PacketType.AUTH: _read_auth,
}

# PUBREL, SUBSCRIBE and UNSUBSCRIBE carry 0010 in their flags, all others 0000 (table 2-2).
_FLAGS = {PacketType.PUBREL: 2, PacketType.SUBSCRIBE: 2, PacketType.UNSUBSCRIBE: 2}


def read_packet(first: int, reader: Reader, version: int) -> Packet:
    """Return a control packet that is neither CONNECT nor PUBLISH; ``first`` is its first byte."""
    kind = first >> 4
    check_flags(first)
    packet = _READ[kind](reader, version)
    reader.finish()
    return packet


def check_flags(first: int) -> None:
    """Refuse reserved flags in the first byte of a packet (not PUBLISH) and packet type 0."""
    kind = first >> 4
    if not kind or first & 15 != _FLAGS.get(PacketType(kind), 0):
        raise ProtocolError(f"first byte 0x{first:02x}", Code.MALFORMED)
