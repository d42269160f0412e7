"""The API over a directory that the real store, quarantine and stats have written."""

import os
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from gateway.api.app import create_app
from gateway.config import Settings
from tests.support.stores import NOW_MS, fill

V1 = "/api/v1"


def filled(folder: Path) -> Path:
    """Fill a data directory, its snapshots one second old."""
    fill(folder)
    age(folder, 1)
    return folder


def age(folder: Path, age_s: float) -> None:
    """Make the snapshots of the other processes this old."""
    for file in (folder / "run").iterdir():
        os.utime(file, (NOW_MS / 1000 - age_s, NOW_MS / 1000 - age_s))


def app_of(folder: Path, **sections: Any) -> FastAPI:
    return create_app(Settings.model_validate(sections), folder, lambda: NOW_MS)


def client_of(app: FastAPI, **more: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://gateway", **more)


async def read(client: httpx.AsyncClient, url: str) -> Any:
    answer = await client.get(url)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


async def read_problem(client: httpx.AsyncClient, url: str, status: int) -> dict[str, Any]:
    answer = await client.get(url)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem.keys() >= {"type", "title", "status", "detail", "instance"}
    assert problem["instance"] == url.partition("?")[0]
    return problem
