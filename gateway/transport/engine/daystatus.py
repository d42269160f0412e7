"""What each detector's day is called: the tests of PeMS, summed up quarter by quarter."""

from collections.abc import Iterable, Iterator

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.ports import Alarm, Result
from gateway.registry import Registry
from gateway.transport.engine.quarters import Rows, windows
from gateway.transport.engine.telling import encode
from gateway.transport.health import (
    ALARM_KIND,
    DayStatus,
    DayTally,
    Fault,
    HealthPolicy,
    Tree,
    day_status,
    day_tally,
    is_constant,
)
from gateway.transport.series import Bins, Method, Road

DETECTORS = "detectors"
_MOST_DAYS = 3
_MISCOUNTS = {
    ALARM_KIND[Fault.OVER_COUNT]: DayStatus.FLOW_CONSERVATION,
    ALARM_KIND[Fault.UNDER_COUNT]: DayStatus.FLOW_CONSERVATION,
    ALARM_KIND[Fault.CROSS_TALK]: DayStatus.LANE_SHARE,
}
_MS_PER_MIN, _HOUR_MS, _DAY_H = 60_000, 3_600_000, 24


class DayStatusBook:
    """Tallies of days, a quarter of an hour at a time; whoever keeps the bins says which are due.

    Args:
        registry: what detectors hang on; None where no file says it.
    """

    def __init__(self, registry: Registry | None) -> None:
        self._registry = registry
        self._kept: dict[int, dict[int, DayTally]] = {}  # day → quarter → tally

    def put(self, day: int, quarter: int, rows: Rows, road: Road, policy: HealthPolicy) -> None:
        """Count the rows of a quarter."""
        lanes = len(road.device_index)
        total = _nothing(lanes, rows.profile.interval_s * 1000, policy)
        for chosen, window in windows(rows, road, quarter):
            found = day_tally(window, policy)
            # who measures less often than usual has fewer rows to show, each as good as several
            weight = total.expected / found.expected
            for column, part in zip(_columns(total), _columns(found), strict=True):
                column[chosen] += part * weight
        self._kept.setdefault(day, {})[quarter] = total
        while len(self._kept) > _MOST_DAYS:
            del self._kept[min(one for one in self._kept if one != day)]

    def lines(
        self, day: int, lanes: Bins, road: Road, alarms: Iterable[Alarm], policy: HealthPolicy
    ) -> Iterator[Result]:
        """Yield a line for each detector of a day of which all quarters are here.

        Args:
            day: its number.
            lanes: its bins of five minutes.
            road: rows of the bins.
            alarms: that lasted some time of it.
            policy: limits.
        """
        parts = list(self._kept.get(day, {}).values())
        if not parts or len(parts[0].samples) != len(road.device_index):
            return
        tally = DayTally.summed(parts, is_constant(_levels(lanes, policy), policy))
        tree = self._tree(road, lanes.start_ms)
        miscounts = _miscounts(alarms, road)
        found = day_status(tally, tree, road.class_of_lanes(), miscounts, policy)
        end_ms = lanes.start_ms + lanes.slots * lanes.interval_ms
        for lane, name in enumerate(road.devices):
            rows = max(float(tally.samples[lane]), 1.0)
            body = {
                "status": DayStatus(int(found[lane])).name.lower(),
                "samples": round(float(tally.samples[lane])),
                "expected": tally.expected,
                "zero_occupancy": round(float(tally.zero[lane]) / rows, 4),
                "high_occupancy": round(float(tally.high[lane]) / rows, 4),
                "covered_without_count": round(float(tally.covered[lane]) / rows, 4),
                "count_without_occupancy": round(float(tally.ghosts[lane]) / rows, 4),
                "is_constant": bool(tally.is_constant[lane]),
            }
            yield Result(DETECTORS, f"device:{name}", lanes.start_ms, end_ms, encode(body))

    def _tree(self, road: Road, time_ms: int) -> Tree:
        feeds: dict[str, int] = {}
        lines: dict[str, int] = {}
        controllers: dict[str, int] = {}
        found = np.full((3, len(road.devices)), -1, np.int64)
        for row, name in enumerate(road.devices):
            device = self._registry.device(name) if self._registry is not None else None
            if device is None or self._registry is None:
                continue
            standing = self._registry.at(name, time_ms)
            found[0, row] = feeds.setdefault(device.org, len(feeds))
            for level, known, above in (
                (1, lines, standing.uplink),
                (2, controllers, standing.cabinet),
            ):
                if above:
                    found[level, row] = known.setdefault(above, len(known))
        return Tree(found[0], found[1], found[2], road.station)


def _columns(tally: DayTally) -> tuple[FloatArray, ...]:
    return tally.samples, tally.zero, tally.high, tally.covered, tally.ghosts


def _nothing(lanes: int, interval_ms: int, policy: HealthPolicy) -> DayTally:
    hours = policy.daily.to_hour - policy.daily.from_hour
    samples, zero, high, covered, ghosts = np.zeros((5, lanes))
    still = np.zeros(lanes, np.bool_)
    return DayTally(hours * _HOUR_MS // interval_ms, samples, zero, high, covered, ghosts, still)


def _levels(lanes: Bins, policy: HealthPolicy) -> FloatArray:
    """Return occupancies of five minutes that were measured whole, in the hours that are judged."""
    hour = (lanes.slot_ms() + policy.utc_offset_min * _MS_PER_MIN) // _HOUR_MS % _DAY_H
    inside = (hour >= policy.daily.from_hour) & (hour < policy.daily.to_hour)
    seen: BoolArray = (lanes.method == int(Method.OBSERVED)) & (lanes.observed >= 1) & inside
    return np.where(seen, lanes.occupancy, np.nan)


def _miscounts(alarms: Iterable[Alarm], road: Road) -> IntArray:
    row = {f"device:{name}": lane for lane, name in enumerate(road.devices)}
    found = np.zeros(len(road.devices), np.int64)
    for one in alarms:
        if one.kind in _MISCOUNTS and one.place in row:
            found[row[one.place]] = int(_MISCOUNTS[one.kind])
    return found
