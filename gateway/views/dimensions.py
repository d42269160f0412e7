"""Nine dimensions of data quality: correct, sufficient, clean and alive (1437.II.2.d.iii).

Each is a share, 1 is best, None where nothing can be said. The whole is as good as its worst part:
a dead meter must not hide behind clean data.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from gateway.model import NO_SEQ, IntArray, Quality, ReadingBatch, Reason
from gateway.policies import Part, Policies, Policy, load_policies
from gateway.profiles import Profile
from gateway.registry import Registry
from gateway.views.daily import Day

DOMAIN, NAME = "quality", "quality"
GROUPS = {
    "correct": ("accuracy", "integrity"),
    "sufficient": ("completeness", "availability"),
    "clean": ("uniqueness", "unusual"),
    "alive": ("timeliness", "inventory", "usability"),
}
# Fit for a bill or an analysis as they are.
_USABLE = np.isin(
    list(Quality), (Quality.VALID, Quality.RECOVERED, Quality.VERIFIED, Quality.EDITED)
)
_READABLE = ~np.isin(list(Quality), (Quality.FAILED, Quality.MISSING))
# What a sound reading may be and a usual one is not.
_UNUSUAL = int(
    Reason.SPIKE
    | Reason.HIGH_LOW
    | Reason.ZERO
    | Reason.INACTIVE_USE
    | Reason.FLAT_LINE
    | Reason.REVERSE
    | Reason.PHASE_CONSISTENCY
    | Reason.POWER_FACTOR
    | Reason.NEIGHBOUR_VOLTAGE
    | Reason.D4_HIGH_VALUE
    | Reason.D5_INTERMITTENT
    | Reason.D6_CONSTANT
    | Reason.D7_FLOW_CONSERVATION
    | Reason.D8_LANE_SHARE
)
_FACTS = 5  # device, place, profile, unit, catalogue entry


class Targets(Part):
    """What each dimension should reach."""

    accuracy: float
    integrity: float
    completeness: float
    availability: float
    timeliness: float
    inventory: float
    usability: float
    uniqueness: float


class QualityPolicy(Policy):
    """One edition of ``policies/quality``."""

    timely_intervals: float
    timely_s_transport: float
    least_timely_s: float
    targets: Targets

    def timely_ms(self, profile: Profile) -> float:
        """Return how old a reading may be when it arrives and still be timely."""
        if profile.sector == "transport":
            return self.timely_s_transport * 1000
        return max(self.least_timely_s, self.timely_intervals * profile.interval_s) * 1000


class Score(NamedTuple):
    """A day of a device."""

    dimensions: dict[str, float | None]
    groups: dict[str, float | None]  # the worst of its dimensions
    score: float | None  # the worst of the groups
    below: list[str]  # dimensions that miss their target


def quality_policies() -> Policies[QualityPolicy]:
    """Return all editions."""
    return load_policies(DOMAIN, QualityPolicy)


def facts_known(registry: Registry | None, device: str, time_ms: int) -> float:
    """Return the share of facts that exist: device, place, profile, unit, catalogue entry.

    The last three exist of whatever was stored.
    """
    if registry is None or registry.device(device) is None:
        return (_FACTS - 2) / _FACTS
    return (_FACTS if registry.at(device, time_ms).place else _FACTS - 1) / _FACTS


class DimensionTally:
    """Adds up the readings of one day, page by page."""

    def __init__(self, day: Day, profile: Profile, policy: QualityPolicy, inventory: float) -> None:
        self._day, self._policy, self._inventory = day, policy, inventory
        self._interval_ms = profile.interval_s * 1000
        self._timely_ms = policy.timely_ms(profile)
        self._counts = {"all": 0, "failed": 0, "broken": 0, "unusual": 0, "timely": 0, "usable": 0}
        # A day of readings of 1 s has 86,400 identities and slots.
        self._identities: list[IntArray] = []
        self._slots: list[IntArray] = []

    def add(self, batches: Iterable[ReadingBatch]) -> None:
        """Count readings; those outside the day are none of its business."""
        for batch in batches:
            is_inside = (batch.time_ms >= self._day.begin_ms) & (batch.time_ms < self._day.end_ms)
            self._count(batch.take(is_inside))

    def _count(self, batch: ReadingBatch) -> None:
        counts = self._counts
        counts["all"] += len(batch)
        counts["failed"] += int(np.sum(batch.quality == Quality.FAILED))
        counts["broken"] += int(np.sum((batch.reasons & int(Reason.SEQ_GAP)) != 0))
        counts["unusual"] += int(np.sum((batch.reasons & _UNUSUAL) != 0))
        counts["timely"] += int(np.sum(batch.received_ms - batch.time_ms <= self._timely_ms))
        counts["usable"] += int(np.sum(_USABLE[batch.quality]))
        numbers = np.where(batch.seq == NO_SEQ, batch.time_ms, batch.seq)
        self._identities.append(np.column_stack((batch.log, numbers)))
        if self._interval_ms:
            times = batch.time_ms[_READABLE[batch.quality]]
            self._slots.append(np.unique((times - self._day.begin_ms) // self._interval_ms))

    def result(self, completeness: float | None, expected: int | None) -> Score:
        """Return the score, given what the day's tally says of completeness."""
        counts = self._counts
        total = counts["all"]
        dimensions = {
            "accuracy": _less(counts["failed"], total),
            "integrity": _less(counts["broken"], total),
            "completeness": completeness,
            "availability": self._available(expected),
            "timeliness": _share(counts["timely"], total),
            "inventory": self._inventory,
            "usability": _share(counts["usable"], total),
            "uniqueness": _share(self._distinct(), total),
            "unusual": _less(counts["unusual"], total),
        }
        groups = {name: _worst(dimensions, members) for name, members in GROUPS.items()}
        targets = self._policy.targets.model_dump()
        below = [name for name, least in targets.items() if _is_below(dimensions[name], least)]
        return Score(dimensions, groups, _worst(groups, tuple(groups)), below)

    def _distinct(self) -> int:
        if not self._identities:
            return 0
        return len(np.unique(np.concatenate(self._identities), axis=0))

    def _available(self, expected: int | None) -> float | None:
        """Return the share of the intervals that have passed for which a value can be read."""
        if not expected:
            return None
        slots = len(np.unique(np.concatenate(self._slots))) if self._slots else 0
        return min(1.0, round(slots / expected, 6))


def _share(part: int, total: int) -> float | None:
    return round(part / total, 6) if total else None


def _less(part: int, total: int) -> float | None:
    return round(1 - part / total, 6) if total else None


def _worst(values: Mapping[str, float | None], names: tuple[str, ...]) -> float | None:
    known = [value for name in names if (value := values[name]) is not None]
    return min(known) if known else None


def _is_below(value: float | None, least: float) -> bool:
    return value is not None and value < least
