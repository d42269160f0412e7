"""The state of every device, from what the store knows of it at one moment."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from gateway.model import FloatArray, Quality
from gateway.ports import CountRow, DeviceRow, LatestRow, Totals

# A device is lost after this many of its nominal intervals without a reading: one may be late.
INTERVALS_UNTIL_LOST = 2
# Profiles that send when something happens say nothing of silence; an hour is a guess that
# keeps a quiet toll lane at night from looking lost.
EVENT_SILENCE_MS = 3_600_000
URGENT_GRADES = frozenset({Quality.SUSPECT, Quality.FAILED, Quality.MISSING})


class DeviceState(StrEnum):
    """What can be said of a device now."""

    ALIVE = "alive"  # heard within two intervals
    LOST = "lost"  # its will said so, or it missed two intervals
    SILENT = "silent"  # known, never heard


class Device(NamedTuple):
    """A device with everything one line of a list needs."""

    row: DeviceRow
    state: DeviceState
    last_seen_ms: int  # 0 = never
    interval_ms: int  # 0 = when something happens
    counts: CountRow
    latest: tuple[LatestRow, ...]  # one per profile, newest first

    @property
    def name(self) -> str:
        """The device id."""
        return self.row.device

    @property
    def patience_ms(self) -> int:
        """How long it may be silent and is still alive."""
        return patience_of(self.interval_ms)

    @property
    def is_urgent(self) -> bool:
        """Whether a person should look: it is lost, or what it sends cannot be believed."""
        if self.state is DeviceState.LOST:
            return True
        return bool(self.latest) and self.latest[0].quality in URGENT_GRADES


@dataclass(frozen=True, slots=True)
class Fleet:
    """All devices at one moment; built anew for each refresh, never changed."""

    now_ms: int
    totals: Totals
    devices: tuple[Device, ...]  # by name
    names: Mapping[int, str]  # by device index
    by_urgency: tuple[Device, ...]  # those first that a person should look at

    def find(self, name: str) -> Device | None:
        """Return the device of that name."""
        return next((device for device in self.devices if device.name == name), None)

    def tally(self) -> dict[str, Counter[DeviceState]]:
        """Return how many devices of each sector are in each state."""
        sectors: dict[str, Counter[DeviceState]] = {}
        for device in self.devices:
            sectors.setdefault(device.row.sector, Counter())[device.state] += 1
        return sectors

    def listed(self, *, q: str, sector: str, state: str) -> Sequence[Device]:
        """Return the devices that every given filter lets through, urgent ones first."""
        if not (q or sector or state):  # what a wall shows all day costs nothing
            return self.by_urgency
        wanted = q.casefold()
        return [
            device
            for device in self.by_urgency
            if wanted in device.row.device
            and sector in {"", device.row.sector}
            and state in {"", device.state}
        ]

    def select(
        self, *, q: str = "", org: str = "", sector: str = "", state: str = "", after: str = ""
    ) -> Iterable[Device]:
        """Yield the devices that every given filter lets through, by name, after ``after``."""
        wanted = q.casefold()
        for device in self.devices:
            row = device.row
            if (
                row.device > after
                and wanted in row.device
                and org in {"", row.org}
                and sector in {"", row.sector}
                and state in {"", device.state}
            ):
                yield device


def patience_of(interval_ms: int) -> int:
    """Return how long a device may be silent that sends so often."""
    return INTERVALS_UNTIL_LOST * interval_ms or EVENT_SILENCE_MS


def no_counts(device_index: int) -> CountRow:
    """Return the accounts of a device that has sent nothing."""
    return CountRow(device_index, 0, 0, 0, 0, 0, 0, 0, "")


class Muster:
    """Joins what the store keeps by device index, and again only what is another than before.

    Of 15,000 devices some hundred send in a second; joining all of them took 0.1 s of a core.

    Args:
        intervals_ms: nominal spacing of readings, by profile.
    """

    def __init__(self, intervals_ms: Mapping[str, int]) -> None:
        self._intervals_ms = intervals_ms
        self._latest: dict[int, dict[str, LatestRow]] = {}  # by device index and profile
        self._devices: dict[int, Device] = {}
        self._names: Mapping[int, str] = {}
        self._order: Sequence[int] = ()  # by name

    def forget(self) -> None:
        """Begin anew: another store is in place of the one that was."""
        self._latest.clear()
        self._devices.clear()

    def look(
        self,
        now_ms: int,
        totals: Totals,
        rows: tuple[Sequence[DeviceRow], Sequence[CountRow]],
        changed: Iterable[LatestRow],
    ) -> Fleet:
        """Return all devices as they are at a moment.

        Args:
            now_ms: Unix ms.
            totals: the accounts.
            rows: all devices, and the counts of those that have some.
            changed: newest readings that are newer than at the look before.
        """
        stale = set()
        for one in changed:
            self._latest.setdefault(one.device_index, {})[one.profile] = one
            stale.add(one.device_index)
        devices, counts = rows
        self._name({row.device_index: row.device for row in devices})
        counts_of = {count.device_index: count for count in counts}
        at = (now_ms, self._intervals_ms)
        for row in devices:
            index = row.device_index
            own = counts_of.get(index) or no_counts(index)
            before = self._devices.get(index)
            if before is None or index in stale or _is_another(before, row, own, now_ms):
                newest = tuple(self._latest.get(index, {}).values())
                self._devices[index] = join(row, own, newest, at)
        by_name = tuple(self._devices[index] for index in self._order)
        return _fleet(now_ms, totals, by_name, self._names)

    def _name(self, names: Mapping[int, str]) -> None:
        """Keep the order of the names, and only devices that have one."""
        if names != self._names:
            self._names, self._order = names, sorted(names, key=names.__getitem__)
            self._devices = {index: one for index, one in self._devices.items() if index in names}


def _is_another(before: Device, row: DeviceRow, counts: CountRow, now_ms: int) -> bool:
    if before.row != row or before.counts != counts:
        return True
    return before.state is DeviceState.ALIVE and now_ms - before.last_seen_ms > before.patience_ms


def _fleet(
    now_ms: int, totals: Totals, devices: tuple[Device, ...], names: Mapping[int, str]
) -> Fleet:
    urgent = [device for device in devices if device.is_urgent]
    others = [device for device in devices if not device.is_urgent] if urgent else devices
    return Fleet(now_ms, totals, devices, names, (*urgent, *others))


def build_fleet(
    at: tuple[int, Mapping[str, int]],
    totals: Totals,
    rows: tuple[Sequence[DeviceRow], Sequence[CountRow]],
    latest: Iterable[LatestRow],
) -> Fleet:
    """Join what the store keeps by device index, as it is at a moment."""
    return Muster(at[1]).look(at[0], totals, rows, latest)


def join(
    row: DeviceRow,
    counts: CountRow,
    latest: Sequence[LatestRow],
    at: tuple[int, Mapping[str, int]],
) -> Device:
    """Return a device as it is at a moment; intervals are those of the profiles."""
    now_ms, intervals_ms = at
    if len(latest) > 1:
        latest = sorted(latest, key=lambda one: -one.received_ms)
    # what came last of a lost device is its will, which is not its own word
    is_lost = counts.state == "lost"
    last_seen_ms, interval_ms = 0 if is_lost and latest else counts.last_received_ms, 0
    for one in latest:
        last_seen_ms = max(last_seen_ms, one.received_ms)
        own_ms = intervals_ms.get(one.profile, 0)
        interval_ms = min(interval_ms, own_ms) or own_ms or interval_ms
    patience_ms = patience_of(interval_ms)
    if is_lost:
        state = DeviceState.LOST
    elif last_seen_ms == 0:
        state = DeviceState.SILENT
    elif now_ms - last_seen_ms > patience_ms:
        state = DeviceState.LOST
    else:
        state = DeviceState.ALIVE
    return Device(row, state, last_seen_ms, interval_ms, counts, tuple(latest))


def values_of(row: LatestRow) -> FloatArray:
    """Return the values of a newest reading, scaled units, NaN where not measured."""
    return np.frombuffer(row.values, dtype="<f8").astype(np.float64)
