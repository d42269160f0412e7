"""Numbers each process keeps of itself, and the snapshot by which the web process shows them.

Names follow Prometheus practice; label values come from bounded sets only (a reason, a sink, a
source), never from a device or a payload.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Upper bounds in seconds; from a commit on an NVMe disk to a queryable reading on a busy Pi.
BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Labels = tuple[tuple[str, str], ...]


class Sample(NamedTuple):
    """One counter, gauge or histogram; ``buckets`` is empty but for histograms."""

    kind: str  # counter | gauge | histogram
    name: str
    labels: Labels
    value: float  # a histogram's sum
    buckets: tuple[int, ...] = ()  # not cumulative; one more than BUCKETS_S, the last is +Inf


class Stats:
    """Counters, gauges and histograms of one process."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str, Labels], float] = {}
        self._buckets: dict[tuple[str, Labels], list[int]] = {}

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        key = ("counter", name, tuple(sorted(labels.items())))
        self._values[key] = self._values.get(key, 0) + amount

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        self._values["gauge", name, tuple(sorted(labels.items()))] = value

    def observe(self, name: str, value_s: float, times: int = 1, **labels: str) -> None:
        """Add ``times`` observations of a duration to a histogram."""
        key = tuple(sorted(labels.items()))
        buckets = self._buckets.setdefault((name, key), [0] * (len(BUCKETS_S) + 1))
        place = next((i for i, bound in enumerate(BUCKETS_S) if value_s <= bound), len(BUCKETS_S))
        buckets[place] += times
        full = ("histogram", name, key)
        self._values[full] = self._values.get(full, 0) + value_s * times

    def samples(self) -> Iterator[Sample]:
        """Yield everything counted so far."""
        for (kind, name, labels), value in self._values.items():
            buckets = self._buckets[name, labels] if kind == "histogram" else ()
            yield Sample(kind, name, labels, value, tuple(buckets))

    def save(self, file: Path) -> None:
        """Write a snapshot that a reader sees whole or not at all.

        A full disk costs the snapshot, never the process; its age tells the web process.
        """
        half = file.with_suffix(".tmp")
        try:
            half.write_text(json.dumps(list(self.samples())), "utf-8")
            os.replace(half, file)  # noqa: PTH105  # atomic on POSIX
        except OSError:
            self.count("infragate_snapshots_failed_total")


def load_samples(folder: Path) -> list[Sample]:
    """Return the samples of every process's snapshot in ``folder``."""
    samples = []
    for file in sorted(folder.glob("*.json")):
        for kind, name, labels, value, buckets in json.loads(file.read_text("utf-8")):
            pairs = tuple((key, text) for key, text in labels)
            samples.append(Sample(kind, name, pairs, value, tuple(buckets)))
    return samples
