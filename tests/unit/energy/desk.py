"""A small utility on a real store: meters that send, and the analyst that may die between steps."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gateway.analyst import Analyst, Desk
from gateway.energy.engine import EnergyEngine, EnergyPolicies, House
from gateway.model import Event, IntArray, Position, Quality, ReadingBatch, Reason
from gateway.ports import Alarm, Checkpoint, DeviceRow, LatestRow, Result, Totals
from gateway.profiles import load_profiles
from gateway.registry import Registry
from gateway.stats import Stats
from gateway.store import Store, StoreReader
from gateway.store.changes import ChangeReader
from gateway.store.derived import AlarmQuery, DerivedReader, DerivedStore
from tests.unit.energy.rig import HALF_HOUR_MS, MONDAY_MS

PROFILES = load_profiles()
POLICIES = EnergyPolicies.load("vn-evn-3price")
SLOTS = 48
DAY_MS = 86_400_000
FIRST_REGISTER = 1000
GASP, RETURNED = 99, 2
_FOREVER = 1 << 53


class Utility:
    """Meters 0 … n-1 with half-hourly registers that a formula knows."""

    def __init__(
        self,
        folder: Path,
        meters: int = 3,
        registry: Registry | None = None,
        devices: Sequence[DeviceRow] = (),
    ) -> None:
        self.folder, self.meters, self.registry = folder, meters, registry
        self.store = Store.open(folder)
        self.derived = DerivedStore(folder)
        self.now_ms = MONDAY_MS
        self.engine: EnergyEngine | None = None
        self._record = 0
        self._latest: dict[int, int] = {}
        rows = [DeviceRow(k, "evn", "energy", name_of(k), 1, MONDAY_MS) for k in range(meters)]
        self._checkpoint(devices or rows)
        self.start()

    def start(self, started_ms: int = 0) -> None:
        """Begin a life of the analyst; the one before it ends wherever it was.

        ``started_ms``: that the whole gateway began with it then, and was off before.
        """
        reader = StoreReader(self.folder, PROFILES)
        recall = DerivedReader(self.folder)
        house = House(reader, recall, PROFILES, self.registry, self.folder, started_ms)
        self.engine = EnergyEngine(house, POLICIES, Stats(), stopwatch=lambda: 0.0)
        desk = Desk(self.engine, ChangeReader(self.folder))
        self._analyst = Analyst(
            [desk],
            self.derived,
            lambda: reader.position().number - 1,
            lambda: self.now_ms,
            Stats(),
        )

    def send(
        self, marks: Sequence[int], meters: Sequence[int] | None = None, *, late: bool = False
    ) -> None:
        """Store the registers of meters at marks, all meters if not said otherwise."""
        rows = [(k, m) for m in marks for k in (range(self.meters) if meters is None else meters)]
        device, mark = (np.array(column, np.int64) for column in zip(*rows, strict=True))
        values = np.zeros((len(rows), 6))
        values[:, 0] = [register(k, m) for k, m in rows]
        values[:, 2], values[:, 3], values[:, 4], values[:, 5] = 230, 2300, 100, 1000
        time_ms = MONDAY_MS + mark * HALF_HOUR_MS
        zero = np.zeros(len(rows), np.int64)
        quality = np.full(len(rows), int(Quality.RECOVERED if late else Quality.VALID))
        reasons = np.full(len(rows), int(Reason.LATE) if late else 0)
        record = self._record + 1 + np.arange(len(rows))
        batch = ReadingBatch(
            "em1", device, zero, mark, time_ms, time_ms + 200, values, zero, quality, reasons,
            record,
        )  # fmt: skip
        self._record += len(rows)
        for k, m in rows:
            self._latest[k] = max(self._latest.get(k, 0), MONDAY_MS + m * HALF_HOUR_MS)
        self.store.write([batch], [])
        self._checkpoint()

    def next_records(self, count: int) -> IntArray:
        """Return numbers for records of one's own."""
        self._record += count
        return self._record - count + 1 + np.arange(count)

    def put(self, batch: ReadingBatch) -> None:
        """Store readings of one's own making."""
        self.store.write([batch], [])
        self._checkpoint()

    def say(self, meters: Sequence[int], code: int, time_ms: int) -> None:
        """Store an event of meters."""
        events = []
        for k in meters:
            self._record += 1
            events.append(Event(time_ms, time_ms + 300, k, "event", code, "{}", self._record))
        self.store.write([], events)
        self._checkpoint()

    def go(self, seconds: int, lives: bool = False) -> None:  # noqa: FBT001, FBT002
        """Let the analyst step once a second; ``lives``: another one each time."""
        for _ in range(seconds):
            if lives:
                self.start()
            self._analyst.step()
            self.now_ms += 1000

    def at(self, mark: int) -> None:
        """Make it a second after a mark."""
        self.now_ms = MONDAY_MS + mark * HALF_HOUR_MS + 1000

    def lines(self, series: str) -> list[Result]:
        """Return all lines of a series."""
        asked = Result(series, "", 0, _FOREVER, "")
        return list(DerivedReader(self.folder).results("energy", asked, 100_000))

    def body(self, series: str, meter: int, day: int = 0) -> Any:
        """Return the values of one line; ``day`` counts from the first."""
        begin_ms = MONDAY_MS + day * DAY_MS
        found = DerivedReader(self.folder).lines(
            "energy", series, begin_ms, [f"device:{name_of(meter)}"]
        )
        return json.loads(next(iter(found.values())).body)

    def lineage(self, meter: int, mark: int) -> list[tuple[str | None, str]]:
        """Return what became of the slot that begins at a mark, as pairs of rules."""
        time_ms = MONDAY_MS + mark * HALF_HOUR_MS
        name = f"device:{name_of(meter)}"
        found = DerivedReader(self.folder).lines("energy", "lineage", time_ms, [name])
        changes = json.loads(found[name].body)["changes"] if found else []
        return [(change["old_rule"], change["rule"]) for change in changes]

    def alarms(self) -> list[Alarm]:
        """Return all alarms."""
        found = DerivedReader(self.folder).alarms("energy", AlarmQuery(0, _FOREVER), 1000)
        return [one.alarm for one in found]

    def _checkpoint(self, devices: Sequence[DeviceRow] = ()) -> None:
        done = self._record
        latest = [
            LatestRow(k, "em1", time_ms, time_ms, 0, 0, 0, 1, 0, b"\0" * 48, b"")
            for k, time_ms in self._latest.items()
        ]
        totals = Totals(done, done, 0, 0, done, 0, 0)
        self.store.checkpoint(Checkpoint(Position(done + 1), totals, devices, [], latest, []))


def use(meter: int, mark: int) -> int:
    """Return what a meter uses in the slot behind a mark: no two neighbours alike, no spike."""
    return 200 + 10 * ((mark + meter) % 7) + (mark % 3)


def register(meter: int, mark: int) -> int:
    """Return what a meter shows at a mark."""
    return FIRST_REGISTER + sum(use(meter, m) for m in range(mark))


def name_of(meter: int) -> str:
    """Return the name of a meter."""
    return f"m-{meter:03d}"
