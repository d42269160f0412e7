"""Probes are answered while the API is still being loaded; everything else waits for it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from gateway.api.door import Door
from gateway.api.keys import Keys
from gateway.api.signin import Form
from gateway.late import LateApp

NOW_MS = 1_795_000_000_000


class Server:
    """Speaks ASGI to a door, as uvicorn would."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        life = asyncio.create_task(
            self._door({"type": "lifespan"}, self._said.get, self._heard.put)  # type: ignore[arg-type]
        )
        await self._said.put({"type": "lifespan.startup"})
        assert (await self._heard.get())["type"] == "lifespan.startup.complete"
        try:
            yield
        finally:
            await self._said.put({"type": "lifespan.shutdown"})
            await life

    async def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        sent: list[dict[str, Any]] = []
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "http_version": "1.1",
            "scheme": "http",
            "root_path": "",
            "headers": [(k.encode(), v.encode()) for k, v in (headers or {}).items()],
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(dict(message))

        await self._door(scope, receive, send)
        return sent[0]["status"], json.loads(b"".join(one.get("body", b"") for one in sent[1:]))


class Loading:
    """An API that is there when ``ready`` is set."""

    def __init__(self, tmp_path: Path, token: str | None = None) -> None:
        self.ready = asyncio.Event()
        self.error: Exception | None = None
        self.failed = 0
        api = LateApp(self._build)
        self.door = Door(api, tmp_path, lambda: NOW_MS, Keys(token), self._fail)

    async def _build(self) -> FastAPI:
        await self.ready.wait()
        if self.error is not None:
            raise self.error
        app = FastAPI()
        app.add_api_route("/healthz", lambda: {"status": "of the API"})
        app.add_api_route("/api/v1/accounting", lambda: {"received": 7})
        return app

    def _fail(self) -> None:
        self.failed += 1


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / f"{name}.json").write_text("[]")


async def test_probes_answer_at_once_and_the_rest_waits(tmp_path: Path) -> None:
    loading = Loading(tmp_path)
    server = Server(loading.door)
    async with server.running():
        assert await server.get("/healthz") == (200, {"status": "alive"})
        waiting = asyncio.create_task(server.get("/api/v1/accounting"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        loading.ready.set()
        assert await waiting == (200, {"received": 7})
        assert await server.get("/healthz") == (200, {"status": "of the API"})


async def test_readiness_is_about_the_others_not_about_the_api(tmp_path: Path) -> None:
    loading = Loading(tmp_path)
    server = Server(loading.door)
    async with server.running():
        status, said = await server.get("/readyz")
        assert status == 503
        assert "intake has not started; processor has not started" in said["detail"]
        touch(tmp_path, "intake", "processor")
        assert await server.get("/readyz") == (200, {"status": "ready"})
        loading.ready.set()


def basic(token: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"x:{token}".encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), (basic("wrong"), 401), (basic("s3cret"), 200)],
)
async def test_a_token_is_asked_for_before_the_api_is_there(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    loading = Loading(tmp_path, token="s3cret")
    touch(tmp_path, "intake", "processor")
    server = Server(loading.door)
    async with server.running():
        assert (await server.get("/readyz", headers))[0] == status
        assert (await server.get("/healthz"))[0] == 200
        loading.ready.set()


async def test_an_api_that_cannot_be_loaded_is_not_hidden(tmp_path: Path) -> None:
    loading = Loading(tmp_path)
    server = Server(loading.door)
    loading.error = ValueError("no such thing")
    get: Callable[[str], Any] = server.get
    async with server.running():
        waiting = asyncio.create_task(get("/api/v1/accounting"))
        loading.ready.set()
        with pytest.raises(ValueError, match="no such thing"):
            await waiting
        assert loading.failed == 1


async def test_a_form_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letter by letter it would hold a connection before anybody has signed in."""
    monkeypatch.setattr("gateway.api.signin.FORM_S", 0.1, raising=False)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    form = Form(lambda _: None, dict, lambda: False)
    scope = {"type": "http", "method": "POST", "path": "/sign-in", "query_string": b""}
    await asyncio.wait_for(form.answer(scope, receive, send, ""), 3)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
