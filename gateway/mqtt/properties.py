"""MQTT 5 properties (OASIS MQTT 5.0 §2.2.2): one table, read by both directions."""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import NamedTuple

from gateway.errors import ProtocolError
from gateway.mqtt.codes import Code, PacketType
from gateway.mqtt.wire import Reader, binary, text, varint

PropertyValue = int | str | bytes | tuple[tuple[str, str], ...] | tuple[int, ...]
Properties = Mapping["Prop", PropertyValue]
NO_PROPERTIES: Properties = {}


class Prop(IntEnum):
    """Identifiers of table 2-4."""

    PAYLOAD_FORMAT = 0x01
    MESSAGE_EXPIRY_S = 0x02
    CONTENT_TYPE = 0x03
    RESPONSE_TOPIC = 0x08
    CORRELATION_DATA = 0x09
    SUBSCRIPTION_ID = 0x0B
    SESSION_EXPIRY_S = 0x11
    ASSIGNED_CLIENT_ID = 0x12
    SERVER_KEEPALIVE_S = 0x13
    AUTH_METHOD = 0x15
    AUTH_DATA = 0x16
    REQUEST_PROBLEM_INFO = 0x17
    WILL_DELAY_S = 0x18
    REQUEST_RESPONSE_INFO = 0x19
    RESPONSE_INFO = 0x1A
    SERVER_REFERENCE = 0x1C
    REASON_STRING = 0x1F
    RECEIVE_MAXIMUM = 0x21
    TOPIC_ALIAS_MAXIMUM = 0x22
    TOPIC_ALIAS = 0x23
    MAXIMUM_QOS = 0x24
    RETAIN_AVAILABLE = 0x25
    USER_PROPERTY = 0x26
    MAXIMUM_PACKET_BYTES = 0x27
    WILDCARD_AVAILABLE = 0x28
    SUBSCRIPTION_ID_AVAILABLE = 0x29
    SHARED_AVAILABLE = 0x2A


# A will has properties of its own (§3.1.3.2); 0 is no packet type, so it may stand for it.
WILL = 0

_Place = frozenset[int]
_T = PacketType
_MESSAGE: _Place = frozenset({_T.PUBLISH, WILL})
_CONNACK: _Place = frozenset({_T.CONNACK})
_OPENING: _Place = frozenset({_T.CONNECT, _T.CONNACK})
_AUTH: _Place = frozenset({_T.CONNECT, _T.CONNACK, _T.AUTH})
_EVERY: _Place = frozenset({WILL, *_T} - {_T.PINGREQ, _T.PINGRESP})
_REASON: _Place = _EVERY - {WILL, _T.CONNECT, _T.PUBLISH, _T.SUBSCRIBE, _T.UNSUBSCRIBE}


class _Kind(NamedTuple):
    """How a type of value is read and written, and which range of it is allowed."""

    read: Callable[[Reader], int | str | bytes]
    write: Callable[[int | str | bytes], bytes]
    low: int = 0
    high: int = 0xFFFFFFFF


def _write_int(size: int) -> Callable[[int | str | bytes], bytes]:
    return lambda value: int(value).to_bytes(size, "big")


def _write_varint(value: int | str | bytes) -> bytes:
    return varint(int(value))


def _write_text(value: int | str | bytes) -> bytes:
    return text(str(value))


def _write_binary(value: int | str | bytes) -> bytes:
    return binary(value if isinstance(value, bytes) else str(value).encode())


_FLAG = _Kind(Reader.u8, _write_int(1), high=1)
_U16 = _Kind(Reader.u16, _write_int(2))
_U16_FROM_1 = _Kind(Reader.u16, _write_int(2), low=1)
_U32 = _Kind(Reader.u32, _write_int(4))
_U32_FROM_1 = _Kind(Reader.u32, _write_int(4), low=1)
_VARINT = _Kind(Reader.varint, _write_varint, low=1)
_TEXT = _Kind(Reader.text, _write_text)
_BINARY = _Kind(Reader.binary, _write_binary)

_TABLE: dict[int, tuple[Prop, _Kind, _Place]] = {
    prop: (prop, kind, place)
    for prop, kind, place in (
        (Prop.PAYLOAD_FORMAT, _FLAG, _MESSAGE),
        (Prop.MESSAGE_EXPIRY_S, _U32, _MESSAGE),
        (Prop.CONTENT_TYPE, _TEXT, _MESSAGE),
        (Prop.RESPONSE_TOPIC, _TEXT, _MESSAGE),
        (Prop.CORRELATION_DATA, _BINARY, _MESSAGE),
        (Prop.SUBSCRIPTION_ID, _VARINT, frozenset({_T.PUBLISH, _T.SUBSCRIBE})),
        (Prop.SESSION_EXPIRY_S, _U32, _OPENING | {_T.DISCONNECT}),
        (Prop.ASSIGNED_CLIENT_ID, _TEXT, _CONNACK),
        (Prop.SERVER_KEEPALIVE_S, _U16, _CONNACK),
        (Prop.AUTH_METHOD, _TEXT, _AUTH),
        (Prop.AUTH_DATA, _BINARY, _AUTH),
        (Prop.REQUEST_PROBLEM_INFO, _FLAG, frozenset({_T.CONNECT})),
        (Prop.WILL_DELAY_S, _U32, frozenset({WILL})),
        (Prop.REQUEST_RESPONSE_INFO, _FLAG, frozenset({_T.CONNECT})),
        (Prop.RESPONSE_INFO, _TEXT, _CONNACK),
        (Prop.SERVER_REFERENCE, _TEXT, frozenset({_T.CONNACK, _T.DISCONNECT})),
        (Prop.REASON_STRING, _TEXT, _REASON),
        (Prop.RECEIVE_MAXIMUM, _U16_FROM_1, _OPENING),
        (Prop.TOPIC_ALIAS_MAXIMUM, _U16, _OPENING),
        (Prop.TOPIC_ALIAS, _U16, frozenset({_T.PUBLISH})),
        (Prop.MAXIMUM_QOS, _FLAG, _CONNACK),
        (Prop.RETAIN_AVAILABLE, _FLAG, _CONNACK),
        (Prop.MAXIMUM_PACKET_BYTES, _U32_FROM_1, _OPENING),
        (Prop.WILDCARD_AVAILABLE, _FLAG, _CONNACK),
        (Prop.SUBSCRIPTION_ID_AVAILABLE, _FLAG, _CONNACK),
        (Prop.SHARED_AVAILABLE, _FLAG, _CONNACK),
    )
}


def read_properties(reader: Reader, place: int) -> Properties:
    """Return the properties of a packet of type ``place`` (or ``WILL``) and step over them.

    Raises:
        ProtocolError: unknown, misplaced, out of range, or given twice.
    """
    length = reader.varint()
    if not length:
        return NO_PROPERTIES
    inner = reader.part(length)
    found: dict[Prop, PropertyValue] = {}
    users: list[tuple[str, str]] = []
    ids: list[int] = []  # one for each subscription that matches, §3.3.2.3.8
    while inner.left:
        number = inner.varint()
        if number == Prop.USER_PROPERTY and place in _EVERY:
            users.append((inner.text(), inner.text()))
            continue
        prop, value = _read_one(inner, number, place)
        if prop is Prop.SUBSCRIPTION_ID and place == PacketType.PUBLISH:
            ids.append(int(value))
        elif prop in found:
            raise ProtocolError(f"property {prop.name} twice", Code.PROTOCOL_ERROR)
        else:
            found[prop] = value
    _add_lists(found, users, ids)
    return found


def _add_lists(
    found: dict[Prop, PropertyValue], users: list[tuple[str, str]], ids: list[int]
) -> None:
    if users:
        found[Prop.USER_PROPERTY] = tuple(users)
    if ids:
        found[Prop.SUBSCRIPTION_ID] = tuple(ids)
    if Prop.AUTH_DATA in found and Prop.AUTH_METHOD not in found:
        raise ProtocolError("authentication data without a method", Code.PROTOCOL_ERROR)


def _read_one(reader: Reader, number: int, place: int) -> tuple[Prop, int | str | bytes]:
    entry = _TABLE.get(number)
    if entry is None or place not in entry[2]:
        raise ProtocolError(f"property 0x{number:02x} does not belong here", Code.MALFORMED)
    prop, kind, _ = entry
    value = kind.read(reader)
    if isinstance(value, int) and not kind.low <= value <= kind.high:
        raise ProtocolError(f"property {prop.name} is {value}", Code.PROTOCOL_ERROR)
    return prop, value


def write_properties(properties: Properties) -> bytes:
    """Return the properties with their length in front."""
    if not properties:
        return b"\0"
    parts = []
    for prop, value in properties.items():
        if prop is Prop.USER_PROPERTY and isinstance(value, tuple):
            parts += [bytes((prop,)) + text(str(k)) + text(str(v)) for k, v in _pairs(value)]
            continue
        write = _TABLE[prop][1].write
        each = value if isinstance(value, tuple) else (value,)
        parts += [bytes((prop,)) + write(one) for one in each if not isinstance(one, tuple)]
    joined = b"".join(parts)
    return varint(len(joined)) + joined


def _pairs(value: tuple[tuple[str, str], ...] | tuple[int, ...]) -> list[tuple[str, str]]:
    return [pair for pair in value if isinstance(pair, tuple)]


def int_of(properties: Properties, prop: Prop, default: int) -> int:
    """Return a numeric property, ``default`` where the peer did not send it."""
    value = properties.get(prop, default)
    return value if isinstance(value, int) else default


def text_of(properties: Properties, prop: Prop, default: str = "") -> str:
    """Return a text property, ``default`` where the peer did not send it."""
    value = properties.get(prop, default)
    return value if isinstance(value, str) else default
