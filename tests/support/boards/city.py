"""A simulated city through the rooms of the real gateway in virtual time, into real databases.

::

    city ─▶ Network ─▶ pipeline ─▶ store ─▶ merger, roller ─▶ rollups
                                      └───▶ analyst: energy, transport ─▶ derived
                                                        teller ─▶ outbox of derived measurements
    afterwards: Backfill (readings, rollups) and a Drain (derived) ─▶ InfluxDB, VictoriaMetrics

What is not here is the wire, and the gateway's own metrics (nothing counts them in one process).
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from gateway.analyst import Analyst
from gateway.cli.backfill import Backfill, Span
from gateway.config import Settings
from gateway.profiles import load_profiles
from gateway.roles import now_ms
from gateway.roles.analyst import desks_of
from gateway.roles.keeper import DERIVED, ROLLUPS, ROLLUPS_MAX_BYTES, outlet
from gateway.roles.telling import build_teller
from gateway.sinks.drain import Drain, Outside
from gateway.sinks.feed import unpack_lines
from gateway.sinks.outbox import Outbox
from gateway.stats import Stats
from gateway.store import Merger, Roller, StoreReader
from gateway.store.derived import DerivedStore
from simulators.city.city import REGISTRY_FILE, City, Order, Size
from simulators.city.frame import Readings, Step
from simulators.city.frame import Span as Time
from tools.city_desk.entry import Entry
from tools.city_desk.network import Network, Sent

HALF_HOUR_MS = 1_800_000
_AFTERWARDS_MS = (60_000, 120_000, 180_000, 240_000, 300_000)  # the last half hour's rollups


@dataclass(frozen=True)
class Play:
    """What is played: from ``fine_from_ms`` on the gateway looks each ``fine_ms``."""

    size: Size
    span: Time
    orders: Sequence[Order] = ()
    fine_from_ms: int = 0
    fine_ms: int = 60_000
    coarse_ms: int = 900_000


class Desk:
    """The gateway behind its sources, on one data directory."""

    def __init__(self, folder: Path, sinks: Sequence[dict[str, str]], begin_ms: int) -> None:
        profiles, stats = load_profiles(), Stats()
        self.now_ms = begin_ms
        self.settings = Settings.model_validate(
            {
                "gateway": {"data_dir": folder / "data"},
                "registry": {"file": folder / REGISTRY_FILE},
                "sink": list(sinks),
            }
        )
        data_dir = self.settings.gateway.data_dir
        data_dir.mkdir()
        self._entry = Entry(data_dir, self.settings, profiles)
        reader = StoreReader(data_dir, profiles)
        self._derived = DerivedStore(data_dir)
        desks = desks_of(self.settings, reader, profiles, stats)
        self._analyst = Analyst(desks, self._derived, self._entry.done, lambda: self.now_ms, stats)
        rollups = Outbox.open(data_dir / ROLLUPS, lambda: self.now_ms, ROLLUPS_MAX_BYTES)
        self._roller = Roller(data_dir, profiles, rollups.put_once)
        self._merger = Merger(data_dir, self._roller.look_at)
        folders = (data_dir / ROLLUPS, data_dir / DERIVED)
        self._teller = build_teller(self.settings, profiles, folders, stats, lambda: self.now_ms)

    def take(self, sent: Sequence[Sent]) -> None:
        """Take messages in, in the order they came."""
        self._entry.take(sent)

    def step(self, now: int) -> None:
        """Let analyst and keeper look, until they have nothing more to do."""
        self.now_ms = now
        self._analyst.step()
        while self._merger.merge_once(now) or self._roller.roll_once(now):
            pass
        while self._teller.step(now):
            pass

    def close(self) -> None:
        """Close the files."""
        self._entry.close()
        self._derived.close()


class WatchedCity(City):
    """A city whose devices' words are written down before anything can happen to them."""

    def __init__(self, what: Play) -> None:
        super().__init__(what.size, what.span, what.orders)
        self.registers_wh: dict[str, dict[int, int]] = {}  # device → half hour, Unix ms → register
        self.counts: dict[str, dict[int, int]] = {}  # lane → begin of the interval → vehicles

    @override
    def steps(self, step_ms: int) -> Iterator[tuple[Time, Step]]:
        for span, step in super().steps(step_ms):
            for batch in step.readings:
                if batch.profile in {"em1", "em3"}:
                    self._note(self.registers_wh, batch, HALF_HOUR_MS)
                elif batch.profile == "tl1":
                    self._note(self.counts, batch, 1)
            yield span, step

    @staticmethod
    def _note(known: dict[str, dict[int, int]], batch: Readings, grid_ms: int) -> None:
        for row in range(len(batch.device)):
            # clocks are some seconds off the half hour
            time_ms = round(int(batch.time_ms[row]) / grid_ms) * grid_ms
            known.setdefault(batch.names[batch.device[row]], {})[time_ms] = int(
                batch.values[row, 0]
            )


def play(folder: Path, what: Play, sinks: Sequence[dict[str, str]]) -> WatchedCity:
    """Let a city's time pass, and write what came of it into the databases."""
    city = WatchedCity(what)
    city.write_registry(folder)
    desk = Desk(folder, sinks, city.span.from_ms)
    network = Network(city)
    now = city.span.from_ms
    while now < city.span.to_ms:
        now += what.fine_ms if now >= what.fine_from_ms else what.coarse_ms
        desk.take(network.until(min(now, city.span.to_ms)))
        desk.step(now)
    for later_ms in _AFTERWARDS_MS:
        desk.step(city.span.to_ms + later_ms)
    city.write_truth(folder)
    desk.close()
    asyncio.run(_send(desk.settings))
    return city


async def _send(settings: Settings) -> None:
    for section in settings.sink:
        backfill = Backfill(settings, section)
        await backfill.run(Span(0, now_ms(), ""))
        assert backfill.refused == 0
    named = [one.model_copy(update={"name": f"{one.name}-derived"}) for one in settings.sink]
    refused: list[object] = []
    outside = Outside(now_ms, Stats(), lambda _, lines: refused.extend(lines))
    outbox = settings.gateway.data_dir / DERIVED
    drains = outlet(named, outbox, lambda: unpack_lines, outside).drains
    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        for drain in drains:
            assert isinstance(drain, Drain)
            group.create_task(_emptied(drain))
    assert not refused


async def _emptied(drain: Drain) -> None:
    running = asyncio.create_task(drain.run())
    while drain.pending:
        await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
