"""Half hours of areas: how complete they are, and the voltages at the customers' meters.

Made of the rollups of all devices; made again whenever one of them changes. A device is expected
from the first half hour on that begins after it was first heard: what it brings of the time before
(its first half hour, a backlog, imported history) is counted as far as it came, and lacks nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from gateway.energy.engine.policies import edition
from gateway.energy.voltage import VoltagePolicy
from gateway.model import FloatArray, ReadingBatch
from gateway.policies import Policies
from gateway.ports import DeviceRow
from gateway.profiles import Profile
from gateway.registry import NodeKind
from gateway.sinks.derived.places import Places
from gateway.sinks.derived.point import Point
from gateway.store import StoreReader
from gateway.store.rolled import shown_profile

HALF_MS = 1_800_000  # the interval of meters
_PAGE = 50_000
_QUARTILES = (5, 50, 95)
_VOLTAGE_LEVELS = (NodeKind.TRANSFORMER, NodeKind.FEEDER)


class Ask(NamedTuple):
    """Whom to ask."""

    store: StoreReader
    profiles: Mapping[str, Profile]
    places: Places
    norms: Policies[VoltagePolicy]
    norm: str


class Known(NamedTuple):
    """A device that should have sent."""

    row: DeviceRow
    profile: str


@dataclass(slots=True)
class _Area:
    """What an area has sent."""

    devices: int = 0
    expected: float = 0.0
    received: float = 0.0
    counted: float = 0.0  # received, as far as it was expected
    good: float = 0.0
    complete: int = 0


@dataclass(slots=True)
class _Volts:
    """Voltages below a node: a value for each meter."""

    mean: list[float] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)


def half_points(ask: Ask, known: list[Known], start_ms: int) -> Iterator[Point]:
    """Yield the half hour of every area, and of what hangs on every transformer and feeder."""
    areas: dict[tuple[str, str], _Area] = {}
    volts: dict[tuple[str, str], _Volts] = {}
    for name, profile in ask.profiles.items():
        devices = [one for one in known if one.profile == name]
        if not devices or not 0 < 1000 * profile.interval_s <= HALF_MS:
            continue
        expected = HALF_MS / (1000 * profile.interval_s)
        rows = _Rollups(ask, profile, start_ms)
        for one in devices:
            area = ask.places.area_of_device(one.row.device, start_ms)
            into = areas.setdefault((one.row.sector, area), _Area())
            came, good = rows.counts.get(one.row.device_index, (0.0, 0.0))
            # of a newcomer nobody could expect what it did not send
            is_new = one.row.first_seen_ms > start_ms
            _count(into, came, good, min(came, expected) if is_new else expected)
            measured = rows.volts.get(one.row.device_index)
            is_connection = ask.places.is_connection(one.row.device, {one.profile}, start_ms)
            if measured is not None and is_connection:
                _hang(volts, measured, ask.places, one.row.device, start_ms)
    for (sector, area), total in ((key, one) for key, one in areas.items() if one.devices):
        yield Point("area_quality", {"sector": sector, "area": area}, _quality(total), start_ms)
    policy = edition(ask.norms, ask.norm, start_ms)
    for (level, name), below in volts.items():
        tags = ask.places.node(level, name, start_ms)
        yield Point("grid_voltage", tags, _spread(below, policy), start_ms)


class _Rollups:
    """The quarters of a half hour of one profile, joined device by device."""

    def __init__(self, ask: Ask, profile: Profile, start_ms: int) -> None:
        self.counts: dict[int, tuple[float, float]] = {}  # readings, of which good
        self.volts: dict[int, tuple[float, float, float]] = {}  # mean, lowest, highest
        shown = shown_profile(profile, "15m")
        names = [column.name for column in profile.columns if column.unit == "V"]
        self._scales = [column.scale for column in profile.columns if column.unit == "V"]
        self._places = {
            what: [shown.column_index(f"{name}_{what}") for name in names]
            for what in ("mean", "min", "max")
        }
        span, after = (start_ms, start_ms + HALF_MS, _PAGE), None
        while True:
            batch, after = ask.store.rollups(profile.name, "15m", None, *span, after)
            self._add(batch)
            if after is None:
                return

    def _add(self, batch: ReadingBatch) -> None:
        n, good = np.nan_to_num(batch.values[:, 0]), np.nan_to_num(batch.values[:, 1])
        columns = {what: self._volts_of(batch, what) for what in self._places}
        rows = zip(batch.device_index.tolist(), n.tolist(), (n * good).tolist(), strict=True)
        for row, (device, count, fine) in enumerate(rows):
            before, well = self.counts.get(device, (0.0, 0.0))
            self.counts[device] = before + count, well + fine
            mean, low, high = (columns[what][row] for what in ("mean", "min", "max"))
            if np.isfinite(mean).any():
                found = float(np.nanmean(mean)), float(np.nanmin(low)), float(np.nanmax(high))
                known = self.volts.get(device)
                self.volts[device] = found if known is None else _joined(known, found)

    def _volts_of(self, batch: ReadingBatch, what: str) -> FloatArray:
        columns = [
            batch.values[:, place] * scale
            for place, scale in zip(self._places[what], self._scales, strict=True)
            if place is not None
        ]
        shape = (len(batch), 0)
        return np.stack(columns, axis=1) if columns else np.full(shape, np.nan)


def _joined(
    a: tuple[float, float, float], b: tuple[float, float, float]
) -> tuple[float, float, float]:
    return (a[0] + b[0]) / 2, min(a[1], b[1]), max(a[2], b[2])


def _count(into: _Area, received: float, good: float, expected: float) -> None:
    if not expected:
        return
    into.devices += 1
    into.expected += expected
    into.received += received
    into.counted += min(received, expected)
    into.good += good
    into.complete += received >= expected


def _hang(
    volts: dict[tuple[str, str], _Volts],
    measured: tuple[float, float, float],
    places: Places,
    device: str,
    time_ms: int,
) -> None:
    for node in places.parents(device, time_ms):
        if node.kind in _VOLTAGE_LEVELS:
            below = volts.setdefault((node.kind.value, node.id), _Volts())
            for column, value in zip((below.mean, below.low, below.high), measured, strict=True):
                column.append(value)


def _quality(total: _Area) -> dict[str, float | None]:
    return {
        "devices": float(total.devices),
        "expected": total.expected,
        "received": total.received,
        "completeness": total.counted / total.expected,
        "good": total.good / total.received if total.received else None,
        "complete_devices": total.complete / total.devices,
    }


def _spread(below: _Volts, policy: VoltagePolicy) -> dict[str, float | None]:
    rule, nominal_v = policy.voltage, policy.nominal_v
    mean = np.array(below.mean)
    lowest, middle, highest = np.percentile(mean, _QUARTILES).tolist()
    inside = (mean >= rule.low * nominal_v) & (mean <= rule.high * nominal_v)
    return {
        "meters": float(len(mean)),
        "low_v": min(below.low),
        "p5_v": lowest,
        "p50_v": middle,
        "p95_v": highest,
        "high_v": max(below.high),
        "inside": float(inside.mean()),
        "nominal_v": nominal_v,
    }


def known_devices(ask: Ask, latest: Mapping[int, set[str]]) -> list[Known]:
    """Return who should send, by what was ever heard of it.

    Args:
        ask: whom to ask.
        latest: profiles by device index.
    """
    return [
        Known(row, profile)
        for row in ask.store.devices()
        for profile in sorted(latest.get(row.device_index, ()))
    ]
