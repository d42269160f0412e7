"""A board over a data directory with one alarm, and an annunciator that hears what is said."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.alarms import Room, alarm
from tests.support.browser import Page
from tests.support.stores import fill

# the text of all lines of all lists
ROW = "[...document.querySelectorAll('.listing tbody tr')].map(e => e.innerText).join()"


def room_of(folder: Path) -> Room:
    """Fill a folder: meter-1 is overloaded for a minute."""
    folder.mkdir()
    fill(folder)
    room = Room(folder)
    room.now_ms = time.time_ns() // 1_000_000
    room.tell(alarm("overload", "device:meter-1", room.now_ms - 60_000))
    return room


@asynccontextmanager
async def listening(room: Room) -> AsyncIterator[None]:
    async def look() -> None:
        while True:
            room.now_ms = time.time_ns() // 1_000_000  # as the web process has it
            room.step(0)
            await asyncio.sleep(0.1)

    task = asyncio.create_task(look())
    yield
    task.cancel()


async def sign_in(page: Page, url: str, name: str, word: str) -> None:
    await page.open(url)
    await page.wait_for("document.querySelector('#token') !== null", 60)
    for box, text in (("#name", name), ("#token", word)):
        await page.evaluate(f"document.querySelector({box!r}).focus()")
        await page.call("Input.insertText", text=text)
    await page.evaluate("document.querySelector('form').requestSubmit()")
