"""To acknowledge on the board, with the keyboard alone; and who may not."""

import base64
import json
from pathlib import Path

import httpx
import pytest

from gateway.store.accounts import Accounts, Role, new_account
from gateway.store.alarms import KeptAlarm, State
from tests.support.alarm_board import ROW, listening, room_of, sign_in
from tests.support.alarms import Room
from tests.support.browser import Page, browser, needs_chromium
from tests.support.web_process import web_process

pytestmark = [pytest.mark.servers, needs_chromium, pytest.mark.timeout(180)]

KEYS = {"Enter": 13, "Tab": 9, "Escape": 27}
FOCUS = "document.activeElement?.closest('button')?.innerText ?? ''"


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return room_of(tmp_path / "data")


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


@pytest.mark.parametrize(
    ("path", "lang", "button", "told"),
    [
        ("/", "en", "Acknowledge", "local knows, now: crew 4"),
        ("/alarms", "vi", "Xác nhận", "local đã biết, vừa xong: crew 4"),
        ("/devices?device=meter-1", "en", "Acknowledge", "local knows, now: crew 4"),
    ],
)
async def test_an_alarm_is_acknowledged_in_a_list_and_all_boards_show_it(
    room: Room, tmp_path: Path, path: str, lang: str, button: str, told: str
) -> None:
    url = f"{path}{'&' if '?' in path else '?'}lang={lang}"
    async with (
        listening(room),
        browser(tmp_path / "mine") as mine,
        browser(tmp_path / "others") as others,
    ):
        with web_process(room.folder) as web:
            for page in (mine, others):
                await page.open(f"{web.url}{url}")
                await page.wait_for("!!document.querySelector('.listing button.act')", 60)
            label = "document.querySelector('button.act').getAttribute('aria-label')"
            assert "meter-1" in await mine.evaluate(label)  # whose it is, for who hears the page
            await mine.evaluate("document.querySelector('.listing .filters').scrollIntoView()")
            await walk_to(mine, button)
            await press(mine, "Enter")
            await mine.wait_for("document.activeElement.tagName == 'TEXTAREA'")
            assert "meter-1" in await mine.text(".acknowledge")
            await mine.call("Input.insertText", text="crew 4")
            await walk_to(mine, button)
            await press(mine, "Enter")
            for page in (mine, others):
                await page.wait_for(f"({ROW}).includes({told!r})", 10)
                assert await page.evaluate("!document.querySelector('.listing button.act')")
                assert page.faults == []
            # who and when, and the keyboard is still where the alarm is
            assert "local" in await mine.text(".q-notification")
            await mine.wait_for("document.activeElement.href?.includes('/alarm?')")
            if (
                path == "/"
            ):  # half a minute, and the lists are one: what is no longer now is redrawn
                await mine.wait_for(f"!({ROW}).includes({told.partition(':')[0]!r})", 30)
                await mine.wait_for("document.activeElement.href?.includes('/alarm?')")
            document = httpx.get(f"{web.url}/api/v1/alarms/{room.one().id}").json()
    assert (document["state"], document["acknowledged"]["by"]) == ("acknowledged", "local")
    assert document["acknowledged"]["note"] == "crew 4"
    called = json.loads([one.payload for one in room.calls if one.payload][-1])  # over MQTT
    assert called["acknowledged"] == document["acknowledged"]


async def test_who_may_only_look_is_told_so_in_a_list(room: Room, tmp_path: Path) -> None:
    Accounts(room.folder).put(new_account("Minh", Role.VIEWER, "a word to look with", 0))
    with web_process(room.folder) as web:
        async with browser(tmp_path / "profile") as page:
            await sign_in(page, f"{web.url}/sign-in?next=/", "Minh", "a word to look with")
            await page.wait_for("!!document.querySelector('.listing button.act')", 60)
            assert await page.text(".tools .visitor") == "Minh"
            await page.evaluate("document.querySelector('.listing button.act').click()")
            await page.wait_for("!!document.querySelector('.acknowledge.refusal')")
            assert "takes an operator" in await page.text(".refusal")
            assert not await page.evaluate("!!document.querySelector('textarea')")
            assert page.faults == []
    assert not (room.folder / "alarm-words.jsonl").exists()


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
