"""What the other processes say of themselves, as an operator asks: what works, what is behind."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from gateway.stats import Sample, load_samples

PROCESSES = ("intake", "processor", "keeper", "analyst", "annunciator")
_SILENT_MS = 10_000  # each writes its snapshot every second; a loaded Pi may miss a few


class SinkHealth(NamedTuple):
    """One database."""

    name: str
    is_up: bool
    lag_s: float
    pending: int  # pages that wait


class Health(NamedTuple):
    """The gateway beside its readings."""

    connected: int | None  # devices on listeners, None where there is no listener
    brokers: Mapping[str, bool]  # by number of the source
    sinks: tuple[SinkHealth, ...]  # by name
    is_congested: bool  # the journal takes no more: the disk is full or too slow
    silent: tuple[str, ...]  # processes that have not been heard of


def look(folder: Path, now_ms: int) -> Health:
    """Return the health as the snapshots in ``folder`` tell it (``run`` of a data_dir)."""
    silent = tuple(name for name in PROCESSES if _is_silent(folder / f"{name}.json", now_ms))
    return health_of(load_samples(folder), silent)


def health_of(samples: Iterable[Sample], silent: tuple[str, ...] = ()) -> Health:
    """Return the health that samples tell of."""
    gauges: dict[str, dict[str, float]] = {}  # by name, then by the value of its only label
    for one in samples:
        if one.kind == "gauge":
            label = one.labels[0][1] if one.labels else ""
            gauges.setdefault(one.name, {})[label] = one.value
    connections = gauges.get("infragate_listener_connections")
    lags_s = gauges.get("infragate_sink_lag_seconds", {})
    pending = gauges.get("infragate_sink_pending_records", {})
    sinks: dict[str, SinkHealth] = {}
    for name, up in sorted(gauges.get("infragate_sink_up", {}).items()):
        # a database is told of once: its rollups and findings have drains of their own
        base = name.removesuffix("-rollups").removesuffix("-derived")
        sink = SinkHealth(base, up > 0, lags_s.get(name, 0.0), int(pending.get(name, 0)))
        sinks[base] = _joined(sinks[base], sink) if base in sinks else sink
    brokers = gauges.get("infragate_source_connected", {})
    return Health(
        None if connections is None else int(sum(connections.values())),
        {source: value > 0 for source, value in sorted(brokers.items())},
        tuple(sinks.values()),
        gauges.get("infragate_journal_congested", {}).get("", 0.0) > 0,
        silent,
    )


def _joined(a: SinkHealth, b: SinkHealth) -> SinkHealth:
    is_up, lag_s = a.is_up and b.is_up, max(a.lag_s, b.lag_s)
    return SinkHealth(a.name, is_up, lag_s, a.pending + b.pending)


def _is_silent(file: Path, now_ms: int) -> bool:
    try:
        return now_ms - file.stat().st_mtime_ns // 1_000_000 > _SILENT_MS
    except FileNotFoundError:
        return False  # the first start is still under way, or nobody but the API runs
