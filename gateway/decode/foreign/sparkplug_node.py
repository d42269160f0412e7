"""What is known of a Sparkplug edge node: what its births named, where ``seq`` stands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import NamedTuple, cast

from gateway.decode.foreign.quantities import Place, Quantities
from gateway.decode.foreign.sparkplug_payload import SIGNED_TYPES, Metric, Value, signed
from gateway.decode.foreign.sparkplug_shape import Take
from gateway.decode.wire import MAX_INT, reject
from gateway.model import QuarantineReason

SEQ_BITS = 255  # seq counts 0…255 and begins anew (§6.4.5)
REBIRTH_EVERY_MS = 60_000  # a node that does not answer is not asked with every message
MAX_SHAPES = 64  # of a node: a form is a list of metrics, and each device has a few
_MAX_KNOWN = 65_536  # metrics of one node; what an attacker's births could name
_FLOAT_TYPE = 9
# Values are rounded to parts of a column's scaled unit: what floating point leaves behind is
# smaller (941481.3999999999), what a sensor resolves larger. Single precision has seven digits.
_PARTS, _SINGLE_PARTS = 1e6, 1e3

Cell = tuple[int, Callable[[float], float | None]]


class Known(NamedTuple):
    """What a birth said of a metric."""

    device: str  # "" for the node itself
    name: str
    datatype: int
    place: Place | None


class Shape(NamedTuple):
    """How the next message of a form becomes a row."""

    take: Take
    profile: str
    sector: str
    width: int
    cells: Sequence[Cell]
    lane: str


class Use(NamedTuple):
    """A metric of a message and what it is."""

    known: Known
    metric: Metric
    value: Value  # signed where its type says so


@dataclass(slots=True)
class Node:
    """State of one edge node. Aliases are the node's, its devices share them (§6.4.6)."""

    by_alias: dict[int, Known] = field(default_factory=dict)
    by_name: dict[tuple[str, str], Known] = field(default_factory=dict)
    devices: set[str] = field(default_factory=set)
    shapes: dict[tuple[bytes, int], Shape] = field(default_factory=dict)
    seq: int = -1
    bd_seq: int = -1
    is_born: bool = False
    asked_ms: int = -REBIRTH_EVERY_MS

    def begin(self, bd_seq: int) -> None:
        """Forget what was known: the node gives birth."""
        self.by_alias.clear()
        self.by_name.clear()
        self.shapes.clear()
        self.devices.clear()
        self.is_born, self.bd_seq = True, bd_seq

    def learn(self, device: str, metric: Metric, quantities: Quantities) -> None:
        """Take in a metric of a birth."""
        if not metric.name:
            return
        if len(self.by_name) >= _MAX_KNOWN:
            reject(QuarantineReason.TOO_LARGE, f"more than {_MAX_KNOWN} metrics of one node")
        place = quantities.place(metric.name, metric.unit)
        known = Known(device, metric.name, metric.datatype, place)
        self.by_name[device, metric.name] = known
        if metric.alias >= 0:
            self.by_alias[metric.alias] = known

    def find(self, device: str, metric: Metric, quantities: Quantities) -> Known | None:
        """Return what a metric of a data message is; None where a birth must say it first."""
        if metric.alias >= 0:
            known = self.by_alias.get(metric.alias)
            if known is not None and known.device != device:
                owner = known.device or "the node itself"
                reject(QuarantineReason.SCHEMA, f"alias {metric.alias} is one of {owner}")
            return (
                known
                if known is not None or not metric.name
                else self._named(device, metric, quantities)
            )
        return self._named(device, metric, quantities)

    def _named(self, device: str, metric: Metric, quantities: Quantities) -> Known:
        known = self.by_name.get((device, metric.name))
        if known is not None:
            return known
        return Known(
            device, metric.name, metric.datatype, quantities.place(metric.name, metric.unit)
        )

    def use(
        self, device: str, metrics: Sequence[Metric], quantities: Quantities
    ) -> list[Use] | None:
        """Return what the metrics of a message are; None where a birth must say it first."""
        uses = []
        for metric in metrics:
            known = self.find(device, metric, quantities)
            if known is None:
                return None
            datatype = metric.datatype or known.datatype
            uses.append(Use(known, metric, signed(metric.value, datatype)))
        return uses

    def advance(self, seq: int) -> int:
        """Take in a message's ``seq``; return how many messages are missing before it."""
        missing = 0
        if seq >= 0:
            if self.seq >= 0 and seq != self.seq:  # the same again: it was sent twice
                missing = (seq - self.seq - 1) & SEQ_BITS
            self.seq = seq
        return missing


def cell_of(use: Use) -> Cell | None:
    """Return how raw numbers of a metric become its column's; None where it has none."""
    place = use.known.place
    if place is None or not is_number(use.value):
        return None
    datatype = use.metric.datatype or use.known.datatype
    return place.index, scaler(place, datatype)


def is_number(value: Value) -> bool:
    """Return whether a value can be one of a column."""
    return type(value) is int or type(value) is float


def scaler(place: Place, datatype: int) -> Callable[[float], float | None]:
    """Return the way from a metric's number to its column's; not finite is not measured.

    The function raises RejectedError (``limit``) for what no column could hold.
    """
    factor = place.convert(1) or 0.0
    parts = _SINGLE_PARTS if datatype == _FLOAT_TYPE else _PARTS
    times = factor * parts
    most = MAX_INT / parts / max(factor, 1.0)  # where the parts are no longer exact
    is_signed = datatype in SIGNED_TYPES

    def scale(raw: float) -> float | None:
        if is_signed and type(raw) is int:
            raw = cast("int", signed(raw, datatype))
        if -most < raw < most:
            return round(raw * times) / parts
        if not isfinite(raw):
            return None
        value = raw * factor
        if not -MAX_INT <= value <= MAX_INT:
            reject(QuarantineReason.LIMIT, f"{raw} is beyond 2**53")
        return value

    return scale
