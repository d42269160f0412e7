"""Cities in which something goes wrong as it happens, and when it did by their own truth."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from simulators.city.city import City, Order, Size
from simulators.city.frame import Span
from tests.support.demo import Demo
from tests.support.running import ROOT, wait_until

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
LOCAL_MS = 7 * HOUR_MS  # days are those of Vietnam
# a blocked exit: at rush hour the queue is at the detectors after a minute, at night after ten
JAM, SEED, METERS, LANES, INTERVAL_MS = "queue_spillback", 1, 5, 60, 30_000
JAM_FROM_S = 330  # a state of the road is of five minutes: a board that has just begun has none
JAMMED_KMH, JAMMED_OCCUPANCY = 60, 500  # 60 % of free, ‰
_SPEED_PER_KMH = 10  # tl1


class Jam(NamedTuple):
    """A road whose exit is blocked."""

    section: str
    start_ms: int  # of the city

    @property
    def felt_ms(self) -> int:
        """The end of the first interval in which sound detectors must see it."""
        return felt_ms(self)


@contextmanager
def jammed_city(demo: Demo, folder: Path, section: str) -> Iterator[Jam]:
    """Let a city send to a demo, which is started here, until the block ends."""
    scenario = f"{JAM}:where={section},from={JAM_FROM_S},to=7200,share=0"
    command = [
        *(sys.executable, "-m", "simulators", "city", "--seed", str(SEED), "--org", "demo"),
        *("--meters", str(METERS), "--lanes", str(LANES), "--interval-s", str(INTERVAL_MS // 1000)),
        *("--mqtt", f"mqtt://127.0.0.1:{demo.mqtt_port}", "--pace", "realtime", "--forever"),
        *("--out", str(folder), "--state", str(folder), "--scenario", scenario),
    ]
    subprocess.run([*command, "--check"], cwd=ROOT, check=True, timeout=60)
    start = folder / "start.json"
    start.unlink(missing_ok=True)  # that of the check, which was earlier
    demo.start("--no-fleet", "--registry", str(folder / "registry.toml"))
    wait_until(lambda: b"alive" in demo.get("/healthz"), 60, "the gateway")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as city:
        try:
            start_ms = wait_until(lambda: json.loads(start.read_text())["start_ms"], 60, "a city")
            yield Jam(section, start_ms)
        finally:
            city.terminate()


def felt_ms(jam: Jam) -> int:
    """Return the end of the first interval that is jammed, from the same city computed again."""
    begin_ms = jam.start_ms + JAM_FROM_S * 1000
    wish = {"where": jam.section, "from_ms": begin_ms, "to_ms": begin_ms + DAY_MS, "share": 0.0}
    size = Size(SEED, METERS, LANES, INTERVAL_MS)
    city = City(size, Span(jam.start_ms, jam.start_ms + HOUR_MS), [Order(JAM, wish)])
    for span, step in city.steps(INTERVAL_MS):
        lanes = [
            row
            for batch in step.readings
            if batch.profile == "tl1"
            for row, index in zip(batch.values, batch.device, strict=True)
            if batch.names[index].startswith(f"loop-{jam.section}-")
        ]
        if span.from_ms >= begin_ms and _is_jammed(lanes):
            # a city begins with a whole interval, so its clock is late by the rest of it
            return span.to_ms + jam.start_ms % INTERVAL_MS
    raise AssertionError("nothing is jammed within an hour")


def _is_jammed(lanes: Sequence[Sequence[int]]) -> bool:
    count = sum(lane[0] for lane in lanes)
    speed = sum(lane[0] * lane[3] for lane in lanes if lane[0]) / max(count, 1) / _SPEED_PER_KMH
    return bool(0 < speed < JAMMED_KMH) or any(lane[2] >= JAMMED_OCCUPANCY for lane in lanes)


class Thieves(NamedTuple):
    """Captures of a town: everything up to yesterday's noon, and the rest of the day."""

    registry: Path
    before: Path
    rest: Path
    honest_ms: int  # when the last day without thieves began


def thieves(folder: Path, days: int, count: int) -> Thieves:
    """Write captures of whole local days up to midnight; thieves are there for the last one."""
    town = Size(SEED, 60, 0)
    today_ms = (time.time_ns() // 1_000_000 + LOCAL_MS) // DAY_MS * DAY_MS - LOCAL_MS
    begin_ms = today_ms - days * DAY_MS
    began = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(begin_ms / 1000))
    since_s = (days - 1) * DAY_MS // 1000
    devices = City(town, Span(begin_ms, begin_ms + DAY_MS)).devices()
    meters = sorted(one.id for one in devices if one.id.startswith("em-"))
    wishes = [f"theft:where={name},share=0.5,from={since_s}" for name in meters[:count]]
    command = [
        *(sys.executable, "-m", "simulators", "city", "--lanes", "0", "--dump"),
        *("--seed", str(town.seed), "--meters", str(town.meters)),
        *("--days", str(days), "--start", began, "--out", str(folder), "--org", "demo"),
        *(word for wish in wishes for word in ("--scenario", wish)),
    ]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300, stdout=subprocess.DEVNULL)
    before, rest = folder / "before.jsonl", folder / "rest.jsonl"
    with before.open("w") as early, rest.open("w") as late:
        for line in (folder / "capture.jsonl").open():
            payload = json.loads(json.loads(line)["payload"])
            (late if payload.get("t", 0) >= today_ms - DAY_MS // 2 else early).write(line)
    return Thieves(folder / "registry.toml", before, rest, today_ms - 2 * DAY_MS)


def replay(capture: Path, port: int) -> None:
    """Send a capture; return when all of it was acknowledged."""
    where = ["--mqtt", f"mqtt://127.0.0.1:{port}"]
    command = [sys.executable, "-m", "simulators", "replay", str(capture), *where]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300, stdout=subprocess.DEVNULL)
