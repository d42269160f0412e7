"""The map: points where things stand, lines through what belongs together, no tiles.

East and north in kilometres, so that it needs neither a server of tiles nor the internet.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nicegui import ui
from nicegui.events import EChartPointClickEventArguments

from gateway.board.chart import GRID
from gateway.board.looks.marks import TONES, Mark
from gateway.board.looks.sites import Site, Sites
from gateway.board.parts.headings import heading
from gateway.board.parts.plots import TONE_COLOURS, frame, put
from gateway.board.words import said

ASPECT = 1.7  # width to height, about that of the card
_MARGIN = 0.06
SYMBOLS = {
    "substation": "diamond",
    "transformer": "rect",
    "station": "circle",
    "cabinet": "triangle",
    "concentrator": "pin",
    "site": "roundRect",
}
# What hangs in dozens is small, so that what is rare is found among it.
SIZES = {"quiet": 7, "note": 10, "warn": 13, "bad": 16, "worst": 20}
# Above so many points quiet ones shrink: 2,000 on a screen of a phone are still points.
MANY = 400
HIDDEN_WHEN_QUIET = frozenset({"cabinet", "concentrator"})  # they stand where the others do


class SiteMap:
    """A card with the map; empty sites are said to be so.

    Args:
        words: of the language.
        goes: called with a place when its point is clicked.
        kinds: what to draw, None everything.
    """

    def __init__(
        self,
        words: Mapping[str, str],
        goes: Callable[[str], None],
        kinds: frozenset[str] | None = None,
    ) -> None:
        self._words, self._goes, self._kinds = words, goes, kinds
        self._seen: tuple[Sites, Sequence[Mark]] | None = None
        with ui.element("section").classes("card sitemap"):
            with ui.element("div").classes("filters"):
                heading(words["map"])
                ui.label(words["map_what"]).classes("caption")
            self._none = ui.label(words["map_none"]).classes("hint")
            self._none.visible = False
            self._chart = ui.echart(frame(), on_point_click=self._clicked).classes("map")
            self._chart.props(f'role=img aria-label="{words["map_aria"]}"')
            self._sum = ui.label().classes("caption")

    def show(self, sites: Sites, marks: Sequence[Mark]) -> None:
        """Show how each point is."""
        if self._seen == (sites, marks):
            return
        self._seen = (sites, marks)
        self._none.visible = not sites.points
        self._chart.visible = bool(sites.points)
        if not sites.points:
            return
        put(self._chart, self._options(sites, marks))
        shown = [mark for site, mark in zip(sites.points, marks, strict=True) if self._draws(site)]
        troubled = sum(one.tone != "quiet" for one in shown)
        self._sum.set_text(self._words["map_sum"].format(count=len(shown), troubled=troubled))

    def _clicked(self, event: EChartPointClickEventArguments) -> None:
        data: object = event.data
        if isinstance(data, dict) and data.get("place"):
            self._goes(str(data["place"]))

    def _options(self, sites: Sites, marks: Sequence[Mark]) -> dict[str, Any]:
        drawn = [one for one in sites.points if self._draws(one)] or sites.points
        x_range, y_range = _box([(one.x_km, one.y_km) for one in drawn])
        hidden = {"type": "value", "show": False}
        series: list[dict[str, Any]] = [self._drawn_lines(sites)]
        series += [
            {
                "type": "scatter",
                "name": tone,
                "z": 10 - TONES.index(tone),
                "data": self._points(sites, marks, tone),
                "itemStyle": {
                    "color": TONE_COLOURS[tone],
                    "opacity": 0.55 if tone == "quiet" else 1,
                },
            }
            for tone in reversed(TONES)
        ]
        said_of = "p => p.data && p.data.said || ''"
        zooms = [
            {"type": "inside", "xAxisIndex": 0, "filterMode": "none"},
            {"type": "inside", "yAxisIndex": 0, "filterMode": "none"},
        ]
        return frame(
            grid={"left": 4, "right": 4, "top": 4, "bottom": 4},
            tooltip={"trigger": "item", "confine": True, ":formatter": said_of},
            dataZoom=zooms,
            xAxis={**hidden, "min": x_range[0], "max": x_range[1]},
            yAxis={**hidden, "min": y_range[0], "max": y_range[1]},
            series=series,
        )

    def _draws(self, site: Site) -> bool:
        return self._kinds is None or site.kind in self._kinds

    def _drawn_lines(self, sites: Sites) -> dict[str, Any]:
        paths = [
            [[sites.points[i].x_km, sites.points[i].y_km] for i in along]
            for place, along in sites.lines
            if self._draws(sites.points[along[0]])
        ]
        return {
            "type": "lines",
            "coordinateSystem": "cartesian2d",
            "polyline": True,
            "silent": True,
            "z": 1,
            "lineStyle": {"color": GRID, "width": 2, "opacity": 1},
            "data": [{"coords": path} for path in paths],
        }

    def _points(self, sites: Sites, marks: Sequence[Mark], tone: str) -> list[dict[str, Any]]:
        shrinks = len(sites.points) > MANY
        found = []
        for site, mark in zip(sites.points, marks, strict=True):
            is_left_out = not self._draws(site)
            is_quiet = tone == "quiet"
            if mark.tone != tone or is_left_out or (is_quiet and site.kind in HIDDEN_WHEN_QUIET):
                continue
            found.append(
                {
                    "value": [site.x_km, site.y_km],
                    "symbol": SYMBOLS.get(site.kind, "circle"),
                    "symbolSize": 4 if is_quiet and shrinks else SIZES[tone],
                    "place": site.place,
                    "said": self._said(site.title, site.kind, mark),
                }
            )
        return found

    def _said(self, title: str, kind: str, mark: Mark) -> str:
        words = self._words
        facts = [said(words, "level", kind)]
        if mark.alarms:
            facts.append(words["map_alarms"].format(count=mark.alarms))
        if mark.devices:
            facts.append(words["map_lost"].format(lost=mark.lost, count=mark.devices))
        if mark.level:
            facts.append(f"{words['level_of_service']} {mark.level}")
        # the tooltip is HTML: what a registry calls a thing is text
        safe = title.replace("&", "&amp;").replace("<", "&lt;")
        return f"<b>{safe}</b><br>{' · '.join(facts)}"


def _box(
    places: Sequence[tuple[float, float]],
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return ranges in which a kilometre is as long to the east as to the north."""
    xs, ys = zip(*places, strict=True)
    width, height = max(xs) - min(xs) or 1.0, max(ys) - min(ys) or 1.0
    height = max(height, width / ASPECT) * (1 + 2 * _MARGIN)
    width = max(width * (1 + 2 * _MARGIN), height * ASPECT)
    x, y = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
    return (x - width / 2, x + width / 2), (y - height / 2, y + height / 2)
