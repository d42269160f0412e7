"""A whole gateway over a large made-up site, whose devices go on sending: what boards look at."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from typing_extensions import override

from gateway.cli.loopback import free_port
from gateway.ports import Findings
from gateway.store.derived import DerivedStore
from tests.support.board_town import (
    Town,
    energy_alarms,
    energy_lines,
    registry_of,
    road_alarms,
    road_lines,
)
from tests.support.running import Gateway, listener, wait_until
from tests.support.stores import LANE_ROW, METER_ROW

SPACING_S = {"em1": 1800, "tl1": 30}  # as their profiles say
FIRST_ROWS = 4
IN_FLIGHT = 500


class Site:
    """A gateway with its board, and a feeder; the findings stand in its files before it starts."""

    def __init__(self, folder: Path, town: Town) -> None:
        self.town = town
        self.mqtt_port = free_port()
        registry = folder / "registry.toml"
        registry.write_text(registry_of(town), "utf-8")
        more = "max_rate_per_device = 1000000\n"
        sources = listener(self.mqtt_port) + more
        self.gateway = Gateway(folder, sources, registry=registry, board=True)
        self.url = f"http://127.0.0.1:{self.gateway.http_port}"
        self._feeder: Feeder | None = None
        self._find(time.time_ns() // 60_000_000_000 * 60_000)

    def _find(self, now_ms: int) -> None:
        self.gateway.data_dir.mkdir(exist_ok=True)
        derived = DerivedStore(self.gateway.data_dir)
        energy, roads = energy_lines(self.town, now_ms), road_lines(self.town, now_ms)
        derived.commit("energy", Findings(energy_alarms(now_ms), list(energy)), 1)
        derived.commit("transport", Findings(road_alarms(now_ms), list(roads)), 1)
        derived.close()

    def start(self) -> None:
        """Start; the first time every device sends some rows before this returns."""
        self.gateway.start()
        if self._feeder is None:
            self._feeder = Feeder(self.mqtt_port, self.town)
            sent = self._feeder.begin()
            self.gateway.settle(240, messages=sent)
            self._feeder.start()

    def stop(self) -> None:
        """Stop the gateway; devices go on as soon as it is back."""
        self.gateway.stop()

    def close(self) -> None:
        """Stop everything."""
        if self._feeder is not None:
            self._feeder.close()
        if self.gateway.process is not None and self.gateway.process.poll() is None:
            self.gateway.stop()


@contextmanager
def large_site(folder: Path, town: Town) -> Iterator[Site]:
    """A started site that is stopped at the end."""
    site = Site(folder, town)
    try:
        site.start()
        yield site
    finally:
        site.close()


class Feeder(threading.Thread):
    """All devices of a town over one connection, each at its own pace."""

    def __init__(self, port: int, town: Town) -> None:
        super().__init__(daemon=True)
        self._names = town.names()
        self._sent = [0] * len(self._names)
        self._ends = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="feeder")
        self._client.max_inflight_messages_set(IN_FLIGHT)
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def begin(self) -> int:
        """Send some rows of every device up to now; return how many messages that were."""
        told = [self._say(one, FIRST_ROWS) for one in range(len(self._names))]
        for info in told:
            wait_until(info.is_published, 120, "PUBACK", 0.01)
        return len(told)

    @override
    def run(self) -> None:
        """Let each device send a row when its time has come."""
        due = [0.0] * len(self._names)
        begun_s = time.monotonic()
        for one, (_, _, profile) in enumerate(self._names):
            spacing_s = SPACING_S[profile]
            due[one] = begun_s + spacing_s * (one % 997 + 1) / 997  # not all at once
        while not self._ends.wait(0.25):
            now_s = time.monotonic()
            if not self._client.is_connected():
                continue
            for one, due_s in enumerate(due):
                if due_s <= now_s:
                    due[one] = due_s + SPACING_S[self._names[one][2]]
                    self._say(one, 1)

    def close(self) -> None:
        """Stop sending."""
        self._ends.set()
        if self.is_alive():
            self.join()
        self._client.disconnect()
        self._client.loop_stop()

    def _say(self, one: int, rows: int) -> mqtt.MQTTMessageInfo:
        name, sector, profile = self._names[one]
        spacing_ms, first = 1000 * SPACING_S[profile], self._sent[one]
        base_ms = time.time_ns() // 1_000_000 - spacing_ms * (rows - 1)
        body = {
            "p": profile,
            "log": 7,
            "n": first + 1,
            "t": base_ms,
            "r": [[k * spacing_ms, *_values(profile, first + k), 0] for k in range(rows)],
        }
        self._sent[one] += rows
        org = "evn" if sector == "energy" else "vec"
        return self._client.publish(f"tg/1/{org}/{sector}/{name}/t", json.dumps(body), qos=1)


def _values(profile: str, number: int) -> Sequence[int]:
    """Return a believable row: registers go up."""
    if profile == "em1":
        row = [int(value) for value in METER_ROW]
        return [row[0] + 400 * number, row[1], 800, *row[3:]]
    row = [int(value) for value in LANE_ROW]
    return [row[0], row[1] + row[0] * number, *row[2:]]
