"""What goes wrong in a city stands on the board within a minute and leads to its evidence.

The demo as it is started by anybody: simulated nodes over MQTT, the gateway with all its processes,
Chromium. A jam and a theft as they happen are in ``test_board_slow_scenarios``; what leads where is
in ``test_board_pages``, over given findings; how many of all the engines find is what
``make score-energy`` and ``make score-transport`` measure.
"""

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import paho.mqtt.publish
import pytest

from tests.support.browser import Page, browser, needs_chromium
from tests.support.demo import Demo
from tests.support.running import wait_until

pytestmark = [pytest.mark.servers, needs_chromium, pytest.mark.timeout(600)]

WITHIN_S = 60
OUTAGE, WHERE = "transformer_outage", "tba-0002"
TOPIC = "tg/1/demo/energy/em-00007/t"
MOST_CALLED = 10
GARBAGE = 150  # an alarm speaks of a hundred of one reason


def row(kind: str) -> str:
    return (
        "[...document.querySelectorAll('.listing tbody tr')]"
        f".find(row => row.innerText.includes({kind!r}))"
    )


async def test_an_outage_and_an_attack_are_seen_and_lead_to_their_evidence(
    tmp_path: Path, *, soak: bool
) -> None:
    if not soak:
        pytest.skip("two minutes of a city as it happens: INFRAGATE_SOAK=1, make test-boards")
    demo = Demo(tmp_path)
    demo.start("--scenario", f"{OUTAGE}:where={WHERE},from=60,to=900")
    try:
        wait_until(lambda: b"alive" in demo.get("/healthz"), 60, "the gateway")
        async with browser(tmp_path / "profile") as page:
            await page.open(f"{demo.url}/")
            await page.wait_for("document.querySelector('.clock')?.dataset.beat >= 1", 60)
            await see_the_outage(page, began_s(tmp_path / "var" / "city" / "truth.json"))
            assert page.faults == []
        async with browser(tmp_path / "second") as page:
            await page.open(f"{demo.url}/")
            await page.wait_for("document.querySelector('.clock')?.dataset.beat >= 1", 60)
            await see_the_attack(page, demo)
            assert page.faults == []
        see_no_flood(demo)
    finally:
        demo.press_ctrl_c()


def began_s(truth: Path) -> float:
    """Return when the outage began, as its truth says."""

    def told() -> str:
        found = json.loads(truth.read_text())["scenarios"]
        return str(next((one["from"] for one in found if one["what"] == OUTAGE), ""))

    # a truth tells of what has begun, every five seconds
    return datetime.fromisoformat(wait_until(told, 150, "its truth")).timestamp()


async def see_the_outage(page: Page, since_s: float) -> None:
    kind = "Transformer out"
    left_s = since_s + WITHIN_S - time.time_ns() / 1e9
    await page.wait_for(f"{row(kind)} !== undefined", max(left_s, 1))
    assert WHERE in str(await page.evaluate(f"{row(kind)}.innerText"))
    await page.evaluate(f"{row(kind)}.querySelectorAll('a')[0].click()")  # one click
    await page.wait_for("document.body.innerText.includes('said itself that power went')", 30)
    device = "[...document.querySelectorAll('.listing td a')].at(-1)"
    await page.wait_for(f"{device} !== undefined", 30)
    await page.evaluate(f"{device}.click()")  # two
    await page.wait_for("document.querySelector('.detail .heading')?.innerText", 30)


def see_no_flood(demo: Demo) -> None:
    """Detectors that live from the dark transformer are silent, too, and call nobody.

    At most ten alarms in ten minutes are what one operator can see to (IEC 62682).
    """

    def opened(*, suppressed: bool) -> list[dict[str, Any]]:
        query = f"/api/v1/alarms?state=open&suppressed={str(suppressed).lower()}"
        return list(json.loads(demo.get(query))["alarms"])

    quiet = wait_until(lambda: opened(suppressed=True), 180, "a silent detector")
    called = opened(suppressed=False)
    (outage,) = [one for one in called if one["kind"] == OUTAGE]
    assert {one["suppressed"] for one in quiet} == {f"alarm:{outage['id']}"}
    assert len(called) <= MOST_CALLED
    assert not [one for one in called if one["kind"] == "detector_no_data"]


async def see_the_attack(page: Page, demo: Demo) -> None:
    begun_s = time.monotonic()
    words: list[Any] = [(TOPIC, b'{"p":"em1","n":', 1, False)] * GARBAGE
    paho.mqtt.publish.multiple(words, port=demo.mqtt_port)
    await page.wait_for(f"{row('Many unreadable messages')} !== undefined", WITHIN_S)
    assert time.monotonic() - begun_s < WITHIN_S
    await page.evaluate("document.querySelector('a.term.quarantined').click()")  # one click
    await page.wait_for("document.querySelectorAll('.entry').length > 10", 30)
    await page.evaluate("document.querySelector('.entry .q-btn').click()")  # two
    await page.wait_for("document.querySelector('.payload .dump') !== null", 30)
    assert '{"p":"em1","n":' in await page.text(".payload .dump")
