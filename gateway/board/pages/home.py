"""Operations home: is anything wrong, where, and does every reading have its fate."""

from collections.abc import Sequence

from nicegui import ui

from gateway.board import seen
from gateway.board.account import AccountLine
from gateway.board.alarm_table import AlarmTable
from gateway.board.fleet_cards import FleetCards
from gateway.board.frame import Frame
from gateway.board.gateway_cards import FlowCard, PathsCard
from gateway.board.looks.alarms import SEVERITY_TONES, SEVERITY_WORDS, AlarmLine
from gateway.board.numbers import grouped
from gateway.board.parts.cells import place_href
from gateway.board.parts.figures import Figure
from gateway.board.parts.sitemap import SiteMap
from gateway.board.parts.tables import Looks

SHOWN_ALARMS = 12  # as many as stand beside the map
SEVERITIES = (4, 3, 2, 1)


class Home:
    """The page."""

    def __init__(self, frame: Frame, _query: dict[str, str]) -> None:
        self._frame, words = frame, frame.words
        self._empty = self._draw_empty()
        with ui.element("section").classes("fleet"):
            self._severities = self._draw_severities()
            self._fleet = FleetCards(words, self._narrow)
            self._flow = FlowCard(words)
            self._paths = PathsCard(words, frame.hold.sight.settings)
        with ui.element("div").classes("columns even"):
            self._beside = ui.element("div")
            self._map = SiteMap(frame, lambda place: ui.navigate.to(place_href(frame, place)))
        self._account = AccountLine(words, frame.url("/quarantine"))
        self._table: AlarmTable | None = None
        self._seen: Sequence[AlarmLine] | None = None
        frame.follow(self._refresh)

    async def _refresh(self) -> None:
        frame, sight = self._frame, self._frame.hold.sight
        fleet, alarms = await seen.fleet(frame), await seen.open_alarms(frame)
        sites, marks = await seen.sites(frame), await seen.marks(frame)
        health = await frame.see("health", sight.health)
        self._empty.visible = not fleet.devices
        self._account.show(fleet.totals)
        self._fleet.show(await frame.see("tally", fleet.tally))
        self._flow.show(sight.flow)
        self._paths.show(health, sight.flow.soon_s())
        self._show_severities(alarms)
        await self._map.show(sites, marks)
        if self._table is None:
            with self._beside:
                looks = Looks(
                    "alarms_open", "alarms_none", page_rows=SHOWN_ALARMS, is_in_words=True
                )
                self._table = AlarmTable(frame, sites.titles, looks, is_brief=True)
        if alarms is not self._seen:
            self._seen = alarms
            self._show_alarms(self._table, alarms)

    def _show_alarms(self, table: AlarmTable, alarms: Sequence[AlarmLine]) -> None:
        """List what stands for itself; a dark transformer's thirty detectors are one line more."""
        own = [one for one in alarms if not one.cause]
        more = grouped(len(alarms) - len(own))
        note = self._frame.words["alarms_follow"].format(count=more)
        table.show(own, note if len(own) < len(alarms) else "")

    def _narrow(self, sector: str, state: str) -> None:
        ui.navigate.to(self._frame.url("/devices", sector=sector, state=state))

    def _draw_severities(self) -> dict[int, Figure]:
        words, href = self._frame.words, self._frame.url("/alarms")
        with ui.element("div").classes("card severities"):
            ui.label(words["alarms_open"]).classes("caption")
            with ui.element("div").classes("row"):
                return {
                    severity: Figure(words[f"severity_{SEVERITY_WORDS[severity]}"], href)
                    for severity in SEVERITIES
                }

    def _show_severities(self, alarms: Sequence[AlarmLine]) -> None:
        for severity, figure in self._severities.items():
            count = sum(one.severity == severity and one.is_called for one in alarms)
            tone = SEVERITY_TONES[severity] if count else ""
            figure.show(grouped(count), tone=f"tone-{tone}" if tone else "")

    def _draw_empty(self) -> ui.element:
        words = self._frame.words
        with ui.element("section").classes("card empty") as empty:
            ui.label(words["empty"]).classes("heading")
            ui.label(words["empty_how"])
            ui.label("infragate demo").classes("code")
            ui.label(words["empty_or"])
            ui.label("tg/1/<org>/<sector>/<device>/t").classes("code")
        empty.visible = False
        return empty


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    Home(frame, query)
