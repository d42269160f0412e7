"""Control packets as values. A PUBLISH is a bare tuple: it comes 100,000 times a second."""

from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.mqtt.codes import Code, PacketType
from gateway.mqtt.properties import Properties

# packet id (0 at QoS 0), flags (low four bits of the first byte), topic, payload
Publish = tuple[int, int, bytes, bytes]
FLAG_RETAIN = 1
FLAG_QOS1 = 2
FLAG_QOS2 = 4
FLAG_DUP = 8


@dataclass(frozen=True, slots=True)
class Will:
    """What the server publishes for a client that was cut off."""

    topic: bytes
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Connect:
    """A client's first packet; the password never shows in a ``repr``."""

    version: int  # codes.V311 or codes.V5
    client_id: str
    clean_start: bool = True
    keepalive_s: int = 60
    username: str | None = None
    password: bytes | None = field(default=None, repr=False)
    will: Will | None = None
    properties: Properties = field(default_factory=dict, repr=False)  # may hold AUTH_DATA


@dataclass(frozen=True, slots=True)
class ConnAck:
    """The server's answer; ``code`` is a 3.1.1 return code (0-5) or an MQTT 5 reason code."""

    code: int = Code.SUCCESS
    session_present: bool = False
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ack:
    """PUBACK, PUBREC, PUBREL or PUBCOMP, as ``kind`` says."""

    kind: PacketType
    packet_id: int
    code: int = Code.SUCCESS
    properties: Properties = field(default_factory=dict)


class Subscription(NamedTuple):
    """One filter of a SUBSCRIBE; in 3.1.1 only the QoS bits of ``options`` are used."""

    topic_filter: str
    options: int = 0

    @property
    def qos(self) -> int:
        """Highest QoS the client wants."""
        return self.options & 3

    @property
    def is_no_local(self) -> bool:
        """Whether the client does not want its own messages back."""
        return bool(self.options & 4)

    @property
    def keeps_retain_flag(self) -> bool:
        """Whether forwarded messages keep their RETAIN flag (Retain As Published)."""
        return bool(self.options & 8)

    @property
    def retain_handling(self) -> int:
        """0: send retained messages; 1: only for a new subscription; 2: never."""
        return self.options >> 4 & 3


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Filters a client wants."""

    packet_id: int
    subscriptions: tuple[Subscription, ...]
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubAck:
    """Granted QoS or failure for each filter of a SUBSCRIBE, in its order."""

    packet_id: int
    codes: tuple[int, ...]
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Filters a client does not want any more."""

    packet_id: int
    filters: tuple[str, ...]
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnsubAck:
    """The answer to UNSUBSCRIBE; 3.1.1 carries no codes."""

    packet_id: int
    codes: tuple[int, ...] = ()
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PingReq:
    """A client's sign of life."""


@dataclass(frozen=True, slots=True)
class PingResp:
    """The server's."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The last packet; 3.1.1 knows it only from the client and without a code."""

    code: int = Code.SUCCESS
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Auth:
    """Extended authentication, MQTT 5 only."""

    code: int = Code.SUCCESS
    properties: Properties = field(default_factory=dict, repr=False)


Packet = (
    Connect
    | ConnAck
    | Ack
    | Subscribe
    | SubAck
    | Unsubscribe
    | UnsubAck
    | PingReq
    | PingResp
    | Disconnect
    | Auth
)
