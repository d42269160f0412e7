"""A place of the grid or the road: what hangs on it, what is said of it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nicegui import ui

from gateway.board import seen
from gateway.board.alarm_table import AlarmTable
from gateway.board.device_table import STATE_TONES
from gateway.board.frame import Frame
from gateway.board.looks.alarms import AlarmLine
from gateway.board.looks.roads import corridor_of
from gateway.board.numbers import age_text, grouped
from gateway.board.parts.cells import place_href, place_text
from gateway.board.parts.figures import Figures, hint
from gateway.board.parts.headings import heading
from gateway.board.parts.spacetime import SpaceTimeCard
from gateway.board.parts.tables import Cell, Column, Looks, Table
from gateway.board.words import TONES
from gateway.model import Quality
from gateway.registry import Registry
from gateway.registry.entries import Device as Entry
from gateway.registry.entries import Node
from gateway.views.fleet import Device, DeviceState

MOST_BELOW = 20_000  # devices of a substation


class Below(NamedTuple):
    """What hangs on a place."""

    title: str
    above: Sequence[str]  # places, nearest first
    nodes: Sequence[str]  # directly
    devices: Sequence[str]  # however deep


def below(registry: Registry | None, place: str, now_ms: int) -> Below | None:
    """Return what a registry says of a place, None where it does not name it."""
    level, _, name = place.partition(":")
    node = registry.node(name) if registry is not None else None
    if registry is None or node is None or str(node.kind) != level:
        return None
    children = registry.children(name, now_ms)
    devices = [one.id for one in registry.devices_under(name, now_ms)][:MOST_BELOW]
    nodes = [f"{one.kind}:{one.id}" for one in children if isinstance(one, Node)]
    own = [one.id for one in children if isinstance(one, Entry)]
    above: list[str] = []
    parent = next((link.id for link in node.parent if link.holds(now_ms)), None)
    while parent is not None and (found := registry.node(parent)) is not None:
        above.append(f"{found.kind}:{found.id}")
        parent = next((link.id for link in found.parent if link.holds(now_ms)), None)
    return Below(node.title or node.id, above, nodes, devices or own)


class PlacePage:
    """The page."""

    def __init__(self, frame: Frame, query: dict[str, str]) -> None:
        self._frame, words = frame, frame.words
        self._place = query.get("name", "")
        self._none = hint(words["place_unknown"])
        with ui.element("section").classes("card headline") as self._head:
            self._title = heading(level=1)
            self._trail = ui.element("div").classes("trail")
        keys = dict.fromkeys(("place_alarms", "place_devices", "place_lost"), "")
        self._figures = Figures(words, keys)
        self._root = ui.element("div").classes("stack")
        self._tables: tuple[Table[AlarmLine], Table[Device]] | None = None
        self._road: SpaceTimeCard | None = None
        self._wanted: frozenset[str] = frozenset()
        frame.follow(self._refresh, 2.0)

    async def _refresh(self) -> None:
        frame, sight = self._frame, self._frame.hold.sight
        found = await frame.see(
            ("below", self._place), lambda: below(sight.registry, self._place, sight.clock()), 60.0
        )
        self._none.visible = found is None
        self._head.visible = found is not None
        if found is None:
            return
        titles = (await seen.sites(frame)).titles
        if self._tables is None:
            self._wanted = frozenset(found.devices)
            self._draw_head(found, titles)
            with self._root:
                self._tables = self._draw_tables(titles)
        # of the place, of what is in it
        mine = {self._place, *found.nodes, *(f"device:{one}" for one in found.devices)}
        alarms = [one for one in await seen.alarms_of_span(frame) if one.place in mine]
        fleet = await seen.fleet(frame)
        devices = [one for one in fleet.by_urgency if one.name in self._wanted]
        self._show(alarms, devices)
        await self._show_road()

    def _show(self, alarms: Sequence[AlarmLine], devices: Sequence[Device]) -> None:
        words = self._frame.words
        standing = sum(one.is_called for one in alarms)
        lost = sum(one.state is DeviceState.LOST for one in devices)
        total = f"/ {grouped(len(devices))}"
        now = words["now"]
        self._figures["place_alarms"].show(grouped(standing), "", now, "tone-bad" * bool(standing))
        self._figures["place_devices"].show(grouped(len(devices)), "", now)
        self._figures["place_lost"].show(grouped(lost), total, now, "tone-warn" * bool(lost))
        if self._tables is not None:
            self._tables[0].show(alarms)
            self._tables[1].show(devices)

    async def _show_road(self) -> None:
        corridor = corridor_of(await seen.corridors(self._frame), self._place)
        if corridor is None:
            return
        if self._road is None:
            with self._root:
                self._road = SpaceTimeCard(self._frame.words, self._frame.zone)
        self._road.show(corridor, await seen.course(self._frame, corridor))

    def _draw_head(self, found: Below, titles: Mapping[str, str]) -> None:
        frame = self._frame
        names = titles
        self._title.set_text(place_text(frame, self._place, names))
        with self._trail:
            for above in reversed(found.above):
                ui.link(place_text(frame, above, names), place_href(frame, above))
            for one in found.nodes[:12]:
                ui.link(place_text(frame, one, names), place_href(frame, one)).classes("below")
            if found.nodes[12:]:
                ui.label(f"… {len(found.nodes)}").classes("caption")
        with self._head:
            there = frame.url("/alarms/maintenance", subject=self._place)
            ui.link(frame.words["window_here"], there).classes("export")

    def _draw_tables(self, titles: Mapping[str, str]) -> tuple[Table[AlarmLine], Table[Device]]:
        frame, words = self._frame, self._frame.words
        clock = frame.hold.sight.clock
        names = titles

        def device(one: Device) -> Cell:
            return Cell(one.name, href=frame.url("/devices", device=one.name))

        def state(one: Device) -> Cell:
            tone = STATE_TONES[one.state]
            return Cell(words[one.state], "" if tone == "good" else tone)

        def age(one: Device) -> Cell:
            heard = one.last_seen_ms
            return Cell(age_text(clock() - heard, words) if heard else words["never"])

        def grade(one: Device) -> Cell:
            if not one.latest:
                return Cell("–")
            tone = TONES[Quality(one.latest[0].quality)]
            return Cell(words[tone.word], "" if tone.colour == "good" else tone.colour)

        columns: list[Column[Device]] = [
            Column("device", device, lambda one: one.name),
            Column("state", state, lambda one: str(one.state)),
            Column("age", age, lambda one: one.last_seen_ms),
            Column("grade", grade, lambda one: one.latest[0].quality if one.latest else None),
        ]
        looks = Looks("devices", "none_found", searches=True)
        return (
            AlarmTable(frame, names, Looks("alarms_span", "well", is_in_words=True)),
            Table(words, columns, looks, lambda one: one.name),
        )


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    PlacePage(frame, query)
