"""What is known of a Sparkplug edge node: what its births named, where ``seq`` stands."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite, nan
from typing import NamedTuple, cast

import numpy as np
from typing_extensions import override

from gateway.decode.foreign.quantities import Place, Quantities
from gateway.decode.foreign.sparkplug_payload import SIGNED_TYPES, Metric, Value, signed
from gateway.decode.foreign.sparkplug_shape import Form
from gateway.decode.wire import MAX_INT, reject
from gateway.model import FloatArray, QuarantineReason
from gateway.profiles import Profile

SEQ_BITS = 255  # seq counts 0…255 and begins anew (§6.4.5)
REBIRTH_EVERY_MS = 60_000  # a node that does not answer is not asked with every message
MAX_SHAPES = (
    1024  # of a node, and of all: a form is a list of metrics, and a kind of node has a few
)
_MAX_KNOWN = 65_536  # metrics of one node; what an attacker's births could name
_FLOAT_TYPE = 9
# Values are rounded to parts of a column's scaled unit: what floating point leaves behind is
# smaller (941481.3999999999), what a sensor resolves larger. Single precision has seven digits.
_PARTS, _SINGLE_PARTS = 1e6, 1e3


class Scale(NamedTuple):
    """The way from a metric's number to its column's; the same for one value and for many."""

    at: int  # in a row
    factor: float
    parts: float  # of a scaled unit that are kept
    most: float  # from here on parts are no longer exact
    datatype: int

    @classmethod
    def of(cls, place: Place, datatype: int) -> "Scale":
        """Return the scale of a metric of that type."""
        factor = float(place.convert(1) or 0.0)
        parts = _SINGLE_PARTS if datatype == _FLOAT_TYPE else _PARTS
        return cls(place.at, factor, parts, MAX_INT / parts / max(factor, 1.0), datatype)

    @property
    def is_signed(self) -> bool:
        """Whether integers come as two's complement."""
        return self.datatype in SIGNED_TYPES

    def apply(self, raw: float) -> float:
        """Return the number of the column; not finite is NaN, not measured.

        One that no column could hold is as it is: ``screen`` refuses the row for its limits.
        """
        if -self.most < raw < self.most:
            return round(raw * (self.factor * self.parts)) / self.parts
        return raw * self.factor if isfinite(raw) else nan


class Known(NamedTuple):
    """What a birth said of a metric."""

    device: str  # "" for the node itself
    name: str
    datatype: int
    place: Place | None


class Shape:
    """How messages of a form become rows of a profile; implements ``ports.Raw``."""

    def __init__(self, form: Form, profile: Profile, scales: Sequence[Scale]) -> None:
        self.take = form
        self.profile, self.sector = profile.name, profile.sector
        self.count = len(scales)
        self.signed = [(at, scale.datatype) for at, scale in enumerate(scales) if scale.is_signed]
        self._width = len(profile.columns) + 2
        self._places = [scale.at for scale in scales]
        self._factors = np.array([scale.factor for scale in scales])
        self._parts = np.array([scale.parts for scale in scales])
        self._most = np.array([scale.most for scale in scales])

    @override
    def __repr__(self) -> str:
        """Return what it is, for people."""
        return f"Shape({self.profile}, {self.count} metrics)"

    def rows(self, values: FloatArray) -> FloatArray:
        """Return rows [0, value…, status] in scaled units; ``values`` has shape (n, count)."""
        with np.errstate(invalid="ignore", over="ignore"):
            exact = np.rint(values * (self._factors * self._parts)) / self._parts
            scaled = np.where(np.abs(values) < self._most, exact, values * self._factors)
        scaled[~np.isfinite(values)] = np.nan
        table = np.full((len(values), self._width), np.nan)
        table[:, 0] = 0
        table[:, self._places] = scaled
        return table


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


def is_number(value: Value) -> bool:
    """Return whether a value can be one of a column."""
    return type(value) is int or type(value) is float


def with_signs(values: Sequence[float], places: Sequence[tuple[int, int]]) -> Sequence[float]:
    """Return numbers with those of signed types made what they mean."""
    found = list(values)
    for at, datatype in places:
        if type(found[at]) is int:
            found[at] = cast("int", signed(found[at], datatype))
    return found
