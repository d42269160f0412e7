"""``GET /healthz`` and ``/readyz``: is this process alive, can the gateway take and show data."""

from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, Response
from pydantic import BaseModel

from gateway.api.answers import Seeing, to_answer
from gateway.api.problems import Problem, problem
from gateway.stats import Sample

router = APIRouter(tags=["health"])

PROCESSES = ("intake", "processor")  # without them nothing is taken in, or nothing is shown
FRESH_MS = 5_000  # processes write their snapshot every second; five missed is no hiccup
CONGESTED = "infragate_journal_congested"  # gauge of the intake: 1 = sources have stopped reading


class HealthBody(BaseModel):
    """What the process says of itself."""

    status: str


def stale_processes(folder: Path, now_ms: int) -> list[str]:
    """Return what is wrong with the snapshots of the other processes."""
    reasons = []
    for name in PROCESSES:
        try:
            written_ms = (folder / f"{name}.json").stat().st_mtime_ns // 1_000_000
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


@router.get("/healthz", response_model=HealthBody)
async def is_alive() -> Response:
    """Say that the web process is alive; needs no token."""
    return to_answer({"status": "alive"})


@router.get("/readyz", response_model=HealthBody, responses={503: {"model": Problem}})
def is_ready(sight: Seeing) -> Response:
    """Say whether intake and processor work and the journal takes messages."""
    reasons = stale_processes(sight.data_dir / "run", sight.clock())
    reasons += congestion(sight.samples())
    if reasons:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, "; ".join(reasons), "/readyz")
    return to_answer({"status": "ready"})
