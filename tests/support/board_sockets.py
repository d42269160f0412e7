"""Open boards without a browser: the page is fetched, its websocket is read and acknowledged.

What a board costs the server is the same as with a browser; what the browser itself computes is
left out, since operators have machines of their own.
"""

import asyncio
import contextlib
import json
import re
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import httpx
from websockets.asyncio.client import ClientConnection, connect

_CLIENT = re.compile(r"""['"]client_id['"]:\s*['"]([0-9a-f-]{36})""")
FIRST_S = 120.0
OPEN = "open"  # what we say when all boards have shown something


class OpenBoard:
    """One open page, as NiceGUI's script holds it (Engine.IO 4 in one websocket)."""

    def __init__(self, socket: ClientConnection, client_id: str) -> None:
        self._socket, self._client_id = socket, client_id
        self.updates = self.bytes = 0
        self.drawn = asyncio.Event()  # the page has shown something beside its frame

    async def read(self) -> None:
        """Read and acknowledge until the connection is closed."""
        async for word in self._socket:
            text = word if isinstance(word, str) else word.decode()
            self.bytes += len(text)
            if text == "2":  # Engine.IO's ping
                await self._socket.send("3")
            elif text.startswith("42"):
                name, data = json.loads(text[2:])
                self.updates += name == "update"
                if "data-beat" in text:
                    self.drawn.set()
                await self._acknowledge(data.get("_id"))

    async def _acknowledge(self, number: int | None) -> None:
        if number is not None and number % 10 == 0:  # the script does so once a second
            told = {"client_id": self._client_id, "next_message_id": number + 1}
            await self._socket.send(f"42{json.dumps(['ack', told])}")


@asynccontextmanager
async def open_board(url: str) -> AsyncIterator[OpenBoard]:
    """Fetch a page and keep it open."""
    async with httpx.AsyncClient(timeout=FIRST_S) as client:
        page = (await client.get(url)).raise_for_status().text
    found = _CLIENT.search(page)
    assert found is not None, page[:500]
    root = "/".join(url.split("/")[:3]).replace("http", "ws", 1)
    asked = {
        "client_id": found[1],
        "next_message_id": "0",
        "implicit_handshake": "true",
        "document_id": str(uuid.uuid4()),
        "tab_id": str(uuid.uuid4()),
        "EIO": "4",
        "transport": "websocket",
    }
    way = f"{root}/_nicegui_ws/socket.io/?{urlencode(asked)}"
    async with connect(way, max_size=None, ping_interval=None, open_timeout=FIRST_S) as socket:
        assert str(await socket.recv()).startswith("0")
        await socket.send("40")
        assert str(await socket.recv()).startswith("40")
        yield OpenBoard(socket, found[1])


@asynccontextmanager
async def open_boards(url: str, count: int) -> AsyncIterator[list[OpenBoard]]:
    """Keep so many boards open, each of which has shown something."""
    boards, tasks = list[OpenBoard](), list[asyncio.Task[None]]()
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for _ in range(count):
            boards.append(await stack.enter_async_context(open_board(url)))
            tasks.append(group.create_task(boards[-1].read()))
            await asyncio.wait_for(boards[-1].drawn.wait(), FIRST_S)
        yield boards
        for task in tasks:
            task.cancel()


async def main(url: str, count: int) -> None:
    """Keep boards open until our input ends; say when they are."""
    async with open_boards(url, count):
        sys.stdout.write(f"{OPEN}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
