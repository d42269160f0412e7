"""Orders of scenarios made complete: where, when and how strong, drawn by the seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simulators.chance import between, mix, unit
from simulators.city.frame import Scenario, Span
from simulators.city.grid.layout import CABINET, PHASES, Layout
from simulators.city.grid.roster import Roster


@dataclass(frozen=True)
class Range:
    """A number that an order may fix."""

    low: float
    high: float
    usual: tuple[float, float]  # drawn between these


@dataclass(frozen=True)
class Kind:
    """What a scenario needs."""

    at: str  # meter | three-phase meter | transformer | feeder | concentrator | substation
    numbers: Mapping[str, Range]
    lasts: tuple[float, float] | None  # share of the run; None: from some moment to its end


_SHARE = Range(0.005, 0.5, (0.1, 0.5))
_PHASE = Range(1, PHASES, (1, PHASES + 0.999))
KINDS: Mapping[str, Kind] = {
    "theft": Kind("meter", {"share": _SHARE}, None),
    "bypass": Kind("meter", {"share": Range(0.5, 1.0, (0.7, 1.0))}, None),
    "reversed_ct": Kind("three-phase meter", {"phase": _PHASE}, None),
    "meter_stopped": Kind("meter", {}, None),
    "feeder_outage": Kind("feeder", {}, (0.02, 0.06)),
    "transformer_outage": Kind("transformer", {}, (0.02, 0.08)),
    "service_outage": Kind("meter", {}, (0.02, 0.08)),
    "phase_loss": Kind("transformer", {"phase": _PHASE}, (0.05, 0.1)),
    "voltage_out_of_band": Kind("feeder", {"factor": Range(0.8, 1.15, (0.83, 0.87))}, (0.1, 0.2)),
    "overload": Kind("transformer", {"factor": Range(1.1, 3.0, (2.0, 2.4))}, (0.2, 0.4)),
    "wrong_transformer": Kind("meter", {}, (1.0, 1.0)),
    "comms_outage": Kind("concentrator", {}, (0.05, 0.1)),
    "frequency_deviation": Kind("substation", {"hz": Range(-2, 2, (-0.6, -0.3))}, (0.02, 0.05)),
    "clock_drift": Kind("meter", {"offset_s": Range(-3600, 3600, (90, 600))}, None),
}
_WHOLE = ("phase",)  # numbers without fractions
_EARLIEST, _LATEST = 0.3, 0.5  # of the run: what lasts to its end begins here, after a clean time


class Orders:
    """Completes what an order leaves open."""

    def __init__(self, seed: int, layout: Layout, roster: Roster, slot_ms: int) -> None:
        self._seed, self._layout, self._roster, self._slot_ms = seed, layout, roster, slot_ms

    def draw(self, kind: str, span: Span, ordinal: int, wish: Mapping[str, object]) -> Scenario:
        """See ``frame.World.draw``."""
        wanted = KINDS[kind]
        key = mix(self._seed, 50, ordinal, sum(kind.encode()))
        unknown = wish.keys() - wanted.numbers.keys() - {"where", "from_ms", "to_ms"}
        if unknown:
            raise ValueError(f"{kind}: no parameter {min(unknown)!r}")
        numbers: dict[str, float | str] = {
            name: _number(kind, name, allowed, wish.get(name), mix(key, k))
            for k, (name, allowed) in enumerate(wanted.numbers.items())
        }
        where = wish.get("where") or self._place(wanted.at, key)
        self._check_place(kind, wanted.at, str(where))
        if kind == "wrong_transformer":
            numbers["registered"] = self._other_transformer(str(where), key)
        times = self._times(wanted, span, key, wish)
        return Scenario(kind, str(where), times.from_ms, times.to_ms, numbers)

    def _place(self, at: str, key: int) -> str:
        names = self._names(at)
        if not names:
            raise ValueError(f"this city has no {at}")
        return names[mix(key, 90) % len(names)]

    def _names(self, at: str) -> Sequence[str]:
        roster, layout = self._roster, self._layout
        nodes = {
            "transformer": roster.transformers,
            "feeder": roster.feeders,
            "concentrator": roster.concentrators,
            "substation": roster.substations,
        }
        if at in nodes:
            return nodes[at]
        if at == "three-phase meter":
            who = np.flatnonzero(layout.is_three_phase)
        else:  # a customer with a roof of panels may draw nothing by day: not the usual thief
            who = np.flatnonzero((layout.kind != CABINET) & (layout.solar_w == 0))
        return [roster.customers[k] for k in who]

    def _check_place(self, kind: str, at: str, where: str) -> None:
        roster = self._roster
        allowed: Sequence[str] = self._names(at)
        if at in {"meter", "concentrator"}:
            allowed = [*allowed, *roster.customers]
        if where not in allowed:
            raise ValueError(f"{kind}: no {at} {where!r} in this city")

    def _other_transformer(self, meter: str, key: int) -> str:
        """Return a neighbour: a wrong entry is a street away, not at the other end of town."""
        own = int(self._layout.transformer[self._roster.customer(meter)])
        count = len(self._roster.transformers)
        if count == 1:
            raise ValueError("wrong_transformer: this city has only one transformer")
        step = 1 if unit(key, 91) < 0.5 else -1  # noqa: PLR2004 - a coin
        other = own + step if 0 <= own + step < count else own - step
        return self._roster.transformers[other]

    def _times(self, wanted: Kind, span: Span, key: int, wish: Mapping[str, object]) -> Span:
        length_ms = span.to_ms - span.from_ms
        if wanted.lasts is None:
            begin = between(_EARLIEST, _LATEST, key, 92)
            lasts = 1.0 - begin
        else:
            lasts = between(*wanted.lasts, key, 93)
            begin = between(min(0.2, 1 - lasts), max(0.0, 0.9 - lasts), key, 92)
        from_ms = _whole(wish.get("from_ms"), span.from_ms + round(begin * length_ms))
        to_ms = _whole(wish.get("to_ms"), from_ms + round(lasts * length_ms))
        from_ms -= from_ms % self._slot_ms
        to_ms = max(to_ms - to_ms % self._slot_ms, from_ms + 2 * self._slot_ms)
        return Span(from_ms, min(to_ms, max(span.to_ms, from_ms + self._slot_ms)))


def _whole(wish: object, drawn: int) -> int:
    return wish if isinstance(wish, int) else drawn


def _number(kind: str, name: str, allowed: Range, wish: object, key: int) -> float:
    if wish is None:
        drawn = between(*allowed.usual, key)
        return float(int(drawn)) if name in _WHOLE else round(drawn, 4)
    if not isinstance(wish, int | float) or not allowed.low <= wish <= allowed.high:
        raise ValueError(f"{kind}: {name} must be {allowed.low} to {allowed.high}")
    return float(wish)
