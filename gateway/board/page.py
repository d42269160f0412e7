"""The page: what is on it, in which order, and how it is kept up to date."""

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlencode

from anyio.to_thread import run_sync
from fastapi import FastAPI, Response
from nicegui import Client, ui
from nicegui import app as nicegui_app

from gateway.board.account import AccountLine
from gateway.board.detail import DeviceDetail
from gateway.board.device_table import DeviceTable
from gateway.board.fleet_cards import FleetCards
from gateway.board.gateway_cards import FlowCard, PathsCard
from gateway.board.quarantine_list import QuarantineList
from gateway.board.words import LANGUAGES, words_of
from gateway.quarantine import Entry
from gateway.views.fleet import Fleet
from gateway.views.flow import STEP_S
from gateway.views.health import Health
from gateway.views.sight import Sight

logger = logging.getLogger(__name__)

REFRESH_S = 1.0
# Each open page costs the server some 0.5 MB; a page that is fetched and never connects keeps
# it for a minute, so this also bounds what fetching it in a loop can do.
MAX_PAGES = 200
ACCENT = "#2f8f88"  # Quasar wants a colour where the style sheet has a variable
THEMES = {"dark": True, "light": False}

FAVICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" '
    'rx="7" fill="#14545a"/><path d="M8 20h4l3-10 4 14 2.5-7H25" fill="none" stroke="#fff" '
    'stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round"/></svg>'
)

# The clock of a wall, and whether the wall lives: each refresh is a beat, ten seconds without
# one are shown. It must run in the browser, since what it tells of may be the connection.
CLOCK = """<script>(() => {
  let beat, heard = Date.now();
  setInterval(() => {
    const clock = document.querySelector(".clock");
    if (!clock) return;
    if (clock.dataset.beat !== beat) { beat = clock.dataset.beat; heard = Date.now(); }
    const silent = Math.round((Date.now() - heard) / 1000);
    clock.classList.toggle("late", silent > 10);
    clock.textContent = silent > 10 ? `${clock.dataset.silence} ${silent} s`
      : new Date().toLocaleTimeString("sv-SE");
  }, 500);
})()</script>"""


def mount(app: FastAPI) -> None:
    """Serve the board at ``/`` of an application that has a ``state.sight``.

    NiceGUI keeps its pages in the process, not in ``app``: one board per process.
    """
    sight: Sight = app.state.sight
    css = (Path(__file__).parent / "board.css").read_text("utf-8")

    @ui.page("/", title="infragate")
    def page(lang: str = "en", theme: str = "", device: str = "") -> Response | None:
        if len(Client.instances) > MAX_PAGES:
            text = "Too many boards are open. Close some and load this page again."
            return Response(text, HTTPStatus.SERVICE_UNAVAILABLE, media_type="text/plain")
        ui.add_css(css)
        ui.add_body_html(CLOCK)
        ui.dark_mode(THEMES.get(theme))
        ui.colors(primary=ACCENT)
        Board(sight, lang if lang in LANGUAGES else "en", theme, device)
        return None

    async def sample_flow() -> None:
        try:
            await run_sync(sight.sample_flow)
        except (sqlite3.Error, OSError) as error:
            logger.warning("flow cannot be sampled error=%s", error)

    nicegui_app.timer(STEP_S, sample_flow)  # also while nobody looks, for whoever looks next

    ui.run_with(
        app,
        title="infragate",
        favicon=FAVICON,
        dark=None,
        tailwind=False,  # 300 kB of script that the board's own style sheet does without
        reconnect_timeout=10.0,
        message_history_length=50,  # a page that was away this long is drawn anew
        show_welcome_message=False,
    )


class Board:
    """One open page: its filters, its elements, its timer. Gone with the page."""

    def __init__(self, sight: Sight, language: str, theme: str, device: str) -> None:
        self._sight = sight
        self._words = words_of(language)
        self._place = {"lang": language, "theme": theme}
        self._beat = 0
        self._draw_header(language, theme)
        if sight.settings.exposures:
            ui.label(self._words["insecure"]).classes("stale insecure")
        self._stale = ui.label(self._words["stale"]).classes("stale")
        self._stale.visible = False
        with ui.element("main").classes("wall"):
            self._account = AccountLine(self._words)
            with ui.element("section").classes("fleet"):
                self._fleet = FleetCards(self._words, self._narrow)
                self._flow = FlowCard(self._words)
                self._paths = PathsCard(self._words, sight.settings)
            with ui.element("div").classes("columns"):
                self._table = DeviceTable(self._words, sight.profiles, self._choose)
                self._detail = DeviceDetail(self._words, language, sight, device)
            self._quarantine = QuarantineList(self._words)
        ui.timer(REFRESH_S, self.refresh)

    async def refresh(self) -> None:
        """Read the store once and show what changed; elements stay, only their texts change."""
        try:
            fleet = await run_sync(self._sight.fleet)
            total, found = await run_sync(self._sight.quarantine_tail)
            health = await run_sync(self._sight.health)
            self._show(fleet, health, total, found)
            await self._detail.refresh(fleet)
        except (sqlite3.Error, OSError) as error:
            if not self._stale.visible:
                logger.warning("board cannot read the store error=%s", error)
            self._stale.visible = True
        else:
            self._stale.visible = False

    def _show(self, fleet: Fleet, health: Health, total: int, found: Sequence[Entry]) -> None:
        self._detail.pick(fleet)
        self._account.show(fleet.totals)
        self._fleet.show(fleet)
        self._flow.show(self._sight.flow)
        self._paths.show(health, self._sight.flow.soon_s())
        self._table.show(fleet, self._detail.device)
        self._quarantine.show(total, found)
        self._beat += 1
        self._clock.props(f"data-beat={self._beat}")

    async def _choose(self, device: str) -> None:
        self._detail.choose(device)
        self._place["device"] = device
        ui.navigate.history.replace(_query(self._place))  # a reload shows the same
        self._link_away()
        await self.refresh()

    def _narrow(self, sector: str, state: str) -> None:
        self._table.narrow(sector, state)

    def _draw_header(self, language: str, theme: str) -> None:
        other = next(code for code in LANGUAGES if code != language)
        opposite = "light" if theme == "dark" else "dark"
        with ui.element("header").classes("top"):
            with ui.element("div").classes("brand"):
                ui.html(FAVICON, sanitize=False).classes("mark")
                ui.label("infragate").classes("name")
                ui.label(self._words["tagline"]).classes("tagline")
            with ui.element("nav"):
                self._clock = ui.element("time").classes("clock")
                self._clock.props(f'data-silence="{self._words["no_news"]}"')
                self._links = {
                    ui.link(self._words[opposite]): {"theme": opposite},
                    ui.link(self._words["other_language"]): {"lang": other},
                }
                ui.link("API", "/api/v1/openapi.json")
        self._link_away()

    def _link_away(self) -> None:
        for link, change in self._links.items():
            link.props["href"] = _query({**self._place, **change})
            link.update()


def _query(place: Mapping[str, str]) -> str:
    return "/?" + urlencode({key: value for key, value in place.items() if value})
