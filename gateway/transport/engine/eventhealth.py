"""Health of what stands at the road beside the loops, as alarms that last.

How many events are due in an hour is what the same hour brought on the days before, as it was told
(``tolls``, ``weighing``, ``vehicles``): nothing is kept beside the series.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from gateway.model import BoolArray, ReadingBatch, Reason
from gateway.ports import Alarm
from gateway.profiles import Profile
from gateway.store.derived import DerivedReader
from gateway.transport.columns import column
from gateway.transport.engine.alarms import DOMAIN
from gateway.transport.engine.roadwords import TOLL_HOURS, VEHICLES, WEIGHINGS
from gateway.transport.engine.telling import encode
from gateway.transport.health import HealthPolicy, events
from gateway.transport.health.events import Course, Rows, Trouble

KIND = {trouble: f"roadside_{trouble.value}" for trouble in Trouble}
EVERY_MS = 30_000
_COUNTS = {  # profile → its series of hours, and what it counts there
    "etc1": (TOLL_HOURS, "passages"),
    "wim1": (WEIGHINGS, "vehicles"),
    "pv1": (VEHICLES, "vehicles"),
}
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_MOST_HOURS = 48  # of which it is known what was due
_WARNING, _SURE = 2, 0.95


class EventHealth:
    """Watches devices, each by itself.

    Args:
        recall: hours told before.
        profiles: columns, and the interval of those that measure.
    """

    def __init__(self, recall: DerivedReader, profiles: Mapping[str, Profile]) -> None:
        self._recall, self._profiles = recall, profiles
        self._courses: dict[tuple[str, str], Course] = {}  # profile, device
        self._usual: dict[tuple[int, str], dict[str, float]] = {}  # hour, profile → place → events
        self._due_ms = 0
        self._began_ms = 0

    def begin(self, now_ms: int) -> None:
        """Begin a life: nobody is accused of a silence that was our own."""
        self._began_ms = now_ms

    def take(
        self, batches: Sequence[ReadingBatch], names: Mapping[int, str], rule: HealthPolicy
    ) -> None:
        """Take rows in; ``rule`` says which columns change from row to row."""
        for batch in batches:
            name = batch.profile
            columns = [
                column(self._profiles[name], batch, one) for one in rule.events.same_columns[name]
            ]
            values, odd = np.stack(columns, axis=1), _is_odd(batch)
            for device in np.unique(batch.device_index).tolist():
                mine = np.flatnonzero(batch.device_index == device)
                mine = mine[np.argsort(batch.time_ms[mine], kind="stable")]
                rows = Rows(batch.time_ms[mine], values[mine], odd[mine])
                key = name, names[device]
                self._courses[key] = events.follow(self._courses.get(key), rows)

    def alarms(self, standing: Iterable[Alarm], now_ms: int, rule: HealthPolicy) -> list[Alarm]:
        """Return what is wrong now, and what is not any more, twice a minute."""
        if now_ms < self._due_ms:
            return []
        self._due_ms = now_ms + EVERY_MS
        kinds = set(KIND.values())
        lasting = {(one.place, one.kind): one for one in standing if one.kind in kinds}
        found = []
        for (name, device), course in self._courses.items():
            place = f"device:{device}"
            wrong = events.troubles(course, name, rule.events)
            if self._is_silent(name, place, course, (now_ms, rule)):
                wrong[Trouble.NO_DATA] = course.last_ms
            for trouble, since_ms in wrong.items():
                if lasting.pop((place, KIND[trouble]), None) is None:
                    span = since_ms, now_ms, 0
                    body = encode({"profile": name})
                    found.append(Alarm(KIND[trouble], place, *span, _WARNING, _SURE, body))
            for trouble in Trouble:
                over = lasting.get((place, KIND[trouble]))
                if over is not None and events.is_over(trouble, course, over.raised_ms):
                    found.append(over._replace(cleared_ms=max(course.last_ms, over.raised_ms + 1)))
        return found

    def _is_silent(
        self, name: str, place: str, course: Course, now: tuple[int, HealthPolicy]
    ) -> bool:
        (now_ms, rule), since_ms = now, max(course.last_ms, self._began_ms)
        if name not in _COUNTS:
            interval_ms = self._profiles[name].interval_s * 1000
            return events.is_overdue(course, interval_ms, now_ms - since_ms, rule.events)
        due = self._due(name, place, (since_ms, now_ms), rule)
        return events.is_silent(due, now_ms - since_ms, rule.events)

    def _due(
        self, name: str, place: str, span: tuple[int, int], rule: HealthPolicy
    ) -> float | None:
        """Return how many events are usual in a time; None where no day before is known."""
        from_ms, to_ms = max(span[0], span[1] - _DAY_MS), span[1]
        total, is_known = 0.0, False
        for hour in range(from_ms // _HOUR_MS, (to_ms - 1) // _HOUR_MS + 1):
            begin_ms = hour * _HOUR_MS
            part = min(to_ms, begin_ms + _HOUR_MS) - max(from_ms, begin_ms)
            usual = self._usual_of(hour, name, rule.events.usual_days).get(place)
            is_known |= usual is not None
            total += (usual or 0.0) * part / _HOUR_MS
        return total if is_known else None

    def _usual_of(self, hour: int, name: str, days: int) -> dict[str, float]:
        if (hour, name) not in self._usual:
            while len(self._usual) >= _MOST_HOURS * len(_COUNTS):
                del self._usual[next(iter(self._usual))]
            self._usual[hour, name] = self._read(hour, name, days)
        return self._usual[hour, name]

    def _read(self, hour: int, name: str, days: int) -> dict[str, float]:
        """Return the mean of an hour over the days before on which anybody was there."""
        series, what = _COUNTS[name]
        places = [f"device:{device}" for profile, device in self._courses if profile == name]
        told = [
            self._recall.lines(DOMAIN, series, hour * _HOUR_MS - day * _DAY_MS, places)
            for day in range(1, days + 1)
        ]
        seen = [lines for lines in told if lines]
        counts: dict[str, float] = {}
        for lines in seen:
            for place, line in lines.items():
                counts[place] = counts.get(place, 0.0) + (json.loads(line.body)[what] or 0.0)
        return {place: count / len(seen) for place, count in counts.items()}


def _is_odd(batch: ReadingBatch) -> BoolArray:
    """Return which rows the checks of the pipeline found impossible."""
    odd: BoolArray = (batch.reasons & int(Reason.HIGH_LOW | Reason.SUM_CHECK)) != 0
    return odd
