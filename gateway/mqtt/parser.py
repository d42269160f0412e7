"""Bytes in, packets out: an incremental parser without input or output of its own.

Theory of operation. ``feed`` takes whatever the socket gave and yields, in the order of the
wire, lists of PUBLISH tuples and single control packets. Runs of ordinary PUBLISHes (nothing
but an id, a topic we have seen and a payload) go through ``_run``, one loop without a call in
it, because this is where a gateway spends its time; whatever is unusual in any way, wrong
packets first of all, leaves that loop untouched and goes through ``_one``, which checks
everything. So the fast path never has to decide what an error is.
"""

from collections.abc import Iterator
from enum import Enum

from gateway.errors import ProtocolError
from gateway.mqtt.codes import V5, Code, PacketType
from gateway.mqtt.decode import check_flags, read_connect, read_packet, read_version
from gateway.mqtt.packets import FLAG_DUP, Packet, Publish
from gateway.mqtt.properties import Prop, read_properties
from gateway.mqtt.wire import Reader, check_topic

_HEADER_MAX_BYTES = 5  # first byte and a remaining length of at most four
_FAST_MIN_BYTES = 6
# First bytes of the fast path: PUBLISH at QoS 0-2 with any RETAIN; DUP only above QoS 0.
_IS_FAST = bytes(b in {*range(0x30, 0x36), *range(0x3A, 0x3E)} for b in range(256))
_KNOWN_TOPIC_MAX_BYTES = 256


class Role(Enum):
    """Which end of the connection the parser serves, by what it may receive there."""

    SERVER = (PacketType.CONNECT, frozenset(PacketType) - {2, 9, 11, 13})
    CLIENT = (PacketType.CONNACK, frozenset(PacketType) - {1, 8, 10, 12})

    def __init__(self, opening: PacketType, accepted: frozenset[PacketType]) -> None:
        self.opening = opening
        self.accepted = accepted


class KnownTopics(set[bytes]):
    """Topic names already found valid; shared by the connections of a source.

    Bounded, so that a peer which makes up topics costs at most about 20 MB and then only
    slows itself down: 65,536 names of at most 256 bytes, forgotten all at once when full.
    """

    __slots__ = ()

    def learn(self, topic: bytes) -> None:
        """Remember a valid topic name."""
        if len(topic) > _KNOWN_TOPIC_MAX_BYTES:
            return
        if len(self) >= 65_536:  # noqa: PLR2004  # the bound named above
            self.clear()
        self.add(topic)


class Parser:
    """Parses what one peer sends.

    Attributes:
        version: ``V311`` or ``V5``; a server's parser has 0 until it has read the CONNECT.
        max_packet_bytes: larger packets are refused by their fixed header alone, before
            anything of them is kept. May be changed at any time (a listener raises it once
            the client is known).
    """

    __slots__ = ("_is_open", "_known", "_need", "_role", "_tail", "max_packet_bytes", "version")

    def __init__(
        self,
        role: Role,
        version: int = 0,
        *,
        max_packet_bytes: int = 1 << 20,
        known: KnownTopics | None = None,
    ) -> None:
        self.version = version
        self.max_packet_bytes = max_packet_bytes
        self._role = role
        self._known = KnownTopics() if known is None else known
        self._is_open = False  # whether CONNECT (CONNACK at a client) has come
        self._tail: bytes | bytearray = b""
        self._need = 0  # bytes that ``_tail`` must have before parsing makes sense

    def feed(self, data: bytes) -> Iterator[list[Publish] | Packet]:
        """Yield the packets that ``data`` completes.

        To be exhausted before the next call. Everything in front of an error is yielded first.

        Raises:
            ProtocolError: the peer broke the protocol; the parser is of no use any more.
        """
        if self._tail:
            # A large packet comes in many reads: gather them in place, parse once.
            tail = self._tail if isinstance(self._tail, bytearray) else bytearray(self._tail)
            tail += data
            self._tail = tail
            if len(tail) < self._need:
                return
            data = bytes(tail)
            self._tail = b""
        at = 0
        while True:
            if self._is_open:
                run, at = self._run(data, at)
                if run:
                    yield run
            found = self._one(data, at)
            if found is None:
                break
            item, at = found
            yield item
        self._tail = data[at:]

    def _run(self, data: bytes, at: int) -> tuple[list[Publish], int]:
        """Parse ordinary PUBLISHes until something else comes."""
        run: list[Publish] = []
        end, last = len(data), len(data) - _FAST_MIN_BYTES
        limit = self.max_packet_bytes - _HEADER_MAX_BYTES
        known = self._known
        no_properties = self.version == V5  # then one zero byte says that there are none
        while at <= last:
            first = data[at]
            length = data[at + 1]
            body = at + 2
            if length > 127:  # noqa: PLR2004  # a second length byte
                length += (data[body] - 1) << 7
                body += 1
            stop = body + length
            cut = body + 2 + (data[body] << 8) + data[body + 1]
            # data[body - 1] is the last length byte: more to come, or a needless zero
            if (
                stop > end
                or cut + 3 > stop
                or length > limit
                or not _IS_FAST[first]
                or not 0 < data[body - 1] < 128  # noqa: PLR2004
            ):
                break
            topic = data[body + 2 : cut]
            packet_id = 0
            if first & 6:
                packet_id = (data[cut] << 8) + data[cut + 1]
                cut += 2
            if topic not in known or (not packet_id and first & 6):
                break
            if no_properties:
                if data[cut]:
                    break
                cut += 1
            run.append((packet_id, first & 15, topic, data[cut:stop]))
            at = stop
        return run, at

    def _one(self, data: bytes, at: int) -> tuple[list[Publish] | Packet, int] | None:
        """Parse one packet of any kind; None where it is not complete yet."""
        header = self._header(data, at)
        if header is None:
            return None
        body, stop = header
        if stop - at > self.max_packet_bytes:
            raise ProtocolError(f"packet of {stop - at} bytes", Code.PACKET_TOO_LARGE)
        self._check_kind(data[at])
        if stop > len(data):
            self._need = stop - at
            return None
        reader = Reader(data, body, stop)
        kind = data[at] >> 4
        if kind == PacketType.PUBLISH:
            return [self._publish(data[at] & 15, reader)], stop
        if kind == PacketType.CONNECT:
            return self._connect(reader), stop
        packet = read_packet(data[at], reader, self.version)
        self._is_open = True
        return packet, stop

    def _header(self, data: bytes, at: int) -> tuple[int, int] | None:
        """Return where a packet's body begins and ends; None where that is not known yet."""
        if len(data) - at < 2:  # noqa: PLR2004  # the shortest packet
            self._need = 2
            return None
        length = 0
        for index, byte in enumerate(data[at + 1 : at + _HEADER_MAX_BYTES]):
            length |= (byte & 127) << (7 * index)
            if byte < 128:  # noqa: PLR2004  # no continuation bit
                if index and not byte:
                    break
                body = at + 2 + index
                return body, body + length
        else:
            if len(data) - at < _HEADER_MAX_BYTES:
                self._need = len(data) - at + 1
                return None
        raise ProtocolError("malformed remaining length", Code.MALFORMED)

    def _check_kind(self, first: int) -> None:
        """Refuse what this peer may not send now, from its first byte alone."""
        kind = first >> 4
        if kind == PacketType.PUBLISH:
            if first & 6 == 6 or first & 15 in {FLAG_DUP, FLAG_DUP | 1}:  # noqa: PLR2004  # QoS 3
                raise ProtocolError("PUBLISH flags", Code.MALFORMED)
        else:
            check_flags(first)
        if kind not in self._role.accepted:
            raise ProtocolError(f"{PacketType(kind).name} from this side", Code.PROTOCOL_ERROR)
        is_opening = kind == self._role.opening
        if is_opening is self._is_open and kind != PacketType.AUTH:
            raise ProtocolError(f"{PacketType(kind).name} out of turn", Code.PROTOCOL_ERROR)
        if kind == PacketType.AUTH and not self._is_open and self._role is Role.SERVER:
            raise ProtocolError("AUTH before CONNECT", Code.PROTOCOL_ERROR)

    def _connect(self, reader: Reader) -> Packet:
        self.version = read_version(reader)
        packet = read_connect(reader, self.version)
        reader.finish()
        self._is_open = True
        return packet

    def _publish(self, flags: int, reader: Reader) -> Publish:
        topic = reader.binary()
        packet_id = reader.packet_id() if flags & 6 else 0
        if self.version == V5:
            properties = read_properties(reader, PacketType.PUBLISH)
            if Prop.TOPIC_ALIAS in properties:  # both our roles announce a maximum of 0
                raise ProtocolError("topic alias", Code.TOPIC_ALIAS_INVALID)
            if Prop.SUBSCRIPTION_ID in properties and self._role is Role.SERVER:
                raise ProtocolError("subscription id from a client", Code.PROTOCOL_ERROR)
        if topic not in self._known:
            check_topic(topic)
            self._known.learn(topic)
        return packet_id, flags, topic, reader.rest()
