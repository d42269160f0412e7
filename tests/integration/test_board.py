"""The board in a real browser, over a real store: first page, devices, quarantine."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from gateway.model import Position
from gateway.ports import CountRow, DeviceRow
from gateway.store import Store
from tests.support.browser import browser, needs_chromium
from tests.support.stores import METER_ROW, Rows, fill, newest
from tests.support.web_process import WebProcess, web_process

pytestmark = [pytest.mark.servers, needs_chromium]

FLEET = 120  # more than two pages of fifty
ROWS_50 = "document.querySelectorAll('.devices tbody tr').length >= 50"


def fill_now(folder: Path) -> None:
    """Fill a directory, and add a fleet whose readings are of the present."""
    fill(folder)
    now_ms = time.time_ns() // 1_000_000
    store = Store.open(folder)
    before = store.load()
    first = len(before.devices)
    rows, latest, counts, batches = [], [], [], []
    for number in range(FLEET):
        index = first + number
        batch = Rows("em1", index, METER_ROW, 30, end_ms=now_ms).batch()
        batch.record[:] = 199
        batch.values[:, 2] = 500 + 100 * np.sin(np.arange(30) / 4)
        batches.append(batch)
        rows.append(DeviceRow(index, "evn", "energy", f"em-{number:03d}", 1, now_ms))
        latest.append(newest(batch, received_ms=now_ms))
        counts.append(CountRow(index, 30, 0, 0, 30, 0, 0, now_ms, "online"))
    store.write(batches, [])
    # the rows past the old position must not be cut away at the next opening
    store.checkpoint(
        before._replace(
            position=Position(1000), devices=rows, streams=[], latest=latest, counts=counts
        )
    )
    store.close()


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    folder = tmp_path_factory.mktemp("wall")
    fill_now(folder)
    with web_process(folder) as web:
        yield web


async def test_the_first_page_shows_account_and_fleet(web: WebProcess, tmp_path: Path) -> None:
    async with browser(tmp_path) as page:
        await page.open(f"{web.url}/")
        await page.wait_for("document.querySelector('.account .number')?.innerText == '203'", 60)
        account = " ".join((await page.text(".account")).split())
        assert account.startswith(
            "203 received = 186 stored + 5 duplicate + 2 quarantined + 10 pending"
        )
        assert "balanced: every reading has exactly one fate" in account
        fleet = await page.text(".fleet")
        assert f"/ {FLEET + 3} alive" in fleet
        assert "1 never heard" in fleet
        assert "1 lost" in fleet
        assert "No alarm is open." in await page.text(".listing")
        assert "No place is known." in await page.text(".sitemap")
        assert page.faults == []


async def test_the_quarantine_shows_bytes_and_says_why_it_cannot_put_them_back(
    web: WebProcess, tmp_path: Path
) -> None:
    async with browser(tmp_path) as page:
        await page.open(f"{web.url}/quarantine")
        await page.wait_for("document.querySelectorAll('.entry').length == 2", 60)
        quarantine = await page.text(".quarantine")
        assert r"tg/1/evn/energy/\xff\x1b[31mevil\\/t" in quarantine
        assert "260\u00a0B" in quarantine
        links = "[...document.querySelectorAll('.entry a')].map(a => a.pathname)"
        assert await page.evaluate(links) == [
            "/api/v1/quarantine/71/payload",
            "/api/v1/quarantine/70/payload",
        ]
        await page.evaluate("document.querySelectorAll('.entry .q-btn')[2].click()")
        await page.wait_for("document.querySelector('.payload .dump') !== null", 30)
        dump = await page.text(".payload .dump")
        # bytes 0 to 15 of the payload, none of them a character
        assert dump.startswith(
            "000000  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f  " + "." * 16
        )
        await page.evaluate("document.querySelectorAll('.entry .q-btn')[1].click()")
        await page.wait_for("document.body.innerText.includes('no gateway runs')", 30)
        assert page.faults == []


async def test_pages_search_and_choice_work_without_a_reload(
    web: WebProcess, tmp_path: Path
) -> None:
    async with browser(tmp_path) as page:
        await page.open(f"{web.url}/devices")
        await page.wait_for(ROWS_50, 60)
        assert f"1–50 of {FLEET + 4}" in await page.text(".pager")
        await page.evaluate("window.isSame = true")
        await page.evaluate("document.querySelectorAll('.pager button')[1].click()")
        await page.wait_for("document.querySelector('.pager').innerText.includes('51–100')")
        assert "em-050" in await page.text(".devices tbody")
        await page.evaluate("document.querySelector('.devices input').focus()")
        await page.call("Input.insertText", text="em-07")
        await page.wait_for("document.querySelectorAll('.devices tbody tr').length == 10")
        await page.evaluate("document.querySelectorAll('.devices tbody tr')[3].click()")
        await page.wait_for("document.querySelector('.detail .heading')?.innerText == 'em-073'")
        await page.wait_for("document.querySelector('.detail svg path') !== null")
        detail = await page.text(".detail")
        assert "230.4\u00a0V" in detail
        assert "valid" in detail
        assert await page.evaluate("window.isSame")
        assert page.faults == []


@pytest.mark.parametrize(
    ("typed", "led"),
    [
        ("/energy?lang=vi&range=7d", "/energy/load?lang=vi&range=7d"),
        ("/transport", "/transport/corridors"),
    ],
)
def test_a_sector_leads_to_its_first_page(web: WebProcess, typed: str, led: str) -> None:
    answer = httpx.get(web.url + typed)
    assert (answer.status_code, answer.headers["location"]) == (307, led)


async def test_who_needs_a_person_comes_first_and_a_count_is_a_way_there(
    web: WebProcess, tmp_path: Path
) -> None:
    async with browser(tmp_path) as page:
        await page.open(f"{web.url}/devices")
        await page.wait_for(ROWS_50, 60)
        first = await page.text(".devices tbody tr")
        assert "lost" in first
        name = first.split()[0]
        await page.wait_for(f"document.querySelector('.detail .heading').innerText == '{name}'")
        assert await page.text(".devices tbody tr.chosen") == first
        await page.open(f"{web.url}/")
        lost = "[...document.querySelectorAll('.count.lost')].find(e => e.offsetParent)"
        await page.wait_for(f"{lost} !== undefined", 60)
        await page.evaluate(f"{lost}.click()")
        await page.wait_for("location.search.includes('state=lost')", 30)
        few = "document.querySelectorAll('.devices tbody tr')"
        await page.wait_for(f"{few}.length > 0 && {few}.length < 10", 60)
        rows = f"[...{few}].map(row => row.innerText)"
        assert all("lost" in row for row in await page.evaluate(rows))
        assert page.faults == []


async def test_a_chosen_device_is_in_the_address_and_in_sight(
    web: WebProcess, tmp_path: Path
) -> None:
    async with browser(tmp_path) as page:
        await page.open(f"{web.url}/devices?device=em-110")
        await page.wait_for("document.querySelector('tr.chosen')?.innerText.includes('em-110')", 60)
        assert "101–124" in await page.text(".pager")
        await page.evaluate("[...document.querySelectorAll('.devices tbody tr')].at(-1).click()")
        await page.wait_for("!location.search.includes('em-110')")
        chosen = await page.evaluate("new URLSearchParams(location.search).get('device')")
        assert chosen in await page.text("tr.chosen")
        link = await page.evaluate("document.querySelector('.tools > a').search")
        assert f"device={chosen}" in link
        assert "theme=dark" in link
        assert page.faults == []


async def test_a_wall_that_hears_nothing_any_more_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    fill_now(folder)
    with web_process(folder) as web:
        async with browser(tmp_path / "profile") as page:
            await page.open(f"{web.url}/?wall")
            await page.wait_for("document.querySelector('.clock')?.dataset.beat >= 1", 60)
            await page.wait_for("/^\\d\\d:\\d\\d/.test(document.querySelector('.clock').innerText)")
            web.process.send_signal(signal.SIGSTOP)
            try:
                await page.wait_for("document.querySelector('.clock.late') !== null", 20)
                assert "no news for" in await page.text(".clock")
            finally:
                web.process.send_signal(signal.SIGCONT)
            await page.wait_for("document.querySelector('.clock.late') === null")


async def test_an_empty_gateway_says_how_to_begin(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with web_process(tmp_path / "data") as web:
        async with browser(tmp_path / "profile") as page:
            await page.open(f"{web.url}/")
            await page.wait_for("document.querySelector('.empty')?.offsetParent != null", 60)
            empty = await page.text(".empty")
            assert "No device has reported yet." in empty
            assert "infragate demo" in empty
            assert page.faults == []
        assert web.stop() < 3
