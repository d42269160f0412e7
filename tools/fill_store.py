"""Fill a store with a synthetic fleet of em1 meters, at rest as after merging, and time queries.

python -m tools.fill_store DIR --devices 10000 --days 30 --per-day 167   # 50 million readings
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gateway.model import Position, ReadingBatch
from gateway.ports import Checkpoint, LatestRow, Totals
from gateway.profiles import load_profiles
from gateway.store import Merger, Store, StoreReader
from gateway.store.days import DAY_MS

_FIRST_DAY = 20_000
_DEVICES_AT_ONCE = 1000


def day_of_meters(day: int, devices: range, per_day: int, rng: np.random.Generator) -> ReadingBatch:
    """Return a day's readings in order of arrival: gamma loads, noisy voltage, lateness."""
    shape = (per_day, len(devices))
    count = per_day * len(devices)
    device = np.tile(np.array(devices), per_day)
    times = _FIRST_DAY * DAY_MS + day * DAY_MS + np.arange(per_day) * (DAY_MS // per_day)
    time_ms = np.repeat(times, len(devices))
    power_w = rng.gamma(2.0, 300.0, shape).round()
    energy_wh = 1e6 * (day + 1) + np.cumsum(power_w * (24 / per_day), axis=0).round()
    voltage_dv = 2300 + rng.normal(0, 15, shape).round()
    columns = (
        energy_wh,
        np.zeros(shape),
        power_w,
        voltage_dv,
        (power_w / voltage_dv * 1000).round(),
        rng.normal(950, 10, shape).round(),
    )
    zero = np.zeros(count, np.int64)
    first = 1 + (day * 100_000 + devices[0]) * per_day
    return ReadingBatch(
        "em1",
        device_index=device,
        log=zero,
        seq=np.repeat(np.arange(per_day), len(devices)) + day * per_day,
        time_ms=time_ms,
        received_ms=time_ms + rng.integers(80, 1500, count),
        values=np.stack([column.ravel() for column in columns], axis=1),
        status=zero,
        quality=zero + 1,
        reasons=zero,
        record=first + np.arange(count),
    )


def fill(folder: Path, devices: int, days: int, per_day: int) -> None:
    """Write and merge day by day, as a gateway does."""
    rng = np.random.default_rng(1)
    store, merger = Store.open(folder), Merger(folder)
    write_s = merge_s = 0.0
    done = 1
    for day in range(days):
        for first in range(0, devices, _DEVICES_AT_ONCE):
            some = range(first, min(first + _DEVICES_AT_ONCE, devices))
            batch = day_of_meters(day, some, per_day, rng)
            started = time.perf_counter()
            for start in range(0, len(batch), 5000):
                store.write([batch.take(np.arange(start, min(start + 5000, len(batch))))], [])
            write_s += time.perf_counter() - started
        done = 1 + (day + 1) * 100_000 * per_day
        store.checkpoint(
            Checkpoint(Position(done), Totals(done, done, 0, 0, done, 0, 0), (), (), (), ())
        )
        started = time.perf_counter()
        while merger.merge_once((_FIRST_DAY + day + 2) * DAY_MS):
            pass
        merge_s += time.perf_counter() - started
    values = np.arange(6.0).tobytes()
    rows = [LatestRow(k, "em1", 1, 2, 0, 3, 0, 1, 0, values, bytes(64)) for k in range(devices)]
    started = time.perf_counter()
    store.checkpoint(
        Checkpoint(Position(done), Totals(done, done, 0, 0, done, 0, 0), (), (), rows, ())
    )
    print(f"checkpoint of {devices} newest readings: {time.perf_counter() - started:.3f} s")
    store.close()
    merger.close()
    total = devices * days * per_day
    size = sum(file.stat().st_size for file in (folder / "store").iterdir())
    print(f"{total:,} readings, {size / total:.2f} bytes each on disk")
    print(f"write {write_s / total * 1e6:.2f} µs, merge {merge_s / total * 1e6:.2f} µs a reading")


def measure(folder: Path, devices: int, days: int) -> None:
    """Print how long the queries of a board take: first (files opened) and median."""
    reader = StoreReader(folder, load_profiles())
    start, end = _FIRST_DAY * DAY_MS, (_FIRST_DAY + days) * DAY_MS
    device = devices // 3

    def timed(name: str, question: Callable[[], object]) -> None:
        spans_ms = []
        for _ in range(9):
            started = time.perf_counter()
            question()
            spans_ms.append((time.perf_counter() - started) * 1000)
        print(f"{name}: first {spans_ms[0]:.1f} ms, median {statistics.median(spans_ms):.1f} ms")

    timed(f"one meter, {days} days", lambda: reader.readings("em1", device, start, end, 10**6))
    timed("one meter, a day", lambda: reader.readings("em1", device, end - DAY_MS, end, 10**6))
    timed("newest of all meters", lambda: reader.latest("em1"))
    timed("first 1,000 of all meters", lambda: reader.readings("em1", None, start, end, 1000))
    hour = end - DAY_MS // 24
    timed("last hour of all meters", lambda: reader.readings("em1", None, hour, end, 10**6))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--per-day", type=int, default=96)
    parser.add_argument("--only-measure", action="store_true")
    asked = parser.parse_args()
    if not asked.only_measure:
        fill(asked.folder, asked.devices, asked.days, asked.per_day)
    measure(asked.folder, asked.devices, asked.days)


if __name__ == "__main__":
    main()
