"""The space-time map of a corridor as a card."""

import json
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui

from gateway.board.chart import INK
from gateway.board.looks.roads import LEVELS, Corridor, SpaceTime
from gateway.board.parts.cells import number_text, share_text
from gateway.board.parts.headings import heading
from gateway.board.parts.plots import LEVEL_COLOURS, axis, frame, put, tip_text

_ROW_PX, _EDGES_PX = 26, 96


class SpaceTimeCard:
    """Time to the right, travel upwards, colour = level of service."""

    def __init__(self, words: Mapping[str, str], zone: ZoneInfo) -> None:
        self._words = words
        clock = json.dumps({"timeZone": zone.key})
        self._when = f"new Date(+%s).toLocaleString('sv-SE', {clock}).slice(5, 16)"
        with ui.element("section").classes("card spacetime"):
            with ui.element("div").classes("filters"):
                heading(words["space_time"])
                self._title = ui.label().classes("caption")
            self._none = ui.label(words["space_time_none"]).classes("hint")
            self._none.visible = False
            self._chart = ui.echart(frame())
            self._chart.props(f'role=img aria-label="{words["space_time_aria"]}"')
            self._note = ui.label().classes("caption")

    def show(self, corridor: Corridor, seen: SpaceTime) -> None:
        """Show the course of a corridor, and how much of it was measured."""
        words = self._words
        self._title.set_text(corridor.title)
        self._none.visible = not seen.cells
        self._chart.visible = bool(seen.cells)
        minutes = seen.column_ms // 60_000
        known = share_text(min(1.0, seen.known / seen.possible), 0)
        self._note.set_text(words["space_time_note"].format(minutes=minutes, share=known))
        if seen.cells:
            self._chart.style(f"height: {_EDGES_PX + _ROW_PX * len(corridor.stops)}px; width: 100%")
            put(self._chart, self._options(corridor, seen))

    def _options(self, corridor: Corridor, seen: SpaceTime) -> dict[str, Any]:
        word = self._words["level_of_service"]
        names = [_named(stop.title, stop.km) for stop in corridor.stops]
        cells = [
            [column, row, level, f"{tip_text(names[row])} · {number_text(kmh, 'km/h', 0)}"]
            for column, row, level, kmh in seen.cells
        ]
        tip = f"p => {self._when % 'p.name'} + '<br>' + p.data[3]"
        time_axis = axis(
            type="category",
            data=[str(begin_ms) for begin_ms in seen.begins_ms],
            splitLine={"show": False},
        )
        time_axis["axisLabel"] |= {":formatter": f"v => {self._when % 'v'}"}
        return frame(
            grid={"left": 6, "right": 16, "top": 8, "bottom": 34, "containLabel": True},
            tooltip={
                "trigger": "item",
                "confine": True,
                ":formatter": f"{tip} + ' · {word} ' + 'ABCDEF'[p.data[2]]",
            },
            xAxis=time_axis,
            yAxis=axis(type="category", data=names, splitLine={"show": False}),
            visualMap=_levels(),
            series=[{"type": "heatmap", "data": cells}],
        )


def _levels() -> dict[str, Any]:
    return {
        "type": "piecewise",
        "dimension": 2,
        "pieces": [
            {"value": number, "label": level, "color": colour}
            for number, (level, colour) in enumerate(zip(LEVELS, LEVEL_COLOURS, strict=True))
        ],
        "orient": "horizontal",
        "bottom": 0,
        "left": "center",
        "itemWidth": 16,
        "itemHeight": 11,
        "textStyle": {"color": INK},
    }


def _named(title: str, km: float | None) -> str:
    return title if km is None else f"{title} · {km:.1f} km"
