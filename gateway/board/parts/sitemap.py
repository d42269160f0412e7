"""The map: points where things stand, lines through what belongs together, no tiles.

East and north in kilometres, so that it needs neither a server of tiles nor the internet.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from nicegui import ui
from nicegui.events import EChartPointClickEventArguments

from gateway.board.chart import GRID
from gateway.board.frame import Frame
from gateway.board.looks.marks import TONES, Mark
from gateway.board.looks.sites import Site, Sites
from gateway.board.parts import plots
from gateway.board.parts.headings import heading
from gateway.board.seen import MARKS_S
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
# The same as text, for the legend: what stands on nearly every map.
GLYPHS = {"substation": "◆", "transformer": "■", "station": "●"}
# What hangs in dozens is small, so that what is rare is found among it.
SIZES = {"quiet": 7, "note": 10, "warn": 13, "bad": 16, "worst": 20}
# Above so many points quiet ones shrink: 2,000 on a screen of a phone are still points.
MANY = 400
# A point is [east, north, place, name, facts]; its kind is the name of its series.
_PLACE = 2
TOLD = (
    "p => p.seriesType == 'scatter' ? `<b>${p.data[3]}</b><br>${p.seriesName}` + "
    "(p.data[4] && ` · ${p.data[4]}`) : ''"
)
HIDDEN_WHEN_QUIET = frozenset({"cabinet", "concentrator"})  # they stand where the others do


class Picture(NamedTuple):
    """What is drawn, the same for all who look in one language."""

    sites: Sites
    marks: Sequence[Mark]
    options: dict[str, Any]
    shown: int
    troubled: int


class SiteMap:
    """A card with the map; empty sites are said to be so.

    Args:
        frame: of the page.
        goes: called with a place when its point is clicked.
        kinds: what to draw, None everything.
    """

    def __init__(
        self, frame: Frame, goes: Callable[[str], None], kinds: frozenset[str] | None = None
    ) -> None:
        self._frame, self._goes, self._kinds = frame, goes, kinds
        self._seen: tuple[Sites, Sequence[Mark]] | None = None
        words = frame.words
        with ui.element("section").classes("card sitemap"):
            with ui.element("div").classes("filters"):
                heading(words["map"])
                ui.label(words["map_what"]).classes("caption")
            self._none = ui.label(words["map_none"]).classes("hint")
            self._none.visible = False
            self._chart = ui.echart(plots.frame(), on_point_click=self._clicked).classes("map")
            self._chart.props(f'role=img aria-label="{words["map_aria"]}"')
            self._legend = _draw_legend(words, kinds)
            self._sum = ui.label().classes("caption")

    async def show(self, sites: Sites, marks: Sequence[Mark]) -> None:
        """Show how each point is."""
        frame, kinds = self._frame, self._kinds
        if self._seen == (sites, marks):
            return

        def look() -> Picture:
            return picture_of(frame.words, sites, marks, kinds)

        picture = await frame.see(("map", frame.place.lang, kinds), look, MARKS_S)
        self._seen = (picture.sites, picture.marks)
        self._none.visible = not picture.sites.points
        self._chart.visible = self._legend.visible = bool(picture.sites.points)
        if picture.sites.points:
            plots.put(self._chart, picture.options)
            said_of = {"count": picture.shown, "troubled": picture.troubled}
            self._sum.set_text(frame.words["map_sum"].format(**said_of))

    def _clicked(self, event: EChartPointClickEventArguments) -> None:
        data: object = event.data
        if isinstance(data, list) and len(data) > _PLACE:
            self._goes(str(data[_PLACE]))


def _draw_legend(words: Mapping[str, str], kinds: frozenset[str] | None) -> ui.element:
    """Say what shapes and colours of points mean, the calm ones first."""
    without_roads = "" if kinds is None or "station" in kinds else "_grid"
    with ui.element("div").classes("caption legend") as legend:
        for kind, glyph in GLYPHS.items():
            if kinds is None or kind in kinds:
                ui.label(f"{glyph} {said(words, 'level', kind)}")
        for tone in reversed(TONES):
            with ui.element("span"):
                ui.label("●").style(f"color: {plots.TONE_COLOURS[tone]}").props("aria-hidden=true")
                ui.label(words.get(f"map_{tone}{without_roads}", words[f"map_{tone}"]))
    return legend


def picture_of(
    words: Mapping[str, str], sites: Sites, marks: Sequence[Mark], kinds: frozenset[str] | None
) -> Picture:
    """Return the map; points are short lists, as there are thousands."""
    chosen = [
        (site, mark)
        for site, mark in zip(sites.points, marks, strict=True)
        if kinds is None or site.kind in kinds
    ]
    troubled = sum(mark.tone != "quiet" for _, mark in chosen)
    options = _options(words, sites, chosen, kinds) if sites.points else {}
    shown = sum(mark.tone != "quiet" or site.kind not in HIDDEN_WHEN_QUIET for site, mark in chosen)
    return Picture(sites, marks, options, shown, troubled)


def _options(
    words: Mapping[str, str],
    sites: Sites,
    chosen: Sequence[tuple[Site, Mark]],
    kinds: frozenset[str] | None,
) -> dict[str, Any]:
    drawn = [site for site, _ in chosen] or sites.points
    x_range, y_range = _box([(one.x_km, one.y_km) for one in drawn])
    hidden = {"type": "value", "show": False}
    shrinks = len(sites.points) > MANY
    points: dict[tuple[str, str], list[list[Any]]] = {
        (tone, kind): [] for tone in reversed(TONES) for kind in SYMBOLS
    }
    for site, mark in chosen:
        if mark.tone == "quiet" and site.kind in HIDDEN_WHEN_QUIET:
            continue
        points[mark.tone, site.kind].append(
            [site.x_km, site.y_km, site.place, *_said(words, site, mark)]
        )
    scatter = [
        {
            "type": "scatter",
            "name": said(words, "level", kind),
            "z": 10 - TONES.index(tone),
            "symbol": SYMBOLS[kind],
            "symbolSize": 4 if tone == "quiet" and shrinks else SIZES[tone],
            "data": found,
            "itemStyle": {
                "color": plots.TONE_COLOURS[tone],
                "opacity": 0.55 if tone == "quiet" else 1,
            },
        }
        for (tone, kind), found in points.items()
    ]
    zooms = [
        {"type": "inside", "xAxisIndex": 0, "filterMode": "none"},
        {"type": "inside", "yAxisIndex": 0, "filterMode": "none"},
    ]
    return plots.frame(
        grid={"left": 4, "right": 4, "top": 4, "bottom": 4},
        tooltip={"trigger": "item", "confine": True, ":formatter": TOLD},
        dataZoom=zooms,
        xAxis={**hidden, "min": x_range[0], "max": x_range[1]},
        yAxis={**hidden, "min": y_range[0], "max": y_range[1]},
        series=[_lines(sites, kinds), *scatter],
    )


def _lines(sites: Sites, kinds: frozenset[str] | None) -> dict[str, Any]:
    paths = [
        [[sites.points[i].x_km, sites.points[i].y_km] for i in along]
        for place, along in sites.lines
        if kinds is None or sites.points[along[0]].kind in kinds
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


def _said(words: Mapping[str, str], site: Site, mark: Mark) -> tuple[str, str]:
    """Return the name and what is said of a point."""
    facts = []
    if mark.alarms:
        facts.append(words["map_alarms"].format(count=mark.alarms))
    if mark.devices:
        facts.append(words["map_lost"].format(lost=mark.lost, count=mark.devices))
    if mark.level:
        facts.append(f"{words['level_of_service']} {mark.level}")
    return plots.tip_text(site.title), " · ".join(facts)


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
