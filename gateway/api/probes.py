"""Is the web process alive, can the gateway take and show data: asked before the API is loaded."""

from http import HTTPStatus
from pathlib import Path

from starlette.responses import Response

from gateway.api.documents import problem, to_answer
from gateway.stats import Sample, load_samples

PROCESSES = ("intake", "processor")  # without them nothing is taken in, or nothing is shown
FRESH_MS = 5_000  # processes write their snapshot every second; five missed is no hiccup
CONGESTED = "infragate_journal_congested"  # gauge of the intake: 1 = sources have stopped reading


def alive() -> Response:
    """Answer ``/healthz``."""
    return to_answer({"status": "alive"})


def ready(run_dir: Path, now_ms: int) -> Response:
    """Answer ``/readyz`` from the snapshots of the other processes."""
    reasons = stale_processes(run_dir, now_ms) + congestion(load_samples(run_dir))
    if reasons:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, "; ".join(reasons), "/readyz")
    return to_answer({"status": "ready"})


def stale_processes(run_dir: Path, now_ms: int) -> list[str]:
    """Return what is wrong with the snapshots of the other processes."""
    reasons = []
    for name in PROCESSES:
        try:
            written_ms = (run_dir / f"{name}.json").stat().st_mtime_ns // 1_000_000
        except FileNotFoundError:
            reasons.append(f"{name} has not started")
            continue
        age_ms = now_ms - written_ms
        if age_ms > FRESH_MS:
            reasons.append(f"{name} has said nothing for {age_ms / 1000:.0f} s")
    return reasons


def congestion(samples: list[Sample]) -> list[str]:
    """Return whether the journal takes nothing any more."""
    if any(sample.name == CONGESTED and sample.value > 0 for sample in samples):
        return ["journal is congested: the disk is full or too slow, sources have stopped reading"]
    return []
