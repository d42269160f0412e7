"""What stands at the road, in words: alarms and lines of tolls, scales, radars and weather."""

from collections.abc import Iterable, Sequence

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.ports import Alarm, Result
from gateway.registry import NodeKind, Registry
from gateway.transport import aggregate
from gateway.transport.engine.roster import Roster
from gateway.transport.engine.telling import encode, rounded
from gateway.transport.incidents import WrongWayDriver
from gateway.transport.policy import Bins as BinPolicy
from gateway.transport.series import BIN_MS, Vehicles
from gateway.transport.tolls import (
    Lanes,
    Passages,
    Periods,
    ReaderChange,
    TollPolicy,
    figures,
)
from gateway.transport.warnings import Warned
from gateway.transport.weigh import (
    Fault,
    Overload,
    Weighed,
    WeighPolicy,
    faults,
    overloads,
    tally,
)

READER_FAILED = "toll_reader_failed"
TOLL_HOURS, WEIGHINGS, VEHICLES = "tolls", "weighing", "vehicles"
HOUR_MS = 3_600_000
_NOTE, _WARNING, _SERIOUS, _CRITICAL = 1, 2, 3, 4
_SURE = 0.99
STEERING = "steering_axles"  # their number, the sum of their loads and of the squares, kg
_WAYS = ("in", "out")
_SECTOR = "transport"
_CLASSES = ("unknown", "moto", "car", "bus", "truck", "long")


class Words:
    """Names of devices, and where they stand.

    Args:
        roster: names.
        registry: None where no file says anything.
    """

    def __init__(self, roster: Roster, registry: Registry | None) -> None:
        self._roster, self._registry = roster, registry
        self.now_ms = 0  # the moment of which the registry is asked

    def name(self, device_index: int) -> str:
        """Return the name of a device."""
        return self._roster.name(device_index)

    def place(self, device_index: int) -> str:
        """Return the section a device stands in, itself where none is known."""
        section = self._above(device_index, NodeKind.SECTION)
        return f"section:{section}" if section else f"device:{self.name(device_index)}"

    def plazas(self, device_index: IntArray) -> IntArray:
        """Return a number for the station of each toll lane; a lane without one is alone."""
        names = [
            self._above(one, NodeKind.STATION) or self.name(one) for one in device_index.tolist()
        ]
        return np.unique(np.array(names), return_inverse=True)[1].astype(np.int64)

    def known(self, device_index: IntArray) -> BoolArray:
        """Return which devices have a name."""
        return np.array([self._roster.knows(one) for one in device_index.tolist()], np.bool_)

    def gates(self, device_index: IntArray) -> dict[str, dict[int, bool]]:
        """Return all gates of the sites that these devices are gates of: which of them lead in."""
        if self._registry is None:
            return {}
        hung = [
            one.id
            for one in self._registry.devices()
            if one.sector == _SECTOR and any(fact.direction in _WAYS for fact in one.lane)
        ]
        found: dict[str, dict[int, bool]] = {}
        for one in self._roster.named(set(hung)).tolist():
            site, lane = self._above(one, NodeKind.SITE), self._lane(one)
            if site and lane in _WAYS:
                found.setdefault(f"site:{site}", {})[one] = lane == _WAYS[0]
        passed = set(device_index.tolist())
        return {place: gates for place, gates in found.items() if passed & gates.keys()}

    def _lane(self, device_index: int) -> str:
        assert self._registry is not None  # noqa: S101  # it named the device
        lane = self._registry.at(self.name(device_index), self.now_ms).lane
        return "" if lane is None else lane.direction

    def at_road(self, device_index: IntArray) -> BoolArray:
        """Return which devices stand at a station of a road."""
        known = {
            one: self._roster.knows(one) and bool(self._above(one, NodeKind.STATION))
            for one in np.unique(device_index).tolist()
        }
        return np.array([known[one] for one in device_index.tolist()], np.bool_)

    def _above(self, device_index: int, kind: NodeKind) -> str:
        name = self.name(device_index)
        if self._registry is None or self._registry.device(name) is None:
            return ""
        node = self._registry.at(name, self.now_ms).parent(kind)
        return "" if node is None else node.id


def reader_alarm(one: ReaderChange, device: str, standing: Iterable[Alarm]) -> Alarm | None:
    """Return that a reader fails, or that it works again; None where nobody said that it failed."""
    place = f"device:{device}"
    if one.is_failed:
        span = one.from_ms, one.found_ms, 0
        return Alarm(READER_FAILED, place, *span, _WARNING, _SURE, encode({}))
    mine = [alarm for alarm in standing if (alarm.kind, alarm.place) == (READER_FAILED, place)]
    return mine[-1]._replace(cleared_ms=one.from_ms) if mine else None


def overload_alarm(one: Overload, seen: Weighed, device: str) -> Alarm:
    """Return that a vehicle carried more than it may."""
    at_ms = int(seen.time_ms[one.vehicle])
    evidence: dict[str, object] = {
        "what": one.what,
        "weighed_kg": rounded(one.weighed_kg, 0),
        "limit_kg": rounded(one.limit_kg, 0),
        "excess": rounded(one.excess, 3),
        "axles": int(seen.axles[one.vehicle]),
        "gross_kg": rounded(float(seen.gross_kg[one.vehicle]), 0),
    }
    place = f"device:{device}"
    return Alarm("overload", place, at_ms, at_ms, at_ms, one.severity, _SURE, encode(evidence))


def wrong_way_alarm(one: WrongWayDriver, place: str) -> Alarm:
    """Return that somebody drives against the traffic."""
    evidence: dict[str, object] = {
        "speed_kmh": rounded(one.speed_kmh, 1),
        "class": _CLASSES[one.kind],
        "lane_from_kerb": one.lane or None,
    }
    severity = _CRITICAL if one.is_serious else _WARNING
    at_ms = one.time_ms
    return Alarm("wrong_way", place, at_ms, at_ms, at_ms, severity, _SURE, encode(evidence))


def warning_alarm(one: Warned, place: str) -> Alarm:
    """Return a warning of weather or water."""
    evidence: dict[str, object] = {
        "level": one.level,
        one.measure: rounded(one.worst, 2),
        "is_stale": one.is_stale,
    }
    severity = min(_NOTE + one.level, _CRITICAL)
    span = one.from_ms, one.from_ms, one.to_ms
    return Alarm(one.kind, place, *span, severity, _SURE, encode(evidence))


def toll_lines(
    seen: Passages, lanes: Lanes, names: Sequence[str], start_ms: int, policy: TollPolicy
) -> list[Result]:
    """Return how well each toll lane worked in an hour."""
    found = figures(seen, lanes, Periods(start_ms, HOUR_MS, 1), policy)
    end_ms = start_ms + HOUR_MS
    lines = []
    for row, name in enumerate(names):
        body: dict[str, object] = {
            "passages": rounded(float(found.passages[row, 0]), 0),
            "repeated_reads": rounded(float(found.repeated[row, 0]), 0),
            "etc_share": rounded(float(found.etc_share[row, 0]), 4),
            "read_rate": rounded(float(found.read_rate[row, 0]), 4),
            "exception_rate": rounded(float(found.exception_rate[row, 0]), 4),
            "class_mismatch_share": rounded(float(found.mismatch_share[row, 0]), 4),
            "transaction_p95_ms": rounded(float(found.p95_ms[row, 0]), 0),
            "uptime": rounded(float(found.uptime[row, 0]), 4),
        }
        lines.append(Result(TOLL_HOURS, f"device:{name}", start_ms, end_ms, encode(body)))
    return lines


def weighing_lines(
    seen: Weighed, names: Sequence[str], start_ms: int, policy: WeighPolicy
) -> list[Result]:
    """Return what each scale weighed in an hour."""
    inside = seen.take((seen.time_ms >= start_ms) & (seen.time_ms < start_ms + HOUR_MS))
    bits, over = faults(inside, policy), overloads(inside, policy)
    accused = np.array([one.vehicle for one in over], np.int64)
    steering = np.stack(tally(inside, len(names), policy), axis=1)
    lines = []
    for row, name in enumerate(names):
        here = inside.scale == row
        sound = here & (bits == 0)
        body: dict[str, object] = {
            "vehicles": int(here.sum()),
            "sound": int(sound.sum()),
            "overloaded": int((inside.scale[accused] == row).sum()),
            "gross_t": rounded(float(inside.gross_kg[sound].sum()) / 1000, 3),
            STEERING: [rounded(one, 0) for one in steering[row].tolist()],
            "faults": {
                fault.name.lower(): count
                for fault in Fault
                if fault.name and (count := int((bits[here] & fault != 0).sum()))
            },
        }
        lines.append(
            Result(WEIGHINGS, f"device:{name}", start_ms, start_ms + HOUR_MS, encode(body))
        )
    return lines


def vehicle_lines(
    seen: Vehicles, devices: IntArray, names: Sequence[str], start_ms: int, policy: BinPolicy
) -> list[Result]:
    """Return what each radar saw in an hour, in bins of five minutes."""
    span = start_ms, BIN_MS, HOUR_MS // BIN_MS
    found = aggregate.bins_of_vehicles(seen, devices, span, policy)
    whole = aggregate.bins_of_vehicles(seen, devices, (start_ms, HOUR_MS, 1), policy)
    density = aggregate.density_veh_km(found)
    lines = []
    for row, name in enumerate(names):
        body: dict[str, object] = {
            "vehicles": rounded(float(whole.count[row, 0]), 0),
            "speed_kmh": rounded(float(whole.speed_kmh[row, 0]), 2),
            "space_mean_speed_kmh": rounded(float(whole.space_kmh[row, 0]), 2),
            "v85_kmh": rounded(float(whole.v85_kmh[row, 0]), 1),
            "headway_s": rounded(float(aggregate.headway_s(whole)[row, 0]), 2),
            "by_class": {
                name: rounded(float(whole.class_count[number, row, 0]), 0)
                for number, name in enumerate(_CLASSES[1:])
            },
            "flow_veh_h": _list(found.flow_veh_h()[row], 0),
            "speeds_kmh": _list(found.speed_kmh[row], 1),
            "density_veh_km": _list(density[row], 1),
        }
        lines.append(Result(VEHICLES, f"device:{name}", start_ms, start_ms + HOUR_MS, encode(body)))
    return lines


def _list(values: FloatArray, decimals: int) -> list[float | int | None]:
    return [rounded(one, decimals) for one in values.tolist()]
