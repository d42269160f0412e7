"""To acknowledge on the board, with the keyboard alone; and who may not."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.store.alarms import KeptAlarm, State
from tests.support.alarms import Room, alarm
from tests.support.browser import Page, browser, needs_chromium
from tests.support.stores import fill
from tests.support.web_process import web_process

pytestmark = [pytest.mark.servers, needs_chromium, pytest.mark.timeout(180)]

KEYS = {"Enter": 13, "Tab": 9, "Escape": 27}
FOCUS = "document.activeElement?.closest('button')?.innerText ?? ''"


@pytest.fixture
def room(tmp_path: Path) -> Room:
    folder = tmp_path / "data"
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
            room.step(0.1)
            await asyncio.sleep(0.1)

    task = asyncio.create_task(look())
    yield
    task.cancel()


async def press(page: Page, key: str) -> None:
    fields = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
    text = {"text": "\r"} if key == "Enter" else {}
    await page.call("Input.dispatchKeyEvent", type="keyDown", **fields, **text)
    await page.call("Input.dispatchKeyEvent", type="keyUp", **fields)


async def walk_to(page: Page, word: str) -> None:
    """Press Tab until the focus is on a button of that name."""
    for _ in range(40):
        if word in await page.evaluate(FOCUS):
            return
        await press(page, "Tab")
    raise AssertionError(f"no way to {word!r} by the keyboard")


@pytest.mark.parametrize(
    ("lang", "button", "told"), [("en", "Acknowledge", "local knows"), ("vi", "Xác nhận", "local")]
)
async def test_an_alarm_is_acknowledged_with_the_keyboard_alone(
    room: Room, tmp_path: Path, lang: str, button: str, told: str
) -> None:
    url = f"/alarm?id={room.one().id}&lang={lang}"
    async with listening(room), browser(tmp_path / "profile") as page:
        with web_process(room.folder) as web:
            await page.open(f"{web.url}{url}")
            await page.wait_for("!!document.querySelector('.acknowledging')", 60)
            await walk_to(page, button)
            await press(page, "Enter")
            await page.wait_for("document.activeElement.tagName == 'TEXTAREA'")
            await press(page, "Escape")  # thought better of it
            await page.wait_for("!document.querySelector('.acknowledge')")
            await walk_to(page, button)
            await press(page, "Enter")
            await page.wait_for("document.activeElement.tagName == 'TEXTAREA'")
            await page.call("Input.insertText", text="Tổ 4\nđang đi")
            await walk_to(page, button)  # the dialog's: the focus does not leave it
            await press(page, "Enter")
            await page.wait_for(f"document.querySelector('.headline').innerText.includes({told!r})")
            assert "Tổ 4 đang đi" in await page.text(".headline")
            assert page.faults == []
    seen: KeptAlarm = room.one()
    assert (seen.state, seen.ack_who, seen.ack_note) == (
        *(State.ACKNOWLEDGED, "local"),
        "Tổ 4 đang đi",
    )


async def test_who_may_only_look_has_no_button(room: Room, tmp_path: Path) -> None:
    secret, anna = tmp_path / "look", tmp_path / "anna"
    for file in (secret, anna):
        file.write_text(file.name)
        file.chmod(0o600)
    keys = {
        "token": {"file": str(secret)},
        "operator": [{"name": "Anna", "token": {"file": str(anna)}}],
    }
    (room.folder / "http.json").write_text(json.dumps(keys))
    with web_process(room.folder) as web:
        for token, has_button in (("look", False), ("anna", True)):
            async with browser(tmp_path / f"as-{token}") as page:
                basic = base64.b64encode(f"any:{token}".encode()).decode()
                headers = {"Authorization": f"Basic {basic}"}
                await page.call("Network.enable")
                await page.call("Network.setExtraHTTPHeaders", headers=headers)
                await page.open(f"{web.url}/alarm?id={room.one().id}")
                script = "document.querySelector('.headline')?.innerText ?? ''"
                await page.wait_for(f"({script}).includes('Overload')", 60)
                found = await page.evaluate("!!document.querySelector('.acknowledging')")
                assert found is has_button
                assert ("takes an operator" in await page.text(".headline")) is not has_button
                await page.open(f"{web.url}/quarantine")
                await page.wait_for("!!document.querySelector('.entry')", 60)
                shown = "[...document.querySelectorAll('.entry .acts .q-btn')]"
                shown += ".filter(one => one.offsetParent).length"
                # look at it: both; put it back: the operator
                assert await page.evaluate(shown) == (4 if has_button else 2)
