"""What is known of a Sparkplug edge node: what its births named, where ``seq`` stands."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import NamedTuple

from gateway.decode.foreign.quantities import Place
from gateway.decode.foreign.rows_out import Found
from gateway.decode.foreign.sparkplug_forms import Scale, Shape, is_number
from gateway.decode.foreign.sparkplug_payload import Metric, Value, signed
from gateway.decode.foreign.sparkplug_shape import form_of
from gateway.decode.wire import reject
from gateway.model import QuarantineReason, Record
from gateway.profiles import Profile

SEQ_BITS = 255  # seq counts 0…255 and begins anew (§6.4.5)
REBIRTH_EVERY_MS = 60_000  # a node that does not answer is not asked with every message
# of a node, and of all: a form is a list of metrics, and a kind of node has a few
MAX_SHAPES = 1024
_METRIC_BYTES = 300  # what one takes in memory beside its words (measured: 290)

Places = Callable[[str, str, str], "Place | None"]
"""Device, name and unit of a metric → its column."""


class Known(NamedTuple):
    """What a birth said of a metric."""

    device: str  # "" for the node itself
    name: str
    datatype: int
    place: Place | None
    alias: int = -1
    unit: str = ""


class Part(NamedTuple):
    """What the birth of the node, or of one of its devices, said."""

    metrics: tuple[Known, ...] = ()
    is_alive: bool = True

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, about."""
        return sum(_METRIC_BYTES + len(one.name) + len(one.unit) for one in self.metrics)


class Use(NamedTuple):
    """A metric of a message and what it is."""

    known: Known
    metric: Metric
    value: Value  # signed where its type says so


@dataclass(slots=True)
class Node:
    """State of one edge node. Aliases are the node's, its devices share them (§6.4.6)."""

    key: str  # of all nodes
    parts: dict[str, Part] = field(default_factory=dict)  # by device, "" the node itself
    by_alias: dict[int, Known] = field(default_factory=dict)
    by_name: dict[tuple[str, str], Known] = field(default_factory=dict)
    shapes: dict[tuple[bytes, int], Shape] = field(default_factory=dict)
    size_bytes: int = 0
    seq: int = -1
    bd_seq: int = -1
    is_born: bool = False
    asked_ms: int = -REBIRTH_EVERY_MS
    changed: set[str] = field(default_factory=set)  # devices whose part is not kept yet

    def forget(self) -> None:
        """Forget what births said: the node gives birth anew, and all its devices after it."""
        self.changed |= self.parts.keys()
        for known in (self.parts, self.by_alias, self.by_name, self.shapes):
            known.clear()
        self.size_bytes = 0

    def take(self, device: str, part: Part) -> None:
        """Know a part as its birth says, whatever an earlier one said of it."""
        old = self.parts.pop(device, None)
        for known in () if old is None else old.metrics:
            self.by_name.pop((device, known.name), None)
            if self.by_alias.get(known.alias) is known:
                del self.by_alias[known.alias]
        self.size_bytes += part.size_bytes - (0 if old is None else old.size_bytes)
        self.parts[device] = part
        self.changed.add(device)
        self.shapes.clear()
        robbed: dict[str, set[int]] = {}
        for known in part.metrics:
            self.by_name[device, known.name] = known
            if known.alias >= 0:
                owner = self.by_alias.get(known.alias)
                if owner is not None and owner.device != device:
                    robbed.setdefault(owner.device, set()).add(known.alias)
                self.by_alias[known.alias] = known
        for other, aliases in robbed.items():
            self._rob(other, aliases)

    def _rob(self, device: str, aliases: Collection[int]) -> None:
        """Take aliases from a part whose they were: they are another's by a later birth.

        Then it does not matter in which order parts are read back after a restart.
        """
        part = self.parts[device]
        metrics = tuple(
            one._replace(alias=-1) if one.alias in aliases else one for one in part.metrics
        )
        self.parts[device] = part._replace(metrics=metrics)
        self.by_name |= {(device, one.name): one for one in metrics}
        self.by_alias |= {one.alias: one for one in metrics if one.alias >= 0}
        self.changed.add(device)

    def size_with(self, device: str, part: Part) -> int:
        """Return what all parts would take, if this were the part of a device."""
        old = self.parts.get(device, Part())
        return part.size_bytes + (self.size_bytes - old.size_bytes if device else 0)

    def end(self, device: str) -> None:
        """Take in the death of a device; what its birth said stays known."""
        part = self.parts.get(device)
        if part is not None:
            self.parts[device] = part._replace(is_alive=False)
            self.changed.add(device)

    def is_alive(self, device: str) -> bool:
        """Return whether the last word of a device, or of the node, was no death."""
        part = self.parts.get(device)
        return self.is_born and part is not None and (not device or part.is_alive)

    @property
    def devices(self) -> list[str]:
        """Devices that have given birth and not died."""
        return sorted(device for device, part in self.parts.items() if device and part.is_alive)

    def find(self, device: str, metric: Metric, places: Places) -> Known | None:
        """Return what a metric of a data message is; None where a birth must say it first."""
        if metric.alias >= 0:
            known = self.by_alias.get(metric.alias)
            if known is not None and known.device != device:
                owner = known.device or "the node itself"
                reject(QuarantineReason.SCHEMA, f"alias {metric.alias} is one of {owner}")
            return (
                known
                if known is not None or not metric.name
                else self._named(device, metric, places)
            )
        return self._named(device, metric, places)

    def _named(self, device: str, metric: Metric, places: Places) -> Known:
        known = self.by_name.get((device, metric.name))
        return known if known is not None else known_of(device, metric, places)

    def use(self, device: str, metrics: Sequence[Metric], places: Places) -> list[Use] | None:
        """Return what the metrics of a message are; None where a birth must say it first."""
        uses = []
        for metric in metrics:
            known = self.find(device, metric, places)
            if known is None:
                return None
            uses.append(use_of(known, metric))
        return uses

    def advance(self, seq: int) -> int:
        """Take in a message's ``seq``; return how many messages are missing before it."""
        missing = 0
        if seq >= 0:
            if self.seq >= 0 and seq != self.seq:  # the same again: it was sent twice
                missing = (seq - self.seq - 1) & SEQ_BITS
            self.seq = seq
        return missing

    def count(self, seq: int) -> None:
        """Take in that one message has come of which no more can be told: it is refused.

        What is missing before it stays missing, to be told with the next one.
        """
        if seq >= 0 and seq != self.seq:
            self.seq = seq if self.seq < 0 else (self.seq + 1) & SEQ_BITS


def known_of(device: str, metric: Metric, places: Places) -> Known:
    """Return what a metric says of itself."""
    place = places(device, metric.name, metric.unit)
    return Known(device, metric.name, metric.datatype, place, metric.alias, metric.unit)


def use_of(known: Known, metric: Metric) -> Use:
    """Return a metric of a message with what it is."""
    return Use(known, metric, signed(metric.value, metric.datatype or known.datatype))


def part_of(device: str, metrics: Iterable[Metric], places: Places) -> Part:
    """Return what a birth says; metrics without a name cannot be known by it."""
    return Part(tuple(known_of(device, metric, places) for metric in metrics if metric.name))


def rows_of(uses: Sequence[Use], time_ms: int, named: tuple[str, str]) -> list[Found]:
    """Return what a message holds: a row for each profile, time and lane."""
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
        Found(named, profile, at_ms, (row,), is_historical)
        for (_, at_ms, is_historical), (profile, row) in rows.items()
    ]


class Shapes:
    """Forms of messages that are read at once; nodes of one kind share them."""

    def __init__(self) -> None:
        self._shapes: dict[object, Shape] = {}

    def remember(self, uses: Sequence[Use], profile: Profile, record: Record, node: Node) -> None:
        """Read the next message of this form at once, where it is plain enough."""
        if not all(is_number(use.value) for use in uses):
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
        key = form.key, profile.name, scales
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = Shape(form, profile, scales)
        node.shapes[record.topic, len(record.payload)] = shape
