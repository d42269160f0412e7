"""The application: every route, the guard before them and the problems after."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio.to_thread
from fastapi import APIRouter, Depends, FastAPI

from gateway import __version__
from gateway.api import (
    accounting,
    aggregate,
    alarms,
    bills,
    catalog,
    devices,
    events,
    findings,
    health,
    maintenance,
    metrics,
    quality,
    quarantine,
    readings,
    rollups,
    stream,
)
from gateway.api.documents import Problem
from gateway.api.guard import Guard
from gateway.api.keys import Keys
from gateway.api.params import refuse_unknown
from gateway.api.problems import describe_problems, install_problems
from gateway.config import Settings
from gateway.profiles import Profiles
from gateway.views.sight import Sight

# Blocking reads run in threads. Eight at once keep two cores and a disk busy; the forty that
# are the default could hold forty answers of 100,000 rows (some 100 MB each) in memory.
READER_THREADS = 8

DESCRIPTION = (
    "Readings, accounts, quality and alarms of an infragate gateway. Times are RFC 3339 in "
    "UTC with milliseconds. Errors are RFC 9457 problem documents."
)


def create_app(
    settings: Settings,
    data_dir: Path | None = None,
    clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    profiles: Profiles | None = None,
    durable: Callable[[], int] = lambda: 0,
) -> FastAPI:
    """Return the API over a data directory; ``app.state.sight`` is what it reads."""
    app = FastAPI(
        title="infragate",
        version=__version__,
        description=DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # both pages of FastAPI load scripts from the internet
        redoc_url=None,
        lifespan=_lifespan,
        responses={"default": {"model": Problem, "description": "RFC 9457 problem document"}},
        dependencies=[Depends(refuse_unknown)],
    )
    app.state.sight = Sight(settings, clock, data_dir, profiles, durable)
    app.state.streams = stream.Streams()
    app.include_router(health.router)
    app.include_router(metrics.router)
    versioned = APIRouter(prefix="/api/v1")
    for room in (
        accounting,
        devices,
        readings,
        rollups,
        aggregate,
        alarms,
        maintenance,
        events,
        quarantine,
        quality,
        catalog,
        stream,
    ):
        versioned.include_router(room.router)
    versioned.include_router(bills.router)
    for domain in findings.DOMAINS:
        versioned.include_router(findings.router_of(domain))
    app.include_router(versioned)
    install_problems(app)
    describe_problems(app)
    app.add_middleware(Guard, keys=Keys.of(settings, data_dir))
    return app


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = READER_THREADS
    yield
