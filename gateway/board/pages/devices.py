"""Devices, live: the list, and the chosen one with its values and how they went."""

from nicegui import ui

from gateway.board import seen
from gateway.board.detail import DeviceDetail
from gateway.board.device_table import DeviceTable
from gateway.board.frame import Frame
from gateway.board.words import SECTORS
from gateway.views.fleet import DeviceState


class Devices:
    """The page; the chosen device and the filters stand in the address."""

    def __init__(self, frame: Frame, query: dict[str, str]) -> None:
        self._frame, sight = frame, frame.hold.sight
        with ui.element("div").classes("columns"):
            self._table = DeviceTable(frame.words, sight.profiles, self._choose)
            self._detail = DeviceDetail(
                frame.words, frame.place.lang, sight, query.get("device", "")
            )
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

    async def _choose(self, device: str) -> None:
        self._detail.choose(device)
        self._frame.keep(device=device)
        await self._refresh()


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    Devices(frame, query)
