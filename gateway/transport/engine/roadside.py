"""What stands at the road beside the loops: toll lanes, scales, radars, weather stations.

Their rows are single events. Alarms are worked out as rows come, by sequential tests that go on
from the state before; at a start the last hours are read again for them. Hours are summed up from
the store, and again whenever a row of theirs comes, however late.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from gateway.model import IntArray, ReadingBatch
from gateway.ports import Alarm, Result
from gateway.transport.engine.alarms import AlarmBook
from gateway.transport.engine.eventhealth import EventHealth
from gateway.transport.engine.house import House
from gateway.transport.engine.policies import TransportPolicies
from gateway.transport.engine.roadwords import (
    Words,
    overload_alarm,
    reader_alarm,
    toll_lines,
    vehicle_lines,
    warning_alarm,
    weighing_lines,
    wrong_way_alarm,
)
from gateway.transport.engine.scaledrift import ScaleWork
from gateway.transport.engine.yards import YardWork
from gateway.transport.incidents import RadarState, wrong_way
from gateway.transport.placing import vehicles_of
from gateway.transport.tolls import Lanes, ReaderState, passages, watch_readers
from gateway.transport.warnings import sky, warn
from gateway.transport.weigh import overloads, weighed

TOLLS, SCALES, RADARS, SKY = "etc1", "wim1", "pv1", "env1"
PROFILES = frozenset({TOLLS, SCALES, RADARS, SKY})
HOUR_MS = 3_600_000
LOOK_BACK_MS = 3 * HOUR_MS  # what a start reads again
_SKY_BACK_MS = 26 * HOUR_MS  # a warning that has lasted a day
SETTLE_MS = 5_000
_RECENT_MS = 48 * HOUR_MS  # older rows change their hour, and raise nothing any more
_EVERYBODY = (0, 1 << 53)

State = TypeVar("State", ReaderState, RadarState)


class Found(NamedTuple):
    """What a step brought."""

    alarms: list[Alarm]
    results: list[Result]


class Roadside:
    """All devices of single events.

    Args:
        house: readings, profiles, and what was told before.
        policies: limits of the rooms.
        words: names of devices and places.
        told: alarms of an earlier life.
    """

    def __init__(
        self, house: House, policies: TransportPolicies, words: Words, told: Iterable[Alarm]
    ) -> None:
        self._reader, self._profiles, self._policies = house.reader, house.profiles, policies
        self._words, self.book = words, AlarmBook(told)
        self._yards = YardWork(house.reader, house.derived, house.profiles[TOLLS], words)
        self._scales = ScaleWork(house.derived)
        self._health = EventHealth(house.derived, house.profiles)
        self._fresh: dict[str, list[ReadingBatch]] = {}
        self._devices: dict[str, IntArray] = {}
        self._readers = ReaderState.fresh(0)
        self._radars = RadarState.fresh(0)
        self._hours: dict[tuple[int, str], int] = {}  # hour, profile → when it is due
        self._sky_due_ms = 0

    def begin(self, now_ms: int, hours: Iterable[tuple[int, str, int]]) -> None:
        """Read the last hours again, for the states of the tests; note what waited before."""
        self._hours.update(((hour, name), due_ms) for hour, name, due_ms in hours)
        for name in sorted(PROFILES - {SKY}):
            span = now_ms - LOOK_BACK_MS, now_ms + SETTLE_MS
            for page in self._reader.rows_of(name, _EVERYBODY, *span):
                self.take(page, now_ms)
        self._sky_due_ms = now_ms
        self._words.now_ms = now_ms
        self._health.begin(now_ms)

    def waiting(self) -> list[tuple[int, str, int]]:
        """Return the hours that wait, to be given to the next life."""
        return [(hour, name, due_ms) for (hour, name), due_ms in sorted(self._hours.items())]

    def take(self, batch: ReadingBatch, now_ms: int) -> None:
        """Take rows in; the hours they lie in are summed up when they are over."""
        if not len(batch):
            return
        self._fresh.setdefault(batch.profile, []).append(batch)
        for hour in np.unique(batch.time_ms // HOUR_MS).tolist():
            due_ms = max((hour + 1) * HOUR_MS, now_ms) + SETTLE_MS
            self._hours.setdefault((hour, batch.profile), due_ms)
        if batch.profile == SKY:
            self._sky_due_ms = self._sky_due_ms or now_ms + SETTLE_MS

    def step(self, now_ms: int, has_time: Callable[[], bool]) -> Found:
        """Judge what came, and sum up hours that are over, while there is time."""
        self._words.now_ms = now_ms
        found: list[Alarm] = []
        for name, batches in self._fresh.items():
            recent = [one.take(one.time_ms > now_ms - _RECENT_MS) for one in batches]
            found += self._judge(name, [one for one in recent if len(one)])
        found += self._watch(now_ms)
        self._fresh = {}
        if self._sky_due_ms and self._sky_due_ms <= now_ms:
            self._sky_due_ms = 0
            found += self._warnings(now_ms)
        results: list[Result] = []
        for hour, name in sorted(key for key, due_ms in self._hours.items() if due_ms <= now_ms):
            if not has_time():
                break
            del self._hours[hour, name]
            results += self._sum_up(hour, name)
        policy = self._policies.weigh_at(now_ms)
        found += self._scales.alarms(results, self.book.open(), policy)
        alarms = self.book.tell((self._continued(one) for one in found), now_ms)
        self.book.forget(now_ms - _RECENT_MS)
        return Found(alarms, results)

    def _watch(self, now_ms: int) -> list[Alarm]:
        """Return who of them is not well."""
        rule = self._policies.at(now_ms).health
        for batches in self._fresh.values():
            known = [one.take(self._words.known(one.device_index)) for one in batches]
            devices = {device for one in known for device in one.device_index.tolist()}
            names = {device: self._words.name(device) for device in devices}
            self._health.take([one for one in known if len(one)], names, rule)
        return self._health.alarms(self.book.open(), now_ms, rule)

    def _continued(self, alarm: Alarm) -> Alarm:
        """Return an alarm with the begin it had, where its like stands since before we looked."""
        for one in self.book.open():
            is_like = (one.kind, one.place) == (alarm.kind, alarm.place)
            if is_like and one.raised_ms < alarm.raised_ms:
                return alarm._replace(raised_ms=one.raised_ms)
        return alarm

    def _known(self, name: str, batches: Iterable[ReadingBatch]) -> IntArray:
        """Return the devices of a profile, ascending; those that are new among them."""
        before = self._devices.get(name, np.zeros(0, np.int64))
        every = np.unique(np.concatenate([before, *(one.device_index for one in batches)]))
        self._devices[name] = every
        return every

    def _judge(self, name: str, batches: list[ReadingBatch]) -> list[Alarm]:
        if not batches:
            return []
        before = self._devices.get(name, np.zeros(0, np.int64))
        devices = self._known(name, batches)
        if name == TOLLS:
            self._readers = _spread(self._readers, ReaderState.fresh(len(devices)), before, devices)
            return self._reader_alarms(batches, devices)
        if name == SCALES:
            return self._overload_alarms(batches, devices)
        if name == RADARS:
            self._radars = _spread(self._radars, RadarState.fresh(len(devices)), before, devices)
            return self._wrong_way_alarms(batches, devices)
        return []

    def _reader_alarms(self, batches: list[ReadingBatch], devices: IntArray) -> list[Alarm]:
        lanes = Lanes(devices, self._words.plazas(devices))
        seen = passages(self._profiles[TOLLS], _joined(batches), lanes)
        policy = self._policies.tolls_at(int(batches[0].time_ms[0]))
        changes, self._readers = watch_readers(seen, self._readers, policy)
        standing = self.book.open()
        for one in changes:
            alarm = reader_alarm(one, self._words.name(int(devices[one.lane])), standing)
            standing += [alarm] if alarm is not None else []
        return standing

    def _overload_alarms(self, batches: list[ReadingBatch], devices: IntArray) -> list[Alarm]:
        seen = weighed(self._profiles[SCALES], _joined(batches), devices)
        policy = self._policies.weigh_at(int(batches[0].time_ms[0]))
        return [
            overload_alarm(one, seen, self._words.name(int(devices[seen.scale[one.vehicle]])))
            for one in overloads(seen, policy)
        ]

    def _wrong_way_alarms(self, batches: list[ReadingBatch], devices: IntArray) -> list[Alarm]:
        seen = vehicles_of(self._profiles[RADARS], batches)
        rule = self._policies.at(int(seen.time_ms[0])).incidents.wrong_way
        radar = np.searchsorted(devices, seen.device_index)
        drivers, self._radars = wrong_way(seen, radar, self._radars, rule)
        return [wrong_way_alarm(one, self._words.place(int(devices[one.radar]))) for one in drivers]

    def _warnings(self, now_ms: int) -> list[Alarm]:
        span = now_ms - _SKY_BACK_MS, now_ms + SETTLE_MS
        pages = [page for page in self._reader.rows_of(SKY, _EVERYBODY, *span) if len(page)]
        pages = [page.take(self._words.at_road(page.device_index)) for page in pages]
        pages = [page for page in pages if len(page)]
        if not pages:
            return []
        devices, profile = self._known(SKY, pages), self._profiles[SKY]
        seen = sky(profile, _joined(pages), devices)
        column = profile.columns[profile.column_index("rain") or 0]
        rollover_mm = float("inf") if column.rollover is None else float(column.rollover)
        policy = self._policies.warnings_at(now_ms)
        found = warn(seen, rollover_mm, int(seen.time_ms.max()), policy)
        return [warning_alarm(one, self._words.place(int(devices[one.station]))) for one in found]

    def _sum_up(self, hour: int, name: str) -> list[Result]:
        if name == SKY:
            return []  # rollups say it all
        start_ms = hour * HOUR_MS
        span = start_ms - SETTLE_MS * 12, start_ms + HOUR_MS
        batches = [one for one in self._reader.rows_of(name, _EVERYBODY, *span) if len(one)]
        if not batches:
            return []
        devices = np.unique(np.concatenate([one.device_index for one in batches]))
        names = [self._words.name(one) for one in devices.tolist()]
        profile = self._profiles[name]
        if name == TOLLS:
            lanes = Lanes(devices, self._words.plazas(devices))
            seen = passages(profile, _joined(batches), lanes)
            lines = toll_lines(seen, lanes, names, start_ms, self._policies.tolls_at(start_ms))
            return [*lines, *self._at_gates(devices, start_ms)]
        if name == SCALES:
            weights = weighed(profile, _joined(batches), devices)
            return weighing_lines(weights, names, start_ms, self._policies.weigh_at(start_ms))
        rules = self._policies.at(start_ms).traffic.bins
        return vehicle_lines(vehicles_of(profile, batches), devices, names, start_ms, rules)

    def _at_gates(self, devices: IntArray, start_ms: int) -> list[Result]:
        """Sum up an hour of yards; the next one told begins with what was in them at its end."""
        lines = self._yards.lines(devices, start_ms, self._policies)
        later_ms = self._yards.later(lines)
        if later_ms is not None:
            self._hours.setdefault((later_ms // HOUR_MS, TOLLS), self._words.now_ms)
        return lines


def _spread(old: State, fresh: State, before: IntArray, devices: IntArray) -> State:
    """Return a state with rows for further devices."""
    if len(before) == len(devices):
        return old
    here = np.searchsorted(devices, before)
    for column, source in zip(fresh, old, strict=True):
        column[here] = source
    return fresh


def _joined(batches: list[ReadingBatch]) -> ReadingBatch:
    """Return batches of one profile as one."""
    if len(batches) == 1:
        return batches[0]
    columns = zip(*(_columns(one) for one in batches), strict=True)
    return ReadingBatch(batches[0].profile, *(np.concatenate(one) for one in columns))


def _columns(batch: ReadingBatch) -> tuple[NDArray[Any], ...]:
    return (
        *(batch.device_index, batch.log, batch.seq, batch.time_ms, batch.received_ms),
        *(batch.values, batch.status, batch.quality, batch.reasons, batch.record),
    )
