"""A headless Chromium, driven over its own protocol; notes whatever went wrong on the page."""

import asyncio
import base64
import json
import re
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--remote-debugging-port=0", "--window-size=1400,1000",
)  # fmt: skip
OWN = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:", "about:")


class Page:
    """One tab."""

    def __init__(self, connection: ClientConnection, pid: int = 0) -> None:
        self._connection = connection
        self.pid = pid  # of the browser
        self._number = 0
        self.faults: list[str] = []  # console errors, exceptions, requests to other hosts

    async def call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        number = self._number
        request = {"id": number, "method": method, "params": parameters}
        await self._connection.send(json.dumps(request))
        while True:
            answer = json.loads(await self._connection.recv())
            if answer.get("id") == number:
                return answer["result"]
            if "method" in answer:  # else the answer to a question that nobody waits for any more
                self._note(answer["method"], answer["params"])

    async def open(self, url: str) -> None:
        for domain in ("Runtime", "Log", "Page", "Network"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=url)

    async def evaluate(self, script: str) -> Any:
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    async def text(self, selector: str) -> str:
        found = await self.evaluate(f"document.querySelector({selector!r})?.innerText ?? ''")
        return str(found)

    async def wait_for(self, script: str, timeout_s: float = 20) -> None:
        """Wait until a script's value is true."""
        try:
            async with asyncio.timeout(timeout_s):
                while not await self.evaluate(script):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            body = await self.text("body")
            raise AssertionError(f"{script} never came true; the page says:\n{body}") from None

    async def screenshot(self, file: Path) -> None:
        answer = await self.call("Page.captureScreenshot", format="png")
        file.write_bytes(base64.b64decode(answer["data"]))

    def _note(self, method: str, event: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.faults.append(str(event["exceptionDetails"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] == "error":
            self.faults.append(event["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and event["type"] in {"error", "warning"}:
            self.faults.append(str(event["args"]))
        elif method == "Network.requestWillBeSent":
            url = event["request"]["url"]
            if not url.startswith(OWN):
                self.faults.append(f"asks another host: {url}")


@asynccontextmanager
async def browser(folder: Path, under: Sequence[str] = ()) -> AsyncIterator[Page]:
    """Start Chromium with a profile of its own in ``folder``, ``under`` a command; open a tab."""
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        *under,
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={folder}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(90):  # twenty other programs may want the two cores
            port = None
            while port is None:
                line = (await process.stderr.readline()).decode(errors="replace")
                port = re.search(r"ws://127\.0\.0\.1:(\d+)/", line)
            async with httpx.AsyncClient() as client:
                tabs = (await client.get(f"http://127.0.0.1:{port[1]}/json")).json()
        tab = next(one for one in tabs if one["type"] == "page")
        async with connect(tab["webSocketDebuggerUrl"], max_size=None) as connection:
            yield Page(connection, process.pid)
    finally:
        process.kill()
        await process.wait()
