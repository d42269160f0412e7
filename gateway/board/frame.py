"""What surrounds every page: where one can go, the clock, the span of time, the search."""

import logging
import sqlite3
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import NamedTuple, TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from nicegui import background_tasks, ui

from gateway.board.looks.alarms import Alarms
from gateway.board.place import SPANS_MS, Place
from gateway.board.policy import NAME, BoardPolicy
from gateway.board.shared import Shared
from gateway.board.words import LANGUAGES, words_of
from gateway.config.http import HttpSection
from gateway.policies import Policies
from gateway.views.sight import Sight
from gateway.views.visitor import ANYBODY, SIGN_IN, Visitor, is_still, visitor_of

logger = logging.getLogger(__name__)

T = TypeVar("T")

REFRESH_S = 1.0
MARK = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" '
    'rx="7" fill="#14545a"/><path d="M8 20h4l3-10 4 14 2.5-7H25" fill="none" stroke="#fff" '
    'stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round"/></svg>'
)
# key of the word → path; pages of a sector are a row of their own
MAIN: Mapping[str, str] = {
    "home": "/",
    "alarms": "/alarms",
    "devices": "/devices",
    "energy": "/energy/load",
    "transport": "/transport/corridors",
    "quality": "/quality",
    "quarantine": "/quarantine",
    "gateway": "/gateway",
}
SECTOR_PAGES: Mapping[str, Mapping[str, str]] = {
    "alarms": {"list": "/alarms", "maintenance": "/alarms/maintenance"},
    "energy": {
        "load": "/energy/load",
        "voltage": "/energy/voltage",
        "outages": "/energy/outages",
        "losses": "/energy/losses",
        "billing": "/energy/billing",
    },
    "transport": {
        "corridors": "/transport/corridors",
        "service": "/transport/service",
        "detectors": "/transport/detectors",
        "incidents": "/transport/incidents",
        "tolls": "/transport/tolls",
    },
}


class Hold(NamedTuple):
    """What every page of the process reads."""

    sight: Sight
    shared: Shared
    alarms: Alarms
    policies: Policies[BoardPolicy]


class Frame:
    """One open page: header, banners, and the timer that keeps its content fresh.

    Args:
        hold: what pages read.
        place: language, light, span.
        path: of the page.
        query: what the page keeps in its address beside the place.
        has_span: whether the span of time means anything here.
    """

    def __init__(
        self,
        hold: Hold,
        place: Place,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        has_span: bool = False,
    ) -> None:
        self.hold, self.place, self.path = hold, place, path
        self.words = words_of(place.lang)
        self._query = dict(query or {})
        self._beat = 0
        self._client = ui.context.client
        self._is_left = False
        self._follow: Callable[[], Awaitable[None]] | None = None
        ui.query("html").props(f'lang="{place.lang}"')
        if place.is_wall:
            ui.query("body").classes("is-wall")
        self._draw_header(has_span=has_span)
        if hold.sight.settings.exposures:
            ui.label(self.words["insecure"]).classes("stale insecure")
        self._stale = ui.label(self.words["stale"]).classes("stale").props("role=alert")
        self._stale.visible = False
        self.main = ui.element("main").classes("wall").props("id=main")

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the site, in which days and moments are said."""
        return ZoneInfo((self.hold.sight.settings.http or HttpSection()).time_zone)

    @property
    def policy(self) -> BoardPolicy:
        """From where on numbers have a colour, today."""
        return self.hold.policies.at(NAME, self.hold.sight.clock())

    @property
    def here(self) -> str:
        """The address of this page."""
        return self.place.url(self.path, **self._query)

    def url(self, path: str, **more: str) -> str:
        """Return the address of another page from here."""
        return self.place.url(path, **more)

    async def see(self, name: Hashable, look: Callable[[], T], fresh_s: float = 1.0) -> T:
        """Look at something together with all who look at it; see ``Shared``."""
        return await self.hold.shared.see(name, look, fresh_s)

    def follow(self, refresh: Callable[[], Awaitable[None]], every_s: float = REFRESH_S) -> None:
        """Call ``refresh`` now and then, as long as the page is open.

        The first time is now: what is looked at is there when the browser has read its scripts.
        """
        self._follow = refresh
        first = background_tasks.create(self._refreshed(refresh), name=f"first look {self.path}")

        async def again() -> None:
            if first.done():
                await self._refreshed(refresh)

        ui.timer(every_s, again)

    async def look_again(self) -> None:
        """Refresh now: somebody has just done something here."""
        if self._follow is not None:
            await self._refreshed(self._follow)

    async def _refreshed(self, refresh: Callable[[], Awaitable[None]]) -> None:
        if not is_still(self._client.request.scope):
            self._leave()
            return
        try:
            with self.main:
                await refresh()
        except (sqlite3.Error, OSError) as error:
            if not self._stale.visible:
                logger.warning("board cannot read the store error=%s", error)
            self._stale.visible = True
        else:
            self._stale.visible = False
            self._beat += 1
            self._clock.props(f"data-beat={self._beat}")

    def _leave(self) -> None:
        """Show nothing more to who is not the one it was opened for.

        The browser asks for the page again, as who he is by now; what does not is cut off at the
        next beat.
        """
        if self._is_left:
            self._client.delete()
            return
        self._is_left = True
        with self.main:
            ui.navigate.reload()

    def keep(self, **more: str) -> None:
        """Keep something in the address, so that a reload and the other language show the same."""
        self._query |= more
        ui.navigate.history.replace(self.place.url(self.path, **self._query))
        self._link_away()

    def _draw_header(self, *, has_span: bool) -> None:
        words = self.words
        ui.link(words["skip"], "#main").classes("skip")
        with ui.element("header").classes("top"):
            with ui.element("a").classes("brand").props(f'href="{self.url("/")}"'):
                ui.html(MARK, sanitize=False).classes("mark")
                ui.label("infragate").classes("name")
            with ui.element("nav").classes("main").props(f'aria-label="{words["pages"]}"'):
                for key, path in MAIN.items():
                    self._draw_link(words[f"nav_{key}"], path, is_here=self._is_in(key, path))
            with ui.element("div").classes("tools"):
                self._draw_tools()
        sector = self.path.split("/")[1]
        if sector in SECTOR_PAGES or has_span:
            with ui.element("div").classes("second"):
                self._draw_sector(sector)
                if has_span:
                    self._draw_spans()
        self._link_away()

    def _draw_sector(self, sector: str) -> None:
        with ui.element("nav").classes("sub") as nav:
            for key, path in SECTOR_PAGES.get(sector, {}).items():
                self._draw_link(self.words[f"nav_{key}"], path, is_here=path == self.path)
        nav.visible = sector in SECTOR_PAGES
        if nav.visible:
            nav.props(f'aria-label="{self.words[f"nav_{sector}"]}"')

    def _is_in(self, key: str, path: str) -> bool:
        return path == self.path or (key in SECTOR_PAGES and self.path.startswith(f"/{key}/"))

    def _draw_link(self, text: str, path: str, *, is_here: bool) -> None:
        link = ui.link(text, self.url(path))
        if is_here:
            link.classes("here").props("aria-current=page")

    def _draw_tools(self) -> None:
        words = self.words
        self._draw_search()
        self._clock = ui.element("time").classes("clock")
        zone = self.zone.key
        self._clock.props(f'data-silence="{words["no_news"]}" data-zone="{zone}" title="{zone}"')
        self._draw_visitor()
        opposite = "light" if self.place.theme == "dark" else "dark"
        other = next(code for code in LANGUAGES if code != self.place.lang)
        self._links = {
            ui.link(words[opposite]): self.place._replace(theme=opposite),
            ui.link(words["other_language"]).props(f'lang="{other}"'): self.place._replace(
                lang=other
            ),
        }

    def _draw_visitor(self) -> None:
        """Say who is signed in, or lead to where one signs in; nothing where nobody is asked."""
        visitor = visitor_of(ui.context.client.request.scope)
        if visitor == Visitor(ANYBODY, is_operator=True):
            return
        is_somebody = visitor.name not in {"", ANYBODY}
        name = visitor.name if is_somebody else self.words["sign_in"]
        there = f"{SIGN_IN}?{urlencode({'next': self.here})}"
        link = ui.link(name, there).classes("visitor")
        if is_somebody:
            link.props["aria-label"] = f"{name}, {self.words['signed_in']}"

    def _draw_spans(self) -> None:
        words = self.words
        spans = ui.element("div").classes("spans")
        with spans.props(f'role=group aria-label="{words["span"]}"'):
            for span in SPANS_MS:
                there = self.place._replace(span=span)
                link = ui.link(words[f"span_{span}"], there.url(self.path, **self._query))
                if span == self.place.span:
                    link.classes("here").props("aria-current=true")

    def _draw_search(self) -> None:
        """Draw a plain form: it works with the return key, and before the page is connected."""
        word = self.words["search_all"]
        with ui.element("form").classes("find").props('action="/search" method=get role=search'):
            for key, value in self.place.kept().items():
                ui.element("input").props(f'type=hidden name="{key}" value="{value}"')
            ui.element("input").props(
                f'type=search name=q maxlength=64 placeholder="{word}" aria-label="{word}"'
            )

    def _link_away(self) -> None:
        for link, place in self._links.items():
            link.props["href"] = place.url(self.path, **self._query)
            link.update()
