"""Sparkplug B 3.0: edge nodes and their devices, with births, aliases, sequence and deaths.

``spBv1.0/<group>/<type>/<edge node>[/<device>]`` (§4). A birth names the metrics of a node or
device and gives each an alias; data then carries aliases only. What births said lives in memory:
data whose alias no birth has named is quarantined (``unmapped``), and the node is asked to give
birth anew (§6.4.22, command ``Node Control/Rebirth``). The same is asked after a leap of ``seq``;
those messages are stored all the same, and the leap is an event.

``is_historical`` metrics are backlog. A death certificate makes node and devices ``lost``, unless
its ``bdSeq`` is that of an earlier session (§6.4.21). Columns are found by ``quantities``; metrics
without one are named in the event of the birth.
"""

from collections import OrderedDict
from collections.abc import Sequence
from math import nan

from gateway.decode.foreign.naming import slug
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.quantities import Quantities
from gateway.decode.foreign.rows_out import Found, add_all, event_of, route_of, topic_of
from gateway.decode.foreign.sparkplug_node import (
    MAX_SHAPES,
    REBIRTH_EVERY_MS,
    SEQ_BITS,
    Node,
    Scale,
    Shape,
    Use,
    is_number,
    with_signs,
)
from gateway.decode.foreign.sparkplug_payload import (
    Payload,
    bd_seq_of,
    read_payload,
    rebirth,
)
from gateway.decode.foreign.sparkplug_shape import form_of
from gateway.decode.foreign.sparkplug_topic import NAMESPACE, Topic, parse
from gateway.decode.wire import reject
from gateway.model import QuarantineReason, Record
from gateway.ports import Collecting, DeviceDirectory, Route
from gateway.profiles import Profile

_SECTOR = "energy"  # where a node is enrolled whose first message has no column to say it

# Bounds against topics made up without end; what is forgotten is asked for anew.
_MAX_NODES = 10_000
_MAX_TOPICS = 65_536
_MAX_WISHES = 1000
_MAX_UNPLACED = 50  # names in the event of a birth


class Sparkplug:
    """Implements ``decode.Foreign`` and ``decode.Asking``. One instance per pipeline."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._quantities = Quantities(options.profiles)
        self._nodes: OrderedDict[tuple[str, ...], Node] = OrderedDict()
        self._topics: dict[bytes, Topic] = {}
        self._wishes: dict[str, bytes] = {}
        self._routes: dict[bytes, Route] = {}
        self._shapes: dict[object, Shape] = {}  # nodes of one kind share them

    def takes(self, topic: str) -> bool:
        """Return whether messages of this topic are its own."""
        return topic.startswith(NAMESPACE)

    def wishes(self) -> list[tuple[str, bytes]]:
        """Return topics and payloads of commands to be sent, once each: requests for births."""
        found, self._wishes = list(self._wishes.items()), {}
        return found

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        """Add the readings and events of one message, all of them or none.

        Raises:
            RejectedError: as ``decode.Foreign``.
        """
        _, _, _, _, name, data = record
        topic = self._topics.get(name) or self._resolve(record)
        node = topic.node
        shape = node.shapes.get((name, len(data)))
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
            self._options.max_age_ms(record.source),
        )
        out.add_raw(shape, head, tuple(values))
        node.seq = taken.seq

    def forget_routes(self) -> None:
        """Ask the directory anew from now on: the registry has changed."""
        self._routes.clear()

    def _route(self, name: bytes, topic: Topic, sector: str, directory: DeviceDirectory) -> Route:
        if len(self._routes) >= _MAX_TOPICS:
            self._routes.clear()
        route = directory.foreign(topic.text, topic.named, self._options.org, sector)
        self._routes[name] = route
        return route

    def _resolve(self, record: Record) -> Topic:
        names = parse(topic_of(record))
        topic = Topic(*names, self._node(names.base))
        if len(self._topics) >= _MAX_TOPICS:
            self._topics.clear()
        self._topics[record.topic] = topic
        return topic

    def _node(self, base: tuple[str, ...]) -> Node:
        node = self._nodes.get(base)
        if node is None:
            if len(self._nodes) >= _MAX_NODES:
                self._nodes.popitem(last=False)
                self._topics.clear()  # some of them hold the node that was forgotten
            node = self._nodes[base] = Node()
        return node

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

    def _birth(
        self,
        payload: Payload,
        record: Record,
        topic: Topic,
        directory: DeviceDirectory,
        out: Collecting,
    ) -> None:
        fresh = Node()
        for metric in payload.metrics:
            fresh.learn(topic.device, metric, self._quantities)
        uses = fresh.use(topic.device, payload.metrics, self._quantities) or []
        found = self._found(uses, payload.time_ms, topic)
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
        node = topic.node
        if not topic.device:
            node.begin(bd_seq_of(payload))
            node.seq = payload.seq
        else:
            self._follow(payload.seq, record, topic)
            node.devices.add(topic.device)
            node.shapes.clear()
        node.by_name.update(fresh.by_name)
        node.by_alias.update(fresh.by_alias)
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
        route = route_of(topic.named, _SECTOR, record, directory, self._options)
        if topic.device:
            self._follow(payload.seq, record, topic)
            node.devices.discard(topic.device)
        elif node.is_born and bd_seq not in {node.bd_seq, -1}:
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
            topic.node.is_born = False
            topic.node.seq = -1

    def _all_of(self, topic: Topic) -> list[tuple[str, str]]:
        return [topic.named, *((slug(*topic.base, one), "") for one in sorted(topic.node.devices))]

    def _data(
        self,
        payload: Payload,
        record: Record,
        topic: Topic,
        directory: DeviceDirectory,
        out: Collecting,
    ) -> None:
        node = topic.node
        uses = node.use(topic.device, payload.metrics, self._quantities)
        if uses is None or not node.is_born:
            self._ask(topic, record)
        if uses is None:
            reject(QuarantineReason.UNMAPPED, "an alias that no birth has named; a birth was asked")
        found = self._found(uses, payload.time_ms, topic)
        if not found:
            names = ", ".join(use.known.name for use in uses)
            reject(QuarantineReason.UNMAPPED, f"no column for metrics {names}"[:300])
        add_all(found, record, directory, self._options, out)
        before = node.seq
        missing = self._follow(payload.seq, record, topic)
        if missing:
            route = route_of(topic.named, found[0].profile.sector, record, directory, self._options)
            gap = {"sparkplug": "sequence", "after": before, "seq": payload.seq, "missing": missing}
            out.add_event(event_of("event", gap, payload.time_ms, route, record))
        elif len(found) == 1 and node.is_born:
            self._remember(uses, found[0], record, node)

    def _follow(self, seq: int, record: Record, topic: Topic) -> int:
        missing = topic.node.advance(seq)
        if missing:
            self._ask(topic, record)
        return missing

    def _found(self, uses: Sequence[Use], time_ms: int, topic: Topic) -> list[Found]:
        """Return rows: one for each profile, time and lane."""
        rows: dict[tuple[str, int, bool], tuple[Profile, list[float]]] = {}
        for use in uses:
            place, metric = use.known.place, use.metric
            if place is None or not (use.value is None or is_number(use.value)):
                continue
            at_ms = metric.time_ms or time_ms
            key = place.profile.name, at_ms, metric.is_historical
            if key not in rows:
                rows[key] = place.profile, [0.0, *[nan] * (len(place.profile.columns) + 1)]
            if isinstance(use.value, int | float):
                datatype = metric.datatype or use.known.datatype
                rows[key][1][place.at] = Scale.of(place, datatype).apply(use.value)
        return [
            Found(topic.named, profile, at_ms, (row,), is_historical)
            for (_, at_ms, is_historical), (profile, row) in rows.items()
        ]

    def _remember(self, uses: Sequence[Use], found: Found, record: Record, node: Node) -> None:
        """Read the next message of this form at once, where it is plain enough."""
        if found.is_backlog or not all(is_number(use.value) for use in uses):
            return
        form = form_of(record.payload)
        if form is None or form(record.payload) is None:
            return
        scales = tuple(
            Scale.of(use.known.place, use.metric.datatype or use.known.datatype)
            for use in uses
            if use.known.place is not None
        )
        if len(scales) != len(uses):
            return  # a metric without column
        if max(len(self._shapes), len(node.shapes)) >= MAX_SHAPES:
            self._shapes.clear()
            node.shapes.clear()
        key = form.key, found.profile.name, scales
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = Shape(form, found.profile, scales)
        node.shapes[record.topic, len(record.payload)] = shape

    def _ask(self, topic: Topic, record: Record) -> None:
        """Wish for a birth of the node, once a minute at the most."""
        node = topic.node
        if (
            record.received_ms - node.asked_ms < REBIRTH_EVERY_MS
            or len(self._wishes) >= _MAX_WISHES
        ):
            return
        node.asked_ms = record.received_ms
        self._wishes[topic.command] = rebirth(record.received_ms)
