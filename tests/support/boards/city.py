"""A simulated city through the rooms of the real gateway in virtual time, into real databases.

::

    city ─▶ Network ─▶ pipeline ─▶ store ─▶ merger, roller ─▶ rollups
                          │           └───▶ analyst: energy, transport ─▶ derived
                          │                             teller ─▶ outbox of derived measurements
                          └▶ outbox of readings ─▶ drains ─▶ InfluxDB, VictoriaMetrics

The databases are fed as time passes, and whoever watches looks at them then: what is over is told
again as over, so afterwards an alert would find nothing. What is not here is the wire, and the
gateway's own metrics (nothing counts them in one process).
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from typing_extensions import override

from gateway.analyst import Analyst
from gateway.config import Settings
from gateway.profiles import load_profiles
from gateway.roles.analyst import desks_of
from gateway.roles.keeper import DERIVED, ROLLUPS, ROLLUPS_MAX_BYTES, outlets
from gateway.roles.telling import build_teller
from gateway.sinks.drain import Drain
from gateway.sinks.outbox import Outbox
from gateway.stats import Stats
from gateway.store import Merger, Roller, StoreReader
from gateway.store.derived import DerivedStore
from simulators.city.city import REGISTRY_FILE, City, Order, Size
from simulators.city.frame import Readings, Step
from simulators.city.frame import Span as Time
from tests.support.boards.asking import DATABASE
from tests.support.boards.rules import Both
from tools.city_desk.entry import Entry
from tools.city_desk.network import Network, Sent

HALF_HOUR_MS = 1_800_000
WATCH_MS, LOOK_MS = 300_000, 100_000
_PAST_MS = 60_000
_AFTERWARDS_MS = (60_000, 120_000, 180_000, 240_000, 300_000)  # the last half hour's rollups


@dataclass(frozen=True)
class Play:
    """What is played: from ``fine_from_ms`` on the gateway looks each ``fine_ms``.

    ``ratings_kva``: what the registry says that nodes can carry, in place of what is so.
    """

    size: Size
    span: Time
    orders: Sequence[Order] = ()
    fine_from_ms: int = 0
    fine_ms: int = 60_000
    coarse_ms: int = 900_000
    looks: int = 1  # each time, ``LOOK_MS`` apart: a day's work takes the analyst some
    report_ms: int | None = None  # nodes send as often as this, all they have
    ratings_kva: Mapping[str, float] = field(default_factory=dict)


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
        outbox = Outbox.open(data_dir / "outbox", lambda: self.now_ms)
        self._entry = Entry(data_dir, self.settings, profiles, outbox)
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


@contextmanager
def in_memory() -> Iterator[Path]:
    """Return an empty folder for a play, in memory where the system has such a place.

    A city of weeks syncs its files thousands of times, which was half of its time, and nothing
    here is about power cuts.
    """
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def sinks_of(twins: Both) -> list[dict[str, str]]:
    """Return the sections of a configuration that fill both databases."""
    influx, prom = twins.influx.server, twins.prom.server
    return [
        {"name": "a", "type": "influx1", "url": influx.url, "database": DATABASE},
        {"name": "b", "type": "victoriametrics", "url": prom.url, "database": DATABASE},
    ]


async def play(
    folder: Path,
    what: Play,
    sinks: Sequence[dict[str, str]],
    watch: Callable[[int], None] = lambda _: None,
) -> WatchedCity:
    """Let a city's time pass, and have the databases told of it.

    Args:
        folder: empty.
        what: to play.
        sinks: their sections of a configuration.
        watch: called every ``WATCH_MS``, when the databases know everything, with the time of the
            gateway's last look.
    """
    city = WatchedCity(what)
    city.write_registry(folder)
    for name, kva in what.ratings_kva.items():
        _rate(folder / REGISTRY_FILE, name, kva)
    desk = Desk(folder, sinks, city.span.from_ms)
    network = Network(city, report_ms=what.report_ms)
    # a minute past each quarter, when what came of it is there
    now = city.span.from_ms - what.coarse_ms + _PAST_MS
    async with _sending(desk) as told:
        while now < city.span.to_ms:
            now += what.fine_ms if now >= what.fine_from_ms else what.coarse_ms
            for look_ms in range(now, now + what.looks * LOOK_MS, LOOK_MS):
                desk.take(network.until(min(look_ms, city.span.to_ms)))
                desk.step(look_ms)
            if now % WATCH_MS == _PAST_MS:
                await told()
                watch(desk.now_ms)
        for later_ms in _AFTERWARDS_MS:
            desk.step(city.span.to_ms + later_ms)
        await told()
    city.write_truth(folder)
    desk.close()
    return city


def _rate(registry: Path, node: str, kva: float) -> None:
    head = re.escape(f'[[node]]\nid = "{node}"\n') + "(?:(?!rating|\\n).*\\n)*"
    wanted = f"rating = {{ kva = {kva} }}\n"
    text, count = re.subn(
        f"({head})(?:rating.*\\n)?", rf"\g<1>{wanted}", registry.read_text("utf-8")
    )
    assert count == 1
    registry.write_text(text, "utf-8")


@asynccontextmanager
async def _sending(desk: "Desk") -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Run all drains; yield what waits until the databases have everything."""
    stats = Stats()
    drains = [one for each in outlets(desk.settings, load_profiles(), stats) for one in each.drains]

    async def told() -> None:
        async with asyncio.timeout(120):
            while any(isinstance(one, Drain) and one.pending for one in drains):
                await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(one.run()) for one in drains]
    try:
        yield told
    finally:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    refused = "infragate_sink_refused_total"
    assert not [one for one in stats.samples() if one.name == refused and one.value]
