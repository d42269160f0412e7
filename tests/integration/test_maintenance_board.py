"""Maintenance windows on the board: planned, muted, ended early, and who may not."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from gateway.store.accounts import Accounts, Role, new_account
from gateway.store.alarmwords import Maintain, say
from tests.support.alarm_board import ROW, listening, room_of, sign_in
from tests.support.alarms import Room
from tests.support.browser import Page, browser, needs_chromium
from tests.support.web_process import web_process

pytestmark = [pytest.mark.servers, needs_chromium, pytest.mark.timeout(180)]

PLAN = "document.querySelector('.planning .q-btn').click()"
HOUR_MS = 3_600_000


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return room_of(tmp_path / "data")


async def test_maintenance_is_planned_mutes_and_is_ended_on_its_page(
    room: Room, tmp_path: Path
) -> None:
    Accounts(room.folder).put(new_account("Anna", Role.OPERATOR, "a word of Anna's", 0))
    raised = json.loads(room.calls[-1].payload)
    async with listening(room), browser(tmp_path / "profile") as page:
        with web_process(room.folder) as web:
            there = quote("/alarms/maintenance?subject=device:meter-1", safe="")
            await sign_in(page, f"{web.url}/sign-in?next={there}", "Anna", "a word of Anna's")
            await plan(page, "new fuse")
            check_window(room)
            await see_muted(page, web.url)
            await end(page, web.url)
            assert page.faults == []
    assert not room.one().suppressed
    again = json.loads(room.calls[-1].payload)  # it lasts, and is called out after all
    assert (again["id"], again["suppressed"], again["state"]) == (raised["id"], None, "raised")


async def plan(page: Page, reason: str) -> None:
    """Fill in the form; a reason is asked for."""
    await page.wait_for("!!document.querySelector('.planning .q-btn')", 60)
    await page.wait_for("document.body.innerText.includes('No work goes on')", 30)
    await page.evaluate(PLAN)
    await page.wait_for("document.querySelector('.wrong')?.innerText.includes('Say why')")
    await page.evaluate("document.querySelectorAll('.planning input')[3].focus()")
    await page.call("Input.insertText", text=reason)
    await page.wait_for(f"document.querySelectorAll('.planning input')[3].value == {reason!r}")
    await page.evaluate(PLAN)
    await page.wait_for(f"({ROW}).includes({reason!r})", 10)
    await page.wait_for(f"({ROW}).includes('1 muted')", 10)
    assert "Anna" in await page.evaluate(ROW)


def check_window(room: Room) -> None:
    (window,) = room.store.windows(room.now_ms)
    assert (window.subject, window.who) == ("device:meter-1", "Anna")
    assert 3.9 < (window.to_ms - window.from_ms) / HOUR_MS < 4.1
    assert room.one().suppressed == window.id
    assert room.calls[-1].payload == ""  # taken back: nobody who comes now is called


async def see_muted(page: Page, url: str) -> None:
    """The first page shows the alarm, without a colour and without counting it."""
    await page.open(f"{url}/")
    await page.wait_for(f"({ROW}).includes('in maintenance')", 30)
    tones = "[...document.querySelectorAll('.listing tbody .tone')].map(e => e.className).join()"
    assert await page.evaluate(tones) == "tone plain"
    counts = "[...document.querySelectorAll('.severities .number')].map(e => e.innerText).join()"
    assert await page.evaluate(counts) == "0,0,0,0"


async def end(page: Page, url: str) -> None:
    """End the window early: the page asks once more."""
    await page.open(f"{url}/alarms/maintenance")
    await page.wait_for("!!document.querySelector('.listing button.act')", 30)
    await page.evaluate("document.querySelector('.listing button.act').click()")
    sure = "[...document.querySelectorAll('.acknowledge .q-btn')]"
    await page.wait_for(f"{sure}.length == 2")
    await page.evaluate(f"{sure}[0].click()")
    await page.wait_for(f"({ROW}).includes('ended by Anna')", 10)


async def test_who_may_only_look_sees_windows_and_plans_none(room: Room, tmp_path: Path) -> None:
    Accounts(room.folder).put(new_account("Minh", Role.VIEWER, "a word to look with", 0))
    word = Maintain("An", room.now_ms, "0badcafe", "all", room.now_ms, room.now_ms + 10**7, "test")
    say(room.folder, word)
    room.step()
    with web_process(room.folder) as web:
        async with browser(tmp_path / "profile") as page:
            url = f"{web.url}/sign-in?next=/alarms/maintenance"
            await sign_in(page, url, "Minh", "a word to look with")
            await page.wait_for(f"({ROW}).includes('Everything')", 60)
            assert "takes an operator" in await page.text(".planning")
            assert not await page.evaluate("!!document.querySelector('.planning input, .act')")
            assert page.faults == []
