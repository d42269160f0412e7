"""The gateway's own metrics as points."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from gateway.sinks.derived.point import Point
from gateway.stats import BUCKETS_S, Labels, Sample
from gateway.views.flow import quantile_s
from gateway.views.samples import merge

_PREFIX = "infragate_"
_SHARES = {"p50": 0.5, "p99": 0.99}


class Own:
    """Remembers the histograms, for the quantiles of what came since."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, Labels], tuple[int, ...]] = {}  # as many as metrics

    def points(self, samples: Iterable[Sample], time_ms: int) -> Iterator[Point]:
        """Yield a point for each set of labels, its metrics as fields."""
        fields: dict[Labels, dict[str, float | None]] = {}
        for name, series in merge(samples).items():
            for labels, one in series.items():
                row = fields.setdefault(labels, {})
                short = name.removeprefix(_PREFIX)
                if one.kind == "histogram":
                    row |= self._histogram(short, one)
                else:
                    row[short] = float(one.value)
        for labels, row in fields.items():
            yield Point("gateway_self", dict(labels), row, time_ms)

    def _histogram(self, name: str, one: Sample) -> dict[str, float | None]:
        before = self._before.get((name, one.labels), ())
        since = [new - old for old, new in zip(before, one.buckets, strict=False)]
        if len(since) != len(one.buckets) or min(since, default=0) < 0:
            since = list(one.buckets)  # the process was started again and counts from zero
        self._before[name, one.labels] = one.buckets
        row: dict[str, float | None] = {
            f"{name}_count": float(sum(one.buckets)),
            f"{name}_sum": float(one.value),
        }
        for at, share in _SHARES.items():
            bound_s = quantile_s(since, share)
            row[f"{name}_{at}"] = None if bound_s is None else min(bound_s, BUCKETS_S[-1])
        return row


def disk_point(data_dir: Path, time_ms: int) -> Point:
    """Return how much room the disk of the data directory has."""
    usage = shutil.disk_usage(data_dir)
    fields = {"free_bytes": float(usage.free), "total_bytes": float(usage.total)}
    return Point("gateway_disk", {}, fields, time_ms)
