"""What a client that is let in may ask for besides publishing."""

from collections.abc import Callable
from typing import Any, Protocol

from gateway.errors import ProtocolError
from gateway.mqtt import (
    PUBCOMP_WORD,
    V5,
    Ack,
    Code,
    Disconnect,
    Packet,
    PacketType,
    PingReq,
    PingResp,
    Prop,
    SubAck,
    Subscribe,
    Subscription,
    UnsubAck,
    Unsubscribe,
    encode,
    pack_acks,
)
from gateway.sources.listener_access import max_filters, may_subscribe
from gateway.sources.listener_hub import Hub, Peer

_MAX_FILTER_BYTES = 1024  # each level is a node of the subscription tree
_FAILURE_V311 = 0x80


class Asking(Peer, Protocol):
    """A connection as its requests see it."""

    hub: Hub
    filters: set[bytes] | None
    inexact: dict[int, int] | None  # QoS 2 in flight: packet id → record

    def write(self, data: bytes) -> None:
        """Send now."""


def handle(peer: Asking, packet: Packet) -> None:
    """Answer a control packet.

    Raises:
        ProtocolError: it may not be asked here.
    """
    handler = _HANDLERS.get(type(packet))
    if handler is None:
        raise ProtocolError(f"{type(packet).__name__} is not supported", Code.PROTOCOL_ERROR)
    handler(peer, packet)


def _ping(peer: Asking, _packet: PingReq) -> None:
    peer.write(encode(PingResp(), peer.version))


def _disconnect(peer: Asking, packet: Disconnect) -> None:
    # anything but 0 means that the client did not go as it wanted: its will is done (§3.14.2.1)
    peer.end(Code.SUCCESS, with_will=packet.code != Code.SUCCESS)


def _ack(peer: Asking, packet: Ack) -> None:
    """Finish a QoS 2 publish; we send nothing above QoS 0, so other answers are to nobody."""
    if packet.kind is not PacketType.PUBREL:
        raise ProtocolError(f"{packet.kind.name} to nothing", Code.PROTOCOL_ERROR)
    number = (peer.inexact or {}).get(packet.packet_id, 0)
    if number > peer.hub.durable:
        raise ProtocolError("PUBREL before PUBREC", Code.PROTOCOL_ERROR)
    if peer.inexact is not None:
        peer.inexact.pop(packet.packet_id, None)
    peer.write(pack_acks([PUBCOMP_WORD + packet.packet_id]))


def _subscribe(peer: Asking, packet: Subscribe) -> None:
    if Prop.SUBSCRIPTION_ID in packet.properties:
        raise ProtocolError("subscription id", Code.SUBSCRIPTION_ID_UNSUPPORTED)
    wanted: list[str] = []
    codes = []
    for one in packet.subscriptions:
        code = _grant(peer, one, wanted)
        codes.append(code if peer.version == V5 or not code else _FAILURE_V311)
    peer.write(encode(SubAck(packet.packet_id, tuple(codes)), peer.version))
    for topic_filter in wanted:
        peer.hub.send_retained(peer, topic_filter)


def _grant(peer: Asking, one: Subscription, wanted: list[str]) -> int:
    """Subscribe at QoS 0 or return why not; add to ``wanted`` what retained messages it gets."""
    name = one.topic_filter.encode()
    filters = set() if peer.filters is None else peer.filters
    faults = (
        (one.topic_filter.startswith("$share/"), Code.SHARED_UNSUPPORTED),
        (len(name) > _MAX_FILTER_BYTES, Code.FILTER_INVALID),
        (not may_subscribe(peer.identity, one.topic_filter), Code.NOT_AUTHORISED),
        (
            name not in filters and len(filters) >= max_filters(peer.identity),
            Code.QUOTA_EXCEEDED,
        ),
    )
    code = next((code for is_fault, code in faults if is_fault), Code.SUCCESS)
    if code is Code.SUCCESS:
        filters.add(name)
        peer.filters = filters
        is_new = peer.hub.router.add(name, peer, one.options)
        if one.retain_handling == 0 or (one.retain_handling == 1 and is_new):
            wanted.append(one.topic_filter)
    else:
        peer.hub.counts["denied_subscriptions"] += 1
    return code


def _unsubscribe(peer: Asking, packet: Unsubscribe) -> None:
    codes = []
    for name in map(str.encode, packet.filters):
        was_there = peer.filters is not None and name in peer.filters
        if was_there and peer.filters is not None:
            peer.filters.discard(name)
            peer.hub.router.remove(name, peer)
        codes.append(Code.SUCCESS if was_there else Code.NO_SUBSCRIPTION_EXISTED)
    peer.write(encode(UnsubAck(packet.packet_id, tuple(codes)), peer.version))


# ``Any``: each handler takes the class it stands beside, which a dict cannot say.
_HANDLERS: dict[type, Callable[[Any, Any], None]] = {
    PingReq: _ping,
    Disconnect: _disconnect,
    Ack: _ack,
    Subscribe: _subscribe,
    Unsubscribe: _unsubscribe,
}
