"""Scripts of the board: packed once, asked for at once."""

import gzip
import re

import httpx
import pytest
from nicegui import app as nicegui_app
from starlette.types import Receive, Scope, Send

from gateway.board import packed
from gateway.board.ahead import links
from gateway.board.packed import PackedFiles

SCRIPT = b"let words = 'all the same';" * 100
FILE = "/_nicegui/3/static/a.js"
PACKS = {"Accept-Encoding": "gzip"}


class Files:
    """Answers with the script, in two parts, and counts how often."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        status = 404 if scope["path"].endswith("none.js") else 200
        headers = [(b"content-type", b"text/javascript"), (b"etag", b'"1"')]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": SCRIPT[:1000], "more_body": True})
        await send({"type": "http.response.body", "body": SCRIPT[1000:]})


def client(files: Files) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(PackedFiles(files)), base_url="http://a")


async def test_a_script_is_packed_once_for_all_who_come() -> None:
    files = Files()
    async with client(files) as web:
        first = await web.get(FILE, headers=PACKS)
        second = await web.get(FILE, headers=PACKS)
    assert files.asked == 1
    for answer in (first, second):
        assert answer.content == SCRIPT
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["etag"] == '"1"'
    assert second.num_bytes_downloaded < len(SCRIPT) / 2


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (FILE, {"Accept-Encoding": "identity"}),
        (FILE, PACKS | {"Range": "bytes=0-9"}),
        (FILE, PACKS | {"If-None-Match": '"1"'}),
        ("/energy/load", PACKS),  # a page is another every time
        ("/_nicegui/3/static/none.js", PACKS),
    ],
)
async def test_what_may_be_another_the_next_time_is_not_kept(
    path: str, headers: dict[str, str]
) -> None:
    files = Files()
    async with client(files) as web:
        for _ in range(2):
            assert (await web.get(path, headers=headers)).content == SCRIPT
    assert files.asked == 2


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MOST_BYTES", len(gzip.compress(SCRIPT)) * 3 // 2)
    files = Files()
    async with client(files) as web:
        for name in ("a", "b", "a", "b"):
            path = f"/_nicegui/3/static/{name}.js"
            assert (await web.get(path, headers=PACKS)).content == SCRIPT
    assert files.asked == 3  # the first stays, the second finds no room


async def test_every_script_that_is_asked_for_ahead_is_there() -> None:
    paths = re.findall(r'href="([^"]+)"', links())
    assert any("/esm/" in path for path in paths)  # the charts
    assert any(path.endswith("/table.js") for path in paths)
    transport = httpx.ASGITransport(nicegui_app)
    async with httpx.AsyncClient(transport=transport, base_url="http://a") as web:
        for path in paths:
            assert (await web.get(path)).status_code == 200, path
