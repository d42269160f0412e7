"""Devices, live: the list, and the chosen one with its values and how they went."""

from nicegui import ui

from gateway.board import seen
from gateway.board.alarm_table import AlarmTable
from gateway.board.detail import DeviceDetail
from gateway.board.device_table import DeviceTable
from gateway.board.frame import Frame
from gateway.board.parts.tables import Looks
from gateway.board.words import SECTORS
from gateway.views.fleet import DeviceState


class Devices:
    """The page; the chosen device and the filters stand in the address."""

    def __init__(self, frame: Frame, query: dict[str, str]) -> None:
        self._frame, sight = frame, frame.hold.sight
        with ui.element("div").classes("columns"):
            self._table = DeviceTable(frame.words, sight.profiles, self._choose)
            with ui.element("div").classes("stack beside"):
                self._detail = DeviceDetail(frame, query.get("device", ""))
                self._beside = ui.element("div")
        self._alarms: AlarmTable | None = None
        self._window: ui.link | None = None
        sector, state = query.get("sector", ""), query.get("state", "")
        if sector in SECTORS or state in set(DeviceState):
            known = state if state in set(DeviceState) else ""
            self._table.narrow(sector if sector in SECTORS else "", known)
        frame.follow(self._refresh)

    async def _refresh(self) -> None:
        fleet = await seen.fleet(self._frame)
        self._detail.pick(fleet)
        self._table.show(fleet, self._detail.device)
        await self._detail.refresh(fleet)
        await self._show_alarms()

    async def _show_alarms(self) -> None:
        """Show what is said of the chosen device: what lasts, and what did in the span."""
        frame, place = self._frame, f"device:{self._detail.device}"
        alarms = [one for one in await seen.alarms_of_span(frame) if one.place == place]
        if self._alarms is None:
            titles = (await seen.sites(frame)).titles
            looks = Looks("device_alarms", "device_alarms_none", page_rows=10, is_in_words=True)
            with self._beside:
                self._alarms = AlarmTable(frame, titles, looks)
            with self._alarms.root:
                self._window = ui.link(frame.words["window_here"], "").classes("export")
        self._alarms.show(alarms)
        there = frame.url("/alarms/maintenance", subject=place)
        if self._window is not None and self._window.props.get("href") != there:
            self._window.props["href"] = there
            self._window.update()

    async def _choose(self, device: str) -> None:
        self._detail.choose(device)
        self._frame.keep(device=device)
        await self._refresh()


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    Devices(frame, query)
