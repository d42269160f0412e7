"""Yards behind gates (ports, depots): who came and left in an hour, how full, how long it took.

A yard is a site of the registry; its gates are toll lanes or tag readers that hang on it and whose
``lane`` says which way they lead: ``direction = "in"`` or ``"out"``.
"""

import json
from collections.abc import Iterable, Sequence

import numpy as np

from gateway.model import IntArray, ReadingBatch
from gateway.ports import Result
from gateway.profiles import Profile
from gateway.store import StoreReader
from gateway.store.derived import DerivedReader
from gateway.transport.engine.alarms import DOMAIN
from gateway.transport.engine.policies import TransportPolicies
from gateway.transport.engine.roadwords import Words
from gateway.transport.engine.telling import encode, rounded
from gateway.transport.logistics import Moves, gate_counts, stays, yard
from gateway.transport.tolls import Lanes, is_repeated, passages

GATES = "gates"
_HOUR_MS = 3_600_000
_MOST_HOURS = 721  # a yard that nobody passed for a month begins anew
_MOST_KNOWN = 1_000  # yards and hours told of late, whose lines may not be written yet
_CLASSES = ("unknown", "moto", "car", "bus", "truck", "long")


class YardWork:
    """Sums hours of gates up.

    Args:
        reader: passages.
        recall: hours told before: what was in the yard.
        profile: of passages.
        words: which lanes are gates, and of which site.
    """

    def __init__(
        self, reader: StoreReader, recall: DerivedReader, profile: Profile, words: Words
    ) -> None:
        self._reader, self._recall, self._profile, self._words = reader, recall, profile, words
        self._inside: dict[tuple[str, int], float] = {}  # place, begin → vehicles at its end

    def lines(self, devices: IntArray, start_ms: int, policies: TransportPolicies) -> list[Result]:
        """Return an hour of each yard whose gates are among the devices."""
        lines = []
        for place, gates in sorted(self._words.gates(devices).items()):
            moves = self._moves(gates, start_ms, policies)
            lines.append(self._line(place, moves, start_ms, policies))
        return lines

    def later(self, lines: Sequence[Result]) -> int | None:
        """Return the begin of the next hour told of yards in which more or less stand now.

        Each hour begins with what was in the yard at the end of the one before.
        """
        begins = []
        for one in lines:
            known = self._recall.lines(DOMAIN, GATES, one.from_ms, [one.place]).get(one.place)
            if known is not None and _inside(known) == _inside(one):
                continue
            span = one.to_ms, one.from_ms + _MOST_HOURS * _HOUR_MS
            told = self._recall.results(DOMAIN, Result(GATES, one.place, *span, ""), 1)
            begins += [line.from_ms for line in told]
        return min(begins, default=None)

    def _moves(self, gates: dict[int, bool], start_ms: int, policies: TransportPolicies) -> Moves:
        """Return the passages of gates up to the end of an hour, with those who may leave in it."""
        back_ms = round(policies.logistics_at(start_ms).dwell_back_h * _HOUR_MS)
        span = start_ms - back_ms, start_ms + _HOUR_MS
        parts: Iterable[ReadingBatch] = (
            part
            for one in sorted(gates)
            for part in self._reader.rows_of(self._profile.name, (one, one), *span)
        )
        device = np.array(sorted(gates), np.int64)
        is_in = np.array([gates[one] for one in sorted(gates)])
        lanes = Lanes(device, is_in.astype(np.int64))  # a tag heard twice at the way in came once
        found = [passages(self._profile, part, lanes) for part in parts if len(part)]
        seen = type(found[0])._make(np.concatenate(one) for one in zip(*found, strict=True))
        seen = seen.take(np.argsort(seen.time_ms, kind="stable"))
        seen = seen.take(~is_repeated(seen, lanes, policies.tolls_at(start_ms)))
        kind = np.where(seen.measured > 0, seen.measured, seen.declared)
        return Moves(seen.time_ms, is_in[seen.lane], kind, seen.tag)

    def _line(self, place: str, moves: Moves, start_ms: int, policies: TransportPolicies) -> Result:
        policy, end_ms = policies.logistics_at(start_ms), start_ms + _HOUR_MS
        counts = gate_counts(moves, start_ms, _HOUR_MS, 1)
        full = yard(counts, self._before(place, start_ms), np.inf, policy)
        gone = stays(moves, policy)
        dwell_h = gone.dwell_h()[gone.left_ms >= start_ms]
        inside = float(full.vehicles[0])
        self._inside[place, start_ms] = inside
        while len(self._inside) > _MOST_KNOWN:
            del self._inside[next(iter(self._inside))]
        body: dict[str, object] = {
            "came": int(counts.came[0]),
            "left": int(counts.left[0]),
            "by_class": dict(zip(_CLASSES, counts.by_class[:, 0].tolist(), strict=True)),
            "vehicles_inside": int(inside),
            "missed_entries": int(full.missed[0]),
            "stays": int(dwell_h.size),
            "dwell_median_h": _quantile(dwell_h, 0.5),
            "dwell_p90_h": _quantile(dwell_h, 0.9),
        }
        return Result(GATES, place, start_ms, end_ms, encode(body))

    def _before(self, place: str, start_ms: int) -> float:
        """Return what was in the yard at the end of the newest hour before, 0 if none is known."""
        span = start_ms - _MOST_HOURS * _HOUR_MS, start_ms
        told = self._recall.results(DOMAIN, Result(GATES, place, *span, ""), _MOST_HOURS)
        hours = {one.from_ms: _inside(one) for one in told[-1:]}
        hours |= {
            begin: inside
            for (name, begin), inside in self._inside.items()
            if name == place and span[0] <= begin < start_ms
        }
        return hours[max(hours)] if hours else 0.0


def _inside(line: Result) -> float:
    return float(json.loads(line.body)["vehicles_inside"])


def _quantile(hours: np.ndarray[tuple[int], np.dtype[np.float64]], share: float) -> object:
    return rounded(float(np.quantile(hours, share)), 2) if hours.size else None
