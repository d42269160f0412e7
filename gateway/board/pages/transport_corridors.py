"""Corridors: how long a journey takes now, and where and when it was slow."""

from collections.abc import Mapping, Sequence

from gateway.board import seen
from gateway.board.frame import Frame
from gateway.board.looks.lines import Line
from gateway.board.looks.roads import Corridor
from gateway.board.numbers import age_text, journey_text
from gateway.board.parts.cells import NOTHING, number_text, value_column
from gateway.board.parts.spacetime import SpaceTimeCard
from gateway.board.parts.tables import Cell, Column, Looks, Table


class Corridors:
    """The page; the corridor that is looked at stands in the address."""

    def __init__(self, frame: Frame, query: dict[str, str]) -> None:
        self._frame = frame
        self._chosen = query.get("corridor", "")
        self._rows: Sequence[Line] = ()
        self._table = Table(
            frame.words, self._columns(), Looks("corridors_now", "corridors_none"), _name
        )
        self._map = SpaceTimeCard(frame.words, frame.zone)
        frame.follow(self._refresh, 2.0)

    async def _refresh(self) -> None:
        frame = self._frame
        states = await seen.roads(frame)
        self._titles = (await seen.sites(frame)).titles
        rows = [one for one in states.values() if one.level == "corridor"]
        if rows != self._rows:
            self._rows = rows
            self._table.show(rows)
        corridors = await seen.corridors(frame)
        self._table.explain("corridors_soon" if corridors else "corridors_none")
        corridor = _picked(corridors, self._chosen, states)
        if corridor is None:
            return
        self._map.show(corridor, await seen.course(frame, corridor))

    def _columns(self) -> list[Column[Line]]:
        frame = self._frame

        def title(one: Line) -> Cell:
            text = self._titles.get(one.place, one.name)
            return Cell(text, href=frame.url(frame.path, corridor=one.name))

        def index(one: Line) -> Cell:
            value = one.values.get("travel_time_index")
            return NOTHING if value is None else Cell(number_text(value, "", 2))

        def age(one: Line) -> Cell:
            return Cell(age_text(frame.hold.sight.clock() - one.to_ms, frame.words))

        return [
            Column("corridor", title, lambda one: one.name),
            value_column("travel_time", "travel_time_s", _journey),
            value_column("free_travel_time", "free_travel_time_s", _journey),
            Column(
                *("travel_time_index", index),
                lambda one: one.values.get("travel_time_index"),
                is_number=True,
            ),
            value_column("jammed", "congested_km", lambda v: number_text(v, "km", 1)),
            value_column("length", "length_km", lambda v: number_text(v, "km", 1)),
            value_column("silent_stations", "silent_stations", number_text),
            Column("as_of", age, lambda one: one.to_ms),
        ]


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    Corridors(frame, query)


def _name(one: Line) -> str:
    return one.name


def _journey(value_s: float | None) -> str:
    return "–" if value_s is None else journey_text(value_s)


def _picked(
    corridors: Sequence[Corridor], chosen: str, states: Mapping[str, Line]
) -> Corridor | None:
    """Return the chosen corridor, else the slowest one, else the first."""
    for one in corridors:
        if one.place == f"corridor:{chosen}":
            return one

    def slowness(one: Corridor) -> float:
        line = states.get(one.place)
        return 0.0 if line is None else float(line.values.get("travel_time_index") or 0.0)

    return max(corridors, key=slowness, default=None)
