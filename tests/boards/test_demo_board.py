"""The demo as a visitor sees it: the whole of it running, in a real browser."""

import re
from pathlib import Path

import paho.mqtt.publish
import pytest

from tests.support.browser import Page, browser, needs_chromium
from tests.support.demo import DETECTORS, METERS, Demo
from tests.support.running import wait_until

METER = "em-00003"
pytestmark = [pytest.mark.servers, needs_chromium, pytest.mark.timeout(180)]


async def test_the_demo_shows_its_town_its_accounts_and_what_could_not_be_read(
    tmp_path: Path,
) -> None:
    demo = Demo(tmp_path)
    demo.start()
    try:
        wait_until(demo.are_all_alive, 60, "all alive")
        wait_until(lambda: demo.accounts()["stored"] > METERS + DETECTORS, 30, "readings")
        async with browser(tmp_path / "profile") as page:
            await page.open(demo.url)
            await see_the_town(page)
            await see_the_account(page, demo)
            await page.open(f"{demo.url}/devices?device={METER}")
            await see_the_device(page)
            await page.open(f"{demo.url}/quarantine")
            await see_the_quarantine(page, demo)
            assert page.faults == []  # no console error, nothing asked of another host
    finally:
        demo.press_ctrl_c()


async def see_the_town(page: Page) -> None:
    """Energy, transport and weather are alive, and where they are is on the map."""
    await page.wait_for("document.querySelector('.fleet')?.innerText.includes('alive')")
    await page.wait_for("document.querySelector('.map canvas') !== null")
    fleet = " ".join((await page.text(".fleet")).replace("\u202f", "").split())
    alive = {
        name: (int(one), int(total))
        for name, one, total in re.findall(r"(Energy|Transport) (\d+) / (\d+) alive", fleet)
    }
    assert alive["Energy"][0] == alive["Energy"][1] >= METERS
    assert alive["Transport"][0] == alive["Transport"][1] >= DETECTORS


async def see_the_device(page: Page) -> None:
    await page.wait_for(f"document.querySelector('.detail .heading')?.innerText == '{METER}'")
    await page.wait_for("document.querySelectorAll('.detail .chart svg path').length > 3")
    whole = "document.querySelector('.detail').innerText.includes('Complete: numbers 1 to')"
    await page.wait_for(whole, 60)  # once what it recorded before the gateway came is in
    detail = await page.text(".detail")
    assert "kWh" in detail
    assert "none missing" in detail
    # a meter of half hours is drawn over a day, which moves a pixel in a minute
    hour = "[...document.querySelectorAll('.detail button')].find(b => b.innerText.trim() == '1 h')"
    await page.evaluate(f"{hour}.click()")
    line = (
        "[...document.querySelectorAll('.detail .chart path')].map(p => p.getAttribute('d')) + ''"
    )
    await page.evaluate(f"window.before = {line}")
    await page.wait_for(f"{line} !== window.before")  # it moves on


async def see_the_account(page: Page, demo: Demo) -> None:
    account = (await page.text(".account")).replace("\u202f", "")
    shown = [int(word) for word in account.split() if word.isdigit()]
    received, stored, duplicate, quarantined, pending = shown[:5]
    assert received == stored + duplicate + quarantined + pending
    assert METERS + DETECTORS <= received <= demo.accounts()["received"]
    assert "balanced" in account


async def see_the_quarantine(page: Page, demo: Demo) -> None:
    await page.wait_for("document.body.innerText.includes('Nothing is in quarantine.')")
    topic = "tg/1/demo/energy/em-00007/t"
    paho.mqtt.publish.single(topic, b'{"p":"em1","n":', 1, port=demo.mqtt_port)
    await page.wait_for(f"document.querySelector('.entry')?.innerText.includes('{topic}')", 30)
    assert "encoding" in await page.text(".entry")
    link = await page.evaluate("document.querySelector('.entry a').pathname")
    assert demo.get(str(link)) == b'{"p":"em1","n":'
    # it cannot be read the second time either: it comes back under another number
    await page.evaluate("document.querySelectorAll('.entry .q-btn')[1].click()")
    await page.wait_for("document.body.innerText.includes('1 put back')", 30)
    await page.wait_for(f"document.querySelector('.entry a')?.pathname > '{link}'", 30)
    assert demo.accounts()["quarantined"] == 1
