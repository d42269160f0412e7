"""``GET /healthz`` and ``/readyz``; what they say is ``probes``."""

from fastapi import APIRouter, Response
from pydantic import BaseModel

from gateway.api import probes
from gateway.api.answers import Seeing
from gateway.api.documents import Problem

router = APIRouter(tags=["health"])


class HealthBody(BaseModel):
    """What the process says of itself."""

    status: str


@router.get("/healthz", response_model=HealthBody)
async def is_alive() -> Response:
    """Say that the web process is alive; needs no token."""
    return probes.alive()


@router.get("/readyz", response_model=HealthBody, responses={503: {"model": Problem}})
def is_ready(sight: Seeing) -> Response:
    """Say whether intake and processor work and the journal takes messages."""
    return probes.ready(sight.data_dir / "run", sight.clock())
