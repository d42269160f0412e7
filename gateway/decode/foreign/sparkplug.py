"""Sparkplug B 3.0: edge nodes and their devices, with births, aliases, sequence and deaths.

``spBv1.0/<group>/<type>/<edge node>[/<device>]`` (§4). A birth names the metrics of a node or
device and gives each an alias; data then carries aliases only. What births said is committed with
the cursor (``sparkplug_nodes``): after a restart data by alias is read as before. Data whose alias
no birth has named is quarantined (``unmapped``), and the node is asked to give birth anew (§6.4.22,
command ``Node Control/Rebirth``). The same is asked after a leap of ``seq``; those messages are
stored all the same, and the leap is an event.

``is_historical`` metrics are backlog. A death certificate makes node and devices ``lost``, unless
its ``bdSeq`` is that of an earlier session (§6.4.21). Columns are found by the configuration's
mappings, then by ``quantities``; metrics without one are named in the event of the birth.

A message put back from quarantine is of the past: its readings are taken, but it neither moves
``seq`` nor replaces a birth that has come since. Those of an import are of a past of their own.
"""

from collections.abc import Iterable

from gateway.decode.foreign.naming import slug
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.quantities import Quantities
from gateway.decode.foreign.rows_out import add_all, event_of, route_of, topic_of
from gateway.decode.foreign.sparkplug_forms import with_signs
from gateway.decode.foreign.sparkplug_mapping import MetricMappings
from gateway.decode.foreign.sparkplug_node import (
    REBIRTH_EVERY_MS,
    SEQ_BITS,
    Places,
    Shapes,
    known_of,
    part_of,
    rows_of,
    use_of,
)
from gateway.decode.foreign.sparkplug_nodes import MAX_NODE_BYTES, Nodes
from gateway.decode.foreign.sparkplug_past import ROOM, UNBORN
from gateway.decode.foreign.sparkplug_payload import (
    Payload,
    bd_seq_of,
    read_payload,
    rebirth,
)
from gateway.decode.foreign.sparkplug_topic import Topic, parse
from gateway.decode.wire import reject
from gateway.model import IMPORT_SOURCE, QuarantineReason, Record, RecordFlag
from gateway.ports import Collecting, DeviceDirectory, Route
from gateway.topics import SPARKPLUG

_SECTOR = "energy"  # where a node is enrolled whose first message has no column to say it

# Bounds against topics made up without end; what is forgotten is worked out anew.
_MAX_TOPICS = 65_536
_MAX_WISHES = 1000
_MAX_UNPLACED = 50  # names in the event of a birth
_REQUEUED = int(RecordFlag.REQUEUED)
LIVE, PAST = "live", "import"  # whose births: what was captured long ago is no birth of today


class Sparkplug:
    """Implements ``decode.Foreign``, ``Asking`` and ``Keeping``. One instance per pipeline."""

    room = ROOM

    def __init__(self, options: Options) -> None:
        """Compile the mappings.

        Raises:
            ConfigError: names the mapping and the key.
        """
        self._options = options
        quantities = Quantities(options.profiles)
        self._mappings = MetricMappings(options.metrics, quantities, options.profiles)
        self._topics: dict[tuple[bytes, bool], Topic] = {}
        self._nodes = Nodes(self._places, self._topics.clear)
        self._wishes: dict[str, bytes] = {}
        self._routes: dict[bytes, Route] = {}
        self._shapes = Shapes()

    def takes(self, topic: str) -> bool:
        """Return whether messages of this topic are its own."""
        return topic.startswith(SPARKPLUG)

    def wishes(self) -> list[tuple[str, bytes]]:
        """Return topics and payloads of commands to be sent, once each: requests for births."""
        found, self._wishes = list(self._wishes.items()), {}
        return found

    def memories(self) -> Iterable[tuple[str, bytes]]:
        """Return what has changed since the last call of what births said."""
        return self._nodes.rows()

    def restore(self, memories: Iterable[tuple[str, bytes]]) -> None:
        """Know what births said before a restart."""
        self._nodes.restore(memories)

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        """Add the readings and events of one message, all of them or none.

        Raises:
            RejectedError: as ``decode.Foreign``.
        """
        _, _, source, flags, name, data = record
        is_past = source == IMPORT_SOURCE  # _is_past(record), without a call
        topic = self._topics.get((name, is_past)) or self._resolve(record, is_past=is_past)
        node = topic.node
        shape = None if flags & _REQUEUED else node.shapes.get((name, len(data)))
        taken = None if shape is None else shape.take(data)
        if shape is None or taken is None or taken.seq != (node.seq + 1) & SEQ_BITS:
            self._read(record, topic, directory, out)
            return
        values = taken.values
        if shape.signed:
            values = with_signs(values, shape.signed)
        route = self._routes.get(name) or self._route(name, topic, shape.sector, directory)
        head = (
            route.device_index,
            taken.time_ms,
            record.number,
            record.received_ms,
            route.is_registered,
            self._options.max_age_ms(source),
        )
        out.add_raw(shape, head, tuple(values))
        node.seq = taken.seq
        self._nodes.touched.add(node.key)

    def forget_routes(self) -> None:
        """Ask the directory anew from now on: the registry has changed."""
        self._routes.clear()

    def _places(self, key: str) -> Places:
        _, group, edge = key.split("/")
        return self._mappings.of(group, edge)

    def _route(self, name: bytes, topic: Topic, sector: str, directory: DeviceDirectory) -> Route:
        if len(self._routes) >= _MAX_TOPICS:
            self._routes.clear()
        route = directory.foreign(topic.text, topic.named, self._options.org, sector)
        self._routes[name] = route
        return route

    def _resolve(self, record: Record, *, is_past: bool) -> Topic:
        names = parse(topic_of(record))
        which = PAST if is_past else LIVE
        topic = Topic(*names, self._nodes.get("/".join((which, *names.base))))
        if topic.node in self._nodes:  # strangers come and go
            if len(self._topics) >= _MAX_TOPICS:
                self._topics.clear()
            self._topics[record.topic, is_past] = topic
        return topic

    def _read(
        self, record: Record, topic: Topic, directory: DeviceDirectory, out: Collecting
    ) -> None:
        payload = read_payload(record.payload)
        if topic.kind.endswith("BIRTH"):
            self._birth(payload, record, topic, directory, out)
        elif topic.kind.endswith("DEATH"):
            self._death(payload, record, topic, directory, out)
        else:
            self._data(payload, record, topic, directory, out)
        if topic.node in self._nodes:
            self._nodes.touched.add(topic.node.key)

    def _birth(
        self,
        payload: Payload,
        record: Record,
        topic: Topic,
        directory: DeviceDirectory,
        out: Collecting,
    ) -> None:
        node, device, places = topic.node, topic.device, self._mappings.of(*topic.base)
        is_news = not (_is_again(record) and node.is_alive(device))
        part = part_of(device, payload.metrics, places)
        if node.size_with(device, part) > MAX_NODE_BYTES:
            reject(QuarantineReason.TOO_LARGE, f"metrics of one node: {MAX_NODE_BYTES} bytes")
        uses = [use_of(known_of(device, one, places), one) for one in payload.metrics if one.name]
        found = rows_of(uses, payload.time_ms, topic.named)
        sector = found[0].profile.sector if found else _SECTOR
        route = route_of(topic.named, sector, record, directory, self._options)
        add_all(found, record, directory, self._options, out)
        unplaced = [use.known.name for use in uses if use.known.place is None]
        document = {
            "st": "online",
            "metrics": len(uses),
            "without_column": unplaced[:_MAX_UNPLACED],
        }
        out.add_event(event_of("state", document, payload.time_ms, route, record))
        if not is_news:
            return
        if device:
            self._follow(payload.seq, record, topic)
        else:
            node.is_born, node.bd_seq, node.seq = True, bd_seq_of(payload), payload.seq
        self._nodes.learn(node, device, part)
        if not node.is_born:
            self._ask(topic, record)

    def _death(
        self,
        payload: Payload,
        record: Record,
        topic: Topic,
        directory: DeviceDirectory,
        out: Collecting,
    ) -> None:
        node = topic.node
        bd_seq = bd_seq_of(payload)
        is_again = _is_again(record)
        route = route_of(topic.named, _SECTOR, record, directory, self._options)
        if topic.device:
            self._follow(payload.seq, record, topic)
            if not is_again:
                node.end(topic.device)
        elif node.is_born and (is_again or bd_seq not in {node.bd_seq, -1}):
            # the will of a session that the node has outlived
            document: dict[str, object] = {
                "sparkplug": "death of an earlier session",
                "bdSeq": bd_seq,
            }
            out.add_event(event_of("event", document, payload.time_ms, route, record))
            return
        lost = [topic.named] if topic.device else self._all_of(topic)
        for named in lost:
            route = route_of(named, _SECTOR, record, directory, self._options)
            out.add_event(event_of("state", {"st": "lost"}, payload.time_ms, route, record))
        if not topic.device:
            node.is_born, node.seq = False, -1

    def _all_of(self, topic: Topic) -> list[tuple[str, str]]:
        return [topic.named, *((slug(*topic.base, one), "") for one in topic.node.devices)]

    def _data(
        self,
        payload: Payload,
        record: Record,
        topic: Topic,
        directory: DeviceDirectory,
        out: Collecting,
    ) -> None:
        node = topic.node
        uses = node.use(topic.device, payload.metrics, self._mappings.of(*topic.base))
        if uses is None or not node.is_born:
            self._ask(topic, record)
        if uses is None:
            self._count(payload.seq, record, topic)
            asked = "none came before it" if _is_past(record) else "a birth was asked"
            reject(QuarantineReason.UNMAPPED, f"{UNBORN}; {asked}")
        found = rows_of(uses, payload.time_ms, topic.named)
        if not found:
            self._count(payload.seq, record, topic)
            names = ", ".join(use.known.name for use in uses)
            reject(QuarantineReason.UNMAPPED, f"no column for metrics {names}"[:300])
        add_all(found, record, directory, self._options, out)
        before = node.seq
        missing = self._follow(payload.seq, record, topic)
        if missing:
            route = route_of(topic.named, found[0].profile.sector, record, directory, self._options)
            gap = {"sparkplug": "sequence", "after": before, "seq": payload.seq, "missing": missing}
            out.add_event(event_of("event", gap, payload.time_ms, route, record))
        elif len(found) == 1 and not found[0].is_backlog and node.is_born:
            self._shapes.remember(uses, found[0].profile, record, node)

    def _follow(self, seq: int, record: Record, topic: Topic) -> int:
        missing = 0 if _is_again(record) else topic.node.advance(seq)
        if missing:
            self._ask(topic, record)
        return missing

    def _count(self, seq: int, record: Record, topic: Topic) -> None:
        """Move ``seq`` for a message that is refused: it has come, it is not missing."""
        if not _is_again(record):
            topic.node.count(seq)
            if topic.node in self._nodes:
                self._nodes.touched.add(topic.node.key)

    def _ask(self, topic: Topic, record: Record) -> None:
        """Wish for a birth of the node, once a minute at the most."""
        node = topic.node
        if (
            _is_past(record)
            or record.received_ms - node.asked_ms < REBIRTH_EVERY_MS
            or len(self._wishes) >= _MAX_WISHES
        ):
            return
        node.asked_ms = record.received_ms
        self._wishes[topic.command] = rebirth(record.received_ms)


def _is_past(record: Record) -> bool:
    return record.source == IMPORT_SOURCE


def _is_again(record: Record) -> bool:
    return record.flags & _REQUEUED != 0
