"""A small highway on a real store: lanes that send, and an analyst that may die between steps."""

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from gateway.analyst import Analyst, Desk
from gateway.model import Position, Quality, ReadingBatch, Reason
from gateway.ports import Alarm, Checkpoint, DeviceRow, LatestRow, Result, Totals
from gateway.profiles import load_profiles
from gateway.registry import Registry
from gateway.stats import Stats
from gateway.store import Store, StoreReader
from gateway.store.changes import ChangeReader
from gateway.store.derived import AlarmQuery, DerivedReader, DerivedStore
from gateway.transport.engine import House, TransportEngine, TransportPolicies
from tests.unit.transport.rig import MONDAY_MS, SLOT_MS

PROFILES = load_profiles()
POLICIES = TransportPolicies.load()
MORNING_MS = MONDAY_MS + 9 * 3_600_000
COLUMNS = 10
_FOREVER = 1 << 53
_KM_PER_DEGREE = 111.2


def registry_text(stations: int, lanes: int, per_corridor: int = 10) -> str:
    """Return a registry of expressways with a station every 500 m."""
    lines = []
    for number in range(stations):
        corridor, at = divmod(number, per_corridor)
        if at == 0:
            lines.append(f'[[node]]\nid = "ex-{corridor:02}"\nkind = "corridor"')
        lines.append(
            f'[[node]]\nid = "s-{number:04}"\nkind = "section"\nparent = "ex-{corridor:02}"\n'
            'class = "expressway"'
        )
        lines.append(
            f'[[node]]\nid = "st-{number:04}"\nkind = "station"\nparent = "s-{number:04}"\n'
            f"place = {{ lat = {21 + at * 0.5 / _KM_PER_DEGREE:.6f}, lon = {100 + corridor / 10} }}"
        )
        lines += [
            f'[[device]]\nid = "{name_of(number * lanes + lane)}"\norg = "vn"\n'
            f'sector = "transport"\nparent = "st-{number:04}"\nlane = {{ number = {lane + 1} }}'
            for lane in range(lanes)
        ]
    return "\n".join(lines)


def name_of(lane: int) -> str:
    return f"loop-{lane:05}"


class Highway:
    """Lanes 0 … n-1, ``per_station`` at a station; what they count follows from a seed."""

    def __init__(
        self,
        folder: Path,
        stations: int = 4,
        per_station: int = 2,
        *,
        registered: bool = True,
        more: str = "",
    ) -> None:
        self.folder, self.lanes = folder, stations * per_station
        self.registry = None
        if registered:
            file = folder / "registry.toml"
            file.write_text(registry_text(stations, per_station) + more)
            self.registry = Registry.load(file)
        self.store = Store.open(folder)
        self.derived = DerivedStore(folder)
        self.now_ms = MORNING_MS
        self._record = 0
        self._total = np.zeros(self.lanes)
        self._newest_ms: dict[int, int] = {}
        lanes = range(self.lanes)
        self.meet([DeviceRow(k, "vn", "transport", name_of(k), 1, MORNING_MS) for k in lanes])
        self.start()

    def start(self) -> None:
        """Begin a life of the analyst; the one before it ends wherever it was."""
        reader = StoreReader(self.folder, PROFILES)
        house = House(reader, DerivedReader(self.folder), PROFILES, self.registry)
        self.stats = Stats()
        self.engine = TransportEngine(house, POLICIES, self.stats, stopwatch=lambda: 0.0)
        desk = Desk(self.engine, ChangeReader(self.folder))
        self._analyst = Analyst(
            [desk],
            self.derived,
            lambda: reader.position().number - 1,
            lambda: self.now_ms,
            Stats(),
        )

    def measure(self, slot: int, lanes: Sequence[int] | None = None) -> ReadingBatch:
        """Return the rows of an interval; the same at every call but for the record numbers."""
        chosen = np.arange(self.lanes) if lanes is None else np.array(lanes, np.int64)
        every = np.random.default_rng(slot + 1000).poisson(9.0, self.lanes).astype(np.float64)
        cars = every[chosen]
        values = np.zeros((len(chosen), COLUMNS))
        values[:, 0] = values[:, 6] = cars
        # as if the counter had run since the first slot: the same whenever it is asked
        values[:, 1] = 1000 + 20 * slot + cars
        speed = 950 - 3 * cars + chosen % 7
        values[:, 2] = np.rint(cars * 6.5 / (speed / 36) / 30 * 1000)
        values[:, 3], values[:, 4] = speed, speed + 60
        zero = np.zeros(len(chosen), np.int64)
        end_ms = np.full(len(chosen), MORNING_MS + (slot + 1) * SLOT_MS)
        quality = np.full(len(chosen), int(Quality.VALID))
        record = self._record + 1 + np.arange(len(chosen))
        return ReadingBatch(
            "tl1", chosen, zero, zero + slot, end_ms, end_ms + 400, values, zero, quality, zero,
            record,
        )  # fmt: skip

    def measure_all(self, slots: range, lanes: Sequence[int] | None = None) -> ReadingBatch:
        """Return the rows of many intervals."""
        parts = [self.measure(slot, lanes) for slot in slots]
        columns = [
            np.concatenate([getattr(one, field.name) for one in parts])
            for field in fields(parts[0])[1:]
        ]
        return ReadingBatch("tl1", *columns)

    def send(self, batch: ReadingBatch, *, late: bool = False) -> None:
        """Store rows."""
        if late:
            batch.reasons[:] = int(Reason.LATE)
            batch.received_ms[:] = self.now_ms
        self._record += len(batch)
        batch.record[:] = self._record - len(batch) + 1 + np.arange(len(batch))
        self.store.write([batch], [])
        for one, time_ms in zip(batch.device_index.tolist(), batch.time_ms.tolist(), strict=True):
            self._newest_ms[one] = max(self._newest_ms.get(one, 0), time_ms)
        self._checkpoint()

    def drive(self, slots: range, lanes: Sequence[int] | None = None, by: int = 1) -> None:
        """Let intervals pass: rows come half a second after their end, ``by`` intervals at once."""
        for first in range(slots.start, slots.stop, by):
            part = range(first, min(first + by, slots.stop))
            self.now_ms = MORNING_MS + part.stop * SLOT_MS + 500
            self.send(self.measure_all(part, lanes))
            self.pause()

    def pause(self) -> None:
        """Let two steps pass: one at once, and one when nobody is waited for any more."""
        self.go(1)
        self.now_ms += 5_000
        self.go(1)

    def go(self, seconds: int, *, lives: bool = False) -> None:
        """Let the analyst step once a second; ``lives``: another one each time."""
        for _ in range(seconds):
            if lives:
                self.start()
            self._analyst.step()
            self.now_ms += 1000

    def alarms(self, kind: str | None = None) -> list[Alarm]:
        found = DerivedReader(self.folder).alarms("transport", AlarmQuery(0, _FOREVER, kind), 1000)
        return [one.alarm for one in found]

    def lines(self, series: str) -> list[Result]:
        asked = Result(series, "", 0, _FOREVER, "")
        return list(DerivedReader(self.folder).results("transport", asked, 100_000))

    def body(self, series: str, place: str) -> Any:
        """Return the values of the newest line of a place."""
        return json.loads([one for one in self.lines(series) if one.place == place][-1].body)

    def body_at(self, series: str, place: str, from_ms: int) -> Any:
        """Return the values of the line of a place that begins then."""
        reader = DerivedReader(self.folder)
        return json.loads(reader.lines("transport", series, from_ms, [place])[place].body)

    def meet(self, rows: Sequence[DeviceRow]) -> None:
        """Let the store know devices."""
        self._checkpoint(rows)

    def _checkpoint(self, devices: Sequence[DeviceRow] = ()) -> None:
        done = self._record
        latest = [
            LatestRow(k, "tl1", time_ms, time_ms, 0, 0, 0, 1, 0, b"\0" * 80, b"")
            for k, time_ms in self._newest_ms.items()
        ]
        totals = Totals(done, done, 0, 0, done, 0, 0)
        self.store.checkpoint(Checkpoint(Position(done + 1), totals, devices, [], latest, []))
