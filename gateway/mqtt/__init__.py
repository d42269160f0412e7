"""MQTT 3.1.1 and 5 for both ends of a connection, without any input or output.

``Parser.feed`` turns bytes into packets, ``encode`` and its relatives turn packets into bytes.
Why our own: ``docs/decisions.md``, "MQTT codec".
"""

from gateway.mqtt.codes import CONNACK_V311, V5, V311, Code, PacketType
from gateway.mqtt.encode import (
    PUBACK_WORD,
    PUBCOMP_WORD,
    PUBREC_WORD,
    encode,
    encode_pubacks,
    encode_publish,
    pack_acks,
    publish_flags,
)
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
    Subscription,
    UnsubAck,
    Unsubscribe,
    Will,
)
from gateway.mqtt.parser import KnownTopics, Parser, Role
from gateway.mqtt.properties import NO_PROPERTIES, Prop, Properties, int_of, text_of

__all__ = [
    "CONNACK_V311",
    "FLAG_DUP",
    "FLAG_QOS1",
    "FLAG_QOS2",
    "FLAG_RETAIN",
    "NO_PROPERTIES",
    "PUBACK_WORD",
    "PUBCOMP_WORD",
    "PUBREC_WORD",
    "V5",
    "V311",
    "Ack",
    "Auth",
    "Code",
    "ConnAck",
    "Connect",
    "Disconnect",
    "KnownTopics",
    "Packet",
    "PacketType",
    "Parser",
    "PingReq",
    "PingResp",
    "Prop",
    "Properties",
    "Publish",
    "Role",
    "SubAck",
    "Subscribe",
    "Subscription",
    "UnsubAck",
    "Unsubscribe",
    "Will",
    "encode",
    "encode_pubacks",
    "encode_publish",
    "int_of",
    "pack_acks",
    "publish_flags",
    "text_of",
]
