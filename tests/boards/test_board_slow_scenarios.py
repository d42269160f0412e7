"""A jam and a theft as they happen: from the moment that they can be known to the board.

A jam: a city in real time whose detectors report every 30 s; the moment is the end of the first
interval in which they see slow or standing traffic, by the same city computed again.

A theft takes a day of data by its nature: half a day has no verdict. The days before, and the first
half of the one with thieves, are played in fast; the moment is when the last readings of that day
are acknowledged.
"""

import json
import logging
import time
from pathlib import Path

import pytest

from tests.support.board_scenarios import jammed_city, replay, thieves
from tests.support.browser import Page, browser, needs_chromium
from tests.support.demo import Demo
from tests.support.running import wait_until

logger = logging.getLogger(__name__)
pytestmark = [pytest.mark.servers, needs_chromium, pytest.mark.timeout(2400)]

WITHIN_S = 60
SECTION = "ex-01-03"
THIEVES = 20  # of 60 meters, half of what each uses
DAYS = 17  # two weeks of baseline, two honest days, one with thieves
BEAT = "document.querySelector('.clock')?.dataset.beat >= 1"
RED = (
    "[...document.querySelectorAll('.listing tbody tr')].some(row =>"
    f"row.innerText.includes('{SECTION}') && row.querySelector('.tone.bad, .tone.worst'))"
)


def link(words: str) -> str:
    return (
        "[...document.querySelectorAll('.listing tbody a')]"
        f".find(one => one.innerText.includes({words!r}))"
    )


def now_s() -> float:
    return time.time_ns() / 1e9


def is_balanced(demo: Demo, day_ms: int) -> bool:
    """Return whether losses of a day were worked out."""
    found = json.loads(demo.get(f"/api/v1/energy/balance?from={day_ms}&limit=10"))["results"]
    return bool(found)


async def click(page: Page, element: str) -> None:
    await page.wait_for(f"{element} !== undefined", 60)
    await page.evaluate(f"{element}.click()")


async def test_a_jam_is_red_within_a_minute_and_leads_to_its_evidence(
    tmp_path: Path, *, soak: bool
) -> None:
    if not soak:
        pytest.skip("ten minutes of a road as it happens: INFRAGATE_SOAK=1, make test-boards")
    demo = Demo(tmp_path)
    try:
        with jammed_city(demo, tmp_path / "city", SECTION) as jam:
            async with browser(tmp_path / "profile") as page:
                await page.open(f"{demo.url}/transport/service")
                await page.wait_for(BEAT, 90)
                felt_s = jam.felt_ms / 1000
                assert now_s() < felt_s, "the machine is too slow to be there in time"
                await page.wait_for(RED, felt_s + WITHIN_S - now_s())
                logger.info("red %.1f s after the interval that shows it", now_s() - felt_s)
                await click(page, link(SECTION))  # one click: the place, and the road around it
                await page.wait_for("location.pathname == '/place'", 30)
                await page.wait_for("document.querySelector('main canvas') !== null", 30)
                await click(page, link(f"loop-{SECTION}-1"))  # two: what the detector sent
                await page.wait_for("document.querySelector('.detail .heading')?.innerText", 60)
                assert page.faults == []
    finally:
        demo.press_ctrl_c()


async def test_a_theft_is_told_within_a_minute_of_the_day_that_shows_it(
    tmp_path: Path, *, soak: bool
) -> None:
    if not soak:
        pytest.skip("minutes of a backlog: INFRAGATE_SOAK=1, make test-boards")
    town, demo = thieves(tmp_path / "city", DAYS, THIEVES), Demo(tmp_path)
    demo.start("--no-fleet", "--registry", str(town.registry))
    try:
        wait_until(lambda: b"alive" in demo.get("/healthz"), 60, "the gateway")
        replay(town.before, demo.mqtt_port)
        wait_until(lambda: is_balanced(demo, town.honest_ms), 600, "the days before", 5)
        async with browser(tmp_path / "profile") as page:
            await page.open(f"{demo.url}/")
            await page.wait_for(BEAT, 90)
            assert "Energy is lost" not in await page.text("main")
            replay(town.rest, demo.mqtt_port)
            began_s = time.monotonic()
            await page.wait_for(f"{link('Energy is lost')} !== undefined", WITHIN_S)
            logger.info("told %.1f s after the last reading", time.monotonic() - began_s)
            await click(page, link("Energy is lost"))  # one click: how much, since when, where
            await page.wait_for("document.body.innerText.includes('kWh')", 60)
            place = "[...document.querySelectorAll('main a')].find(e => e.href.includes('/place'))"
            await click(page, place)  # two: who hangs there
            await page.wait_for("location.pathname == '/place'", 30)
            await click(page, link("em-"))  # three: what a meter sent
            await page.wait_for("document.querySelector('.detail .heading')?.innerText", 60)
            assert page.faults == []
    finally:
        demo.press_ctrl_c()
