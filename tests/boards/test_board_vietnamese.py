"""Every word that the board shows in Vietnamese is in the Vietnamese tables, on every page."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

from gateway.board.pages import PAGES
from gateway.board.words import ENGLISH, VIETNAMESE, named
from gateway.profiles import load_profiles
from gateway.units import UNITS
from gateway.views.health import PROCESSES
from tests.support.board_town import Town, fill_town
from tests.support.browser import Page, browser, needs_chromium
from tests.support.web_process import web_process

pytestmark = [pytest.mark.servers, needs_chromium, pytest.mark.timeout(600)]

# where single things are shown, beside the plain pages
ABOUT = (
    *("/devices?device=em-00000", "/devices?device=loop-00000", "/place?name=feeder:f-001"),
    *("/place?name=station:st-0001", "/search?q=em", "/search?q=nobody"),
)
FEW = ("/energy/load", "/transport/detectors", "/alarms/maintenance", "/devices?device=em-00000")
TEXTS = """(() => {
  const found = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const of = walk.currentNode.parentElement;
    if (!of.closest('script, style, .q-icon, .dump, code, body [lang=en]'))
      found.add(walk.currentNode.data.trim());
  }
  for (const name of ['aria-label', 'placeholder', 'title', 'alt'])
    for (const one of document.querySelectorAll(`[${name}]`)) found.add(one.getAttribute(name));
  return JSON.stringify([...found]);
})()"""
ALARMS = """JSON.stringify([...new Set([...document.querySelectorAll('.listing a')]
  .map(one => one.getAttribute('href')).filter(one => one?.startsWith('/alarm?')))])"""

# what has no language: names of devices, places and people's things, units, levels of service
_MORE_UNITS = {
    *(
        "min",
        "d",
        "ms",
        "B",
        "kB",
        "MB",
        "GB",
        "TB",
        "nat",
        VIETNAMESE["sigma"],
        "pu",
        "km",
        "t",
        "/s",
        "kWh",
    ),
    *("MWh", "kVA", "veh/h", "veh/km", "veh·h", "Wh/d", "kW"),
}
_UNIT = "|".join(sorted(map(re.escape, {*UNITS, *_MORE_UNITS, "%"}), key=len, reverse=True))
NUMBER = re.compile(rf"[-+±<>]?[\d.,:\u202f–-]+(?:\u00a0?(?:{_UNIT}))?(?:\u00a0\d\d\u00a0s)?")
NAME = re.compile(
    r"(?:em|loop|tba|f|ss|ex|sec|st|dcu|c|toll|wim|cab|vn)-[\d-]+|Trạm|Cao tốc|infragate|evn|vec"
    r"|[A-F]|em|nobody|demo|tg/1/\S+|API|`[^`]+`|local|[A-Z][a-z]+/[A-Z]\w+"  # last: a time zone
)
NAMES = {*PROCESSES, "intake", *UNITS}
NAMES |= {
    column.name.replace("_", " ")
    for profile in load_profiles().values()
    for column in profile.columns
}
# what Quasar's own Vietnamese says of tables
QUASAR = {"Trang đầu tiên", "Trang cuối cùng", "Trang tiếp theo", "Trang trước"}
QUASAR |= {"Trang trước đó"}
PLAIN = {text for text in VIETNAMESE.values() if "{" not in text} | QUASAR
FORMS = [
    re.compile(re.sub(r"\\{\w+\\}", "(.+?)", re.escape(text)))
    for text in VIETNAMESE.values()
    if "{" in text
]


def titles() -> set[str]:
    """Return what data files name, in Vietnamese."""
    found = set()
    for profile in load_profiles().values():
        english = [profile.title]
        for column in profile.columns:
            english += [column.title, *column.codes.values()]
        found |= {named(VIETNAMESE, one) for one in english}
    return found | {named(VIETNAMESE, "replace the device")}


KNOWN = PLAIN | titles() | NAMES


@cache
def is_said(text: str) -> bool:
    """Return whether a text is made of words of the tables, names and numbers only."""
    text = text.strip()
    bare = text.strip(" ()·,✓/“”:=+–")
    if not re.search(r"[^\W\d_]", text) or {text, bare} & KNOWN:
        return True
    if NAME.fullmatch(bare) or NUMBER.fullmatch(bare):
        return True
    for form in FORMS:
        found = form.fullmatch(text)
        if found and all(map(is_said, found.groups())):
            return True
    return any(
        is_said(text[: gap.start()]) and is_said(text[gap.end() :])
        for gap in re.finditer(r" · |[ ,]+", text)
    )


@pytest.mark.parametrize("text", ["replace the device", "peak pu 1.310\u00a0pu", "Next page"])
def test_what_is_not_in_the_tables_is_noticed(text: str) -> None:
    assert not is_said(text)


def test_what_is_in_them_is_not() -> None:
    assert is_said("Xuất tuyến f-001 (tba-0001) · 12\u00a0min trước")
    assert ENGLISH["well"] not in PLAIN


async def texts_of(page: Page, url: str) -> list[str]:
    await page.open(url)
    beats = "Number(document.querySelector('.clock')?.dataset.beat) >= 2"
    await page.wait_for(beats, 90)
    found: list[str] = json.loads(await page.evaluate(TEXTS))
    return found


async def test_every_word_of_every_page_is_of_the_vietnamese_table(
    tmp_path: Path, *, soak: bool
) -> None:
    folder = tmp_path / "town"
    folder.mkdir()
    fill_town(folder, Town())
    paths = [*PAGES, *ABOUT] if soak else list(FEW)
    found: dict[str, str] = {}
    with web_process(folder) as web:
        async with browser(tmp_path / "browser") as page:
            await texts_of(page, f"{web.url}/alarms?range=30d")
            alarms = json.loads(await page.evaluate(ALARMS))
            assert len(alarms) > 4
            for path in (*paths, *(alarms if soak else alarms[:1])):
                asked = f"{path}{'&' if '?' in path else '?'}lang=vi&theme=light"
                found |= dict.fromkeys(await texts_of(page, f"{web.url}{asked}"), path)
    assert {text: path for text, path in found.items() if not is_said(text)} == {}
