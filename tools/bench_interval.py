"""An interval of 10,000 meters closes: until each one's determinants are kept, and at what cost.

chrt -i 0 python -m tools.bench_interval [--meters 10000] [--intervals 4]

A simulated city through decode, store and the energy engine (``tools.city_desk``). The clock is
virtual: the messages of an interval come within five seconds, the analyst looks once a second and
has its budget for each look, of CPU time. So what other programs do to the machine is left out.
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from gateway.energy.engine.findings.series import DETERMINANTS
from simulators.city.city import REGISTRY_FILE, City, Size
from tools.city_desk import HOUR_MS, InProcessGateway, Network, span_of

INTERVAL_MS, _LOOK_MS, _LOOKS = 1_800_000, 1000, 90


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--meters", type=int, default=10_000)
    parser.add_argument("--intervals", type=int, default=4)
    parser.add_argument("--past-h", type=int, default=24)
    wanted = parser.parse_args()
    hours = wanted.past_h + wanted.intervals / 2 + 1
    city = City(Size(1, wanted.meters, 0), span_of(hours / 24))
    with TemporaryDirectory() as folder:
        path = Path(folder)
        city.write_registry(path)
        begin_ms = city.span.from_ms
        gateway = InProcessGateway(path, path / REGISTRY_FILE, begin_ms, time.process_time)
        network = Network(city)
        now_ms = begin_ms + wanted.past_h * HOUR_MS
        for until_ms in range(begin_ms + INTERVAL_MS, now_ms, INTERVAL_MS):
            gateway.take(network.until(until_ms))
            for look in range(_LOOKS):
                gateway.step(until_ms + look * _LOOK_MS)
        for _ in range(wanted.intervals):
            _interval(gateway, network, now_ms)
            now_ms += INTERVAL_MS
        gateway.close()


def _interval(gateway: InProcessGateway, network: Network, closed_ms: int) -> None:
    """Let a minute and a half pass behind the end of an interval."""
    delays_s: list[float] = []
    intake_s = engine_s = 0.0
    for look in range(_LOOKS):
        now_ms = closed_ms + look * _LOOK_MS
        began_s = time.process_time()
        gateway.take(network.until(now_ms))
        took_s = time.process_time()
        gateway.step(now_ms)
        done_s = time.process_time()
        intake_s, engine_s = intake_s + took_s - began_s, engine_s + done_s - took_s
        kept_s = look * _LOOK_MS / 1000 + done_s - took_s
        delays_s += [kept_s] * gateway.results.get(DETERMINANTS, 0)
    p50, p95 = np.percentile(delays_s, [50, 95])
    print(
        f"{len(delays_s)} determinants: p50 {p50:.1f} s, p95 {p95:.1f} s after the interval; "
        f"CPU: engine {engine_s:.2f} s, nodes and intake {intake_s:.2f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
