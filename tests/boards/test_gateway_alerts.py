"""Alerts about the gateway itself: a real one gets into trouble, its databases tell of it.

Six processes, InfluxDB and VictoriaMetrics as they are, a small disk; only the gateway's wall clock
is ours (libfaketime), since a database that is ten minutes behind takes ten minutes.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from dashboards.alerts.rest import GATEWAY
from gateway.cli.loopback import free_port
from simulators.chaos.machine import Clock
from tests.boards.conftest import Twins, by_itself, started
from tests.faults import needs_root, small_disk
from tests.support.boards.city import sinks_of
from tests.support.boards.panes import MINUTE_MS, SETS, Range
from tests.support.boards.rules import Firing, firings, rules
from tests.support.clients import Sender, sender
from tests.support.databases import metric
from tests.support.running import Gateway, listener, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(900), by_itself]

KEYS = {alert.key for alert in GATEWAY}
DISK_BYTES = 192 << 20
SECTORS = {"em1": "energy", "wtr1": "water"}
TURN_S = 60  # how far the clock goes at once
CALM_MIN, FEW_MIN, LAG_MIN = 6, 3, 12
SILENT_MS = 10 * MINUTE_MS


class Site:
    """A gateway with both databases, whose time passes when we say so."""

    def __init__(self, gateway: Gateway, clock: Clock, client: Sender) -> None:
        self.gateway, self._clock, self._client = gateway, clock, client
        self._offset_s = self._sent = 0

    @property
    def now_ms(self) -> int:
        """The gateway's time."""
        return time.time_ns() // 1_000_000 + self._offset_s * 1000

    def pass_(self, minutes: int) -> None:
        """Let minutes pass: each has a reading, and the gateway tells of itself."""
        for _ in range(minutes):
            before = self._told_of()
            self._offset_s += TURN_S
            self._clock.set(self._offset_s)
            self.send("em1", [0, 1000 + self._sent, 0, 100, 2300, 43, 990, 0])
            wait_until(lambda before=before: self._told_of() != before, 60, "its own numbers")

    def send(self, profile: str, row: list[int]) -> None:
        """Send one reading."""
        self._sent += 1
        body = {"p": profile, "log": 1, "n": self._sent, "t": self.now_ms, "r": [row]}
        self._client.send(
            [(f"tg/1/evn/{SECTORS[profile]}/{profile}-1/t", msgspec.json.encode(body))]
        )

    def _told_of(self) -> float:
        return metric(self.gateway, "infragate_derived_told_total") or 0


class Story(NamedTuple):
    """When what happened, in the gateway's time, and what fired of it in either language."""

    began_ms: int
    refused_ms: int
    down_ms: int
    full_ms: int
    ended_ms: int
    fired: list[dict[str, list[Firing]]]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("site")
    clock = Clock(folder)
    if not clock.env:
        pytest.skip("faketime is not installed")
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(folder / "data", DISK_BYTES))
        twins = stack.enter_context(started())
        yield told(folder, disk, clock, twins)


def told(folder: Path, disk: Path, clock: Clock, twins: Twins) -> Story:
    """Let it happen."""
    sinks = ("\n".join(f'{k} = "{v}"' for k, v in one.items()) for one in sinks_of(twins))
    extra = "".join(f"[[sink]]\n{one}\n" for one in sinks)
    under = ["env", *(f"{name}={value}" for name, value in clock.env.items())]
    port = free_port()
    gateway = Gateway(
        folder,
        listener(port),
        extra=extra,
        data_dir=disk,
        under=under,
    )
    # a field of the wrong type, as somebody who played with the database left it today
    twins.influx.write([b'wtr1 flow="much" %d' % (time.time_ns() // 1_000_000)])
    gateway.start()
    try:
        with sender(port) as client:
            site = Site(gateway, clock, client)
            return happen(site, disk, twins)
    finally:
        gateway.kill()


def happen(site: Site, disk: Path, twins: Twins) -> Story:
    """Calm, a refused line, a database that is down, a full disk, the end."""
    site.pass_(2)  # until all processes are there
    began_ms = site.now_ms
    site.pass_(CALM_MIN)
    refused_ms = site.now_ms
    site.send("wtr1", [0, 5000, 0, 120, 300, 200, 90, 0])
    site.pass_(FEW_MIN)
    site.gateway.kill_role("keeper")  # it counts from 0 again, which is no refusal
    site.pass_(FEW_MIN)
    down_ms = site.now_ms
    twins.influx.server.kill()
    site.pass_(LAG_MIN)
    # it tries every 30 s at last, and says then how far it is behind
    wait_until(lambda: is_behind(site), 90, "the lag")
    site.pass_(FEW_MIN)
    twins.influx.server.start()
    wait_until(lambda: not is_behind(site), 90, "caught up")
    site.pass_(FEW_MIN + 5)  # beyond the window of the lag
    full_ms = site.now_ms
    with (disk / "ballast").open("wb") as ballast:
        ballast.write(bytes(round(0.95 * DISK_BYTES) - used(disk)))
    site.pass_(FEW_MIN)
    ended_ms = site.now_ms
    wait_until(lambda: not pending(site), 60, "everything sent")
    site.gateway.stop(30)
    twins.prom.flush()
    span = Range(began_ms, ended_ms + SILENT_MS)
    fired = [
        {key: list(firings(server, key, rules(name)[key], span, MINUTE_MS)) for key in sorted(KEYS)}
        for name, server in zip(SETS, twins.both, strict=True)
    ]
    return Story(began_ms, refused_ms, down_ms, full_ms, ended_ms, fired)


def is_behind(site: Site) -> bool:
    """Return whether InfluxDB lacks ten minutes."""
    return (metric(site.gateway, "infragate_sink_lag_seconds", sink="a") or 0) > 600


def used(disk: Path) -> int:
    """Return how many bytes of it are taken."""
    return sum(file.stat().st_blocks * 512 for file in disk.rglob("*") if file.is_file())


def pending(site: Site) -> bool:
    """Return whether anything waits for the databases."""
    names = (f"{name}{part}" for name in "ab" for part in ("", "-rollups", "-derived"))
    return any(metric(site.gateway, "infragate_sink_pending_records", sink=one) for one in names)


@needs_root
@pytest.mark.parametrize("number", [0, 1], ids=SETS)
def test_each_fires_in_its_trouble_and_not_before(story: Story, number: int) -> None:
    fired = story.fired[number]
    since = {
        "sink-refuses": (story.refused_ms, {"a"}),
        # the readings of a database, its rollups, what was found: each has its own place
        "sink-lag": (story.down_ms + 10 * MINUTE_MS, {"a", "a-rollups", "a-derived"}),
        "disk": (story.full_ms, {""}),
        "gateway-silent": (story.ended_ms, {""}),
    }
    assert since.keys() == KEYS
    for key, (from_ms, sinks) in since.items():
        assert fired[key], key
        assert {dict(one.labels).get("sink", "") for one in fired[key]} <= sinks, fired[key]
        for one in fired[key]:
            # its window of gaps is five minutes, what it lasts one, our step one
            assert from_ms <= one.at_ms <= from_ms + 8 * MINUTE_MS, (key, one.at_ms - from_ms)
