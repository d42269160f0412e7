"""The board over a town that is known by heart: every page, both languages, keyboard, contrast."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.board.pages import PAGES
from tests.support.axe import axe_script
from tests.support.board_town import Town, fill_town
from tests.support.browser import Page, browser, needs_chromium
from tests.support.web_process import WebProcess, web_process

pytestmark = [pytest.mark.servers, needs_chromium, pytest.mark.timeout(600)]

BEATS = "Number(document.querySelector('.clock')?.dataset.beat) >= {}"
SIZES = {"desk": (1440, 900), "phone": (390, 844)}
# what a page that has data says, in English; the town has something for each
SAYS = {
    "/": "Transformer out",
    "/alarms": "Voltage too low",
    "/alarms/maintenance": "No work goes on, and none is planned.",
    "/alarm": "There is no such alarm",
    "/devices": "em-00000",
    "/place": "The registry does not name this place.",
    "/search": "Nothing has this in its name",
    "/energy/load": "131\u00a0%",
    "/energy/voltage": "0.912\u00a0pu",
    "/energy/outages": "60",
    "/energy/losses": "em-00077",
    "/energy/billing": "95.0\u00a0%",
    "/transport/corridors": "Cao tốc 1",
    "/transport/service": "st-0002",
    "/transport/detectors": "replace the device",
    "/transport/incidents": "Something stands in the way",
    "/transport/tolls": "96.5\u00a0%",
    "/quality": "100.0\u00a0%",
    "/quarantine": "Nothing is in quarantine.",
    "/gateway": "takes messages in",
}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    folder = tmp_path_factory.mktemp("town")
    fill_town(folder, Town())
    with web_process(folder) as web:
        yield web


@asynccontextmanager
async def visit(web: WebProcess, folder: Path, size: str) -> AsyncIterator[Page]:
    width, height = SIZES[size]
    async with browser(folder) as page:
        await page.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=size == "phone",
        )
        yield page


async def see(page: Page, url: str, beats: int = 1) -> None:
    await page.open(url)
    await page.wait_for(BEATS.format(beats), 90)


async def test_every_page_says_what_it_is_for(web: WebProcess, tmp_path: Path) -> None:
    assert SAYS.keys() == PAGES.keys()
    async with visit(web, tmp_path, "desk") as page:
        for path, words in SAYS.items():
            await see(page, f"{web.url}{path}")
            await page.wait_for(f"document.body.innerText.includes({words!r})", 30)
            assert page.faults == [], path


@pytest.mark.clause("1437.II.4.b")
async def test_every_page_is_readable_in_vietnamese_at_night_on_a_phone(
    web: WebProcess, tmp_path: Path, *, soak: bool
) -> None:
    wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    async with visit(web, tmp_path, "phone") as page:
        for path in list(PAGES)[:: 1 if soak else 4]:
            await see(page, f"{web.url}{path}?lang=vi&theme=dark&range=7d")
            assert await page.evaluate("document.documentElement.lang") == "vi", path
            assert await page.evaluate("document.body.classList.contains('body--dark')"), path
            assert "Điều hành" in await page.text("nav.main"), path
            assert await page.evaluate(wider) <= 0, path  # nobody scrolls sideways
            assert page.faults == [], path


@pytest.mark.parametrize(
    ("alarm", "proof"),
    [
        ("Transformer out", "said itself that power went"),
        ("Something stands in the way", "vehicles stay in between"),
        ("Energy is lost", "somebody was at it"),
    ],
    ids=["outage", "jam", "theft"],
)
async def test_from_the_first_page_to_the_evidence_are_two_clicks(
    web: WebProcess, tmp_path: Path, alarm: str, proof: str
) -> None:
    async with visit(web, tmp_path, "desk") as page:
        await see(page, f"{web.url}/")
        link = f"[...document.querySelectorAll('.listing a')].find(e => e.innerText == {alarm!r})"
        await page.wait_for(f"{link} !== undefined", 30)
        await page.evaluate(f"{link}.click()")  # one
        await page.wait_for(f"document.body.innerText.includes({proof!r})", 60)
        course = "document.querySelector('.stack canvas') !== null"
        await page.wait_for(course, 30)  # the readings, or the road, around it
        if "Something" not in alarm:
            device = "[...document.querySelectorAll('.listing td a')].at(-1)"
            await page.wait_for(f"{device} !== undefined", 30)
            await page.evaluate(f"{device}.click()")  # two
            await page.wait_for("document.querySelector('.detail .heading')?.innerText", 60)
        assert page.faults == []


async def test_a_wall_shows_map_and_alarms_and_nothing_to_touch(
    web: WebProcess, tmp_path: Path
) -> None:
    async with visit(web, tmp_path, "desk") as page:
        await see(page, f"{web.url}/?wall")
        shown = "getComputedStyle(document.querySelector('{}')).display"
        assert await page.evaluate(shown.format("nav.main")) == "none"
        assert await page.evaluate(shown.format(".find")) == "none"
        assert await page.evaluate("document.querySelector('.map canvas') !== null")
        size = "parseFloat(getComputedStyle(document.querySelector('.listing td')).fontSize)"
        assert await page.evaluate(size) >= 19
        assert page.faults == []


async def test_all_is_reached_with_the_keyboard(web: WebProcess, tmp_path: Path) -> None:
    """Tab walks from the skip link over the pages to the first alarm; Return opens it."""
    async with visit(web, tmp_path, "desk") as page:
        await see(page, f"{web.url}/")
        seen = []
        for _ in range(60):
            await press(page, "Tab", 9)
            text = await page.evaluate(
                "(document.activeElement.innerText || document.activeElement.placeholder || '')"
            )
            seen.append(str(text).strip())
            if seen[-1] == "Transformer out":
                break
        assert seen[0] == "Skip to the content"
        for name in ("Alarms", "Energy", "Transport", "Quarantine", "Tiếng Việt"):
            assert name in seen
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert await page.evaluate(outline) != "none"  # where one is can be seen
        await press(page, "Enter", 13)
        await page.wait_for("location.pathname == '/alarm'", 30)


async def press(page: Page, key: str, code: int) -> None:
    text = {"text": "\r"} if key == "Enter" else {}
    for kind in ("keyDown", "keyUp"):
        await page.call(
            "Input.dispatchKeyEvent",
            type=kind,
            key=key,
            code=key,
            windowsVirtualKeyCode=code,
            **(text if kind == "keyDown" else {}),
        )


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_serious(
    web: WebProcess, tmp_path: Path, theme: str, *, soak: bool
) -> None:
    script = axe_script()
    wanted = list(PAGES) if soak else ["/", "/energy/load", "/alarms/maintenance"]
    found = {}
    async with visit(web, tmp_path, "desk") as page:
        for path in wanted:
            await see(page, f"{web.url}{path}?theme={theme}&range=7d", 2)
            await page.evaluate(script)
            run = "axe.run({resultTypes: ['violations']}).then(r => JSON.stringify(r.violations))"
            answer = await page.call(
                "Runtime.evaluate", expression=run, awaitPromise=True, returnByValue=True
            )
            violations = json.loads(answer["result"]["value"])
            bad = [
                (one["id"], one["nodes"][0]["html"][:160])
                for one in violations
                if one["impact"] in {"serious", "critical"}
            ]
            if bad:
                found[path] = bad
    assert found == {}
