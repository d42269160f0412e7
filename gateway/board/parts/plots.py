"""Options of charts: bars and lines. Colours read on light and on dark."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from nicegui import ui

from gateway.board.chart import FONT, GRID, INK, NUMBER, on_clock

# Okabe and Ito's palette, told apart by people who see no red or no green
SERIES = ("#2f9c95", "#d98c1f", "#5b8def", "#b86bb0", "#8a9a3b", "#c8553d", "#7c8a90")
TONE_COLOURS = {
    "worst": "#b3261e",
    "bad": "#d9483b",
    "warn": "#d99a1c",
    "note": "#5b8def",
    "good": "#3f9e6e",
    "quiet": "#7c8a90",
}
# Levels of service, A to F: calm greens, then amber at capacity, red beyond it.
LEVEL_COLOURS = ("#2f9c95", "#5fb08f", "#a3bf6b", "#e0c04d", "#dd8a2d", "#b3261e")


WHOLE = "whole"  # the stack of series that are shares of one thing


class Series(NamedTuple):
    """One line or one kind of bars."""

    name: str
    points: Sequence[Any]  # [x, y], or y for each category
    colour: str = ""
    stack: str = ""
    is_dashed: bool = False


def chart(options: dict[str, Any], label: str, kind: str = "chart") -> ui.echart:
    """Draw a chart; ``label`` is what it shows, for whoever cannot see it."""
    drawn = ui.echart(options).classes(kind)
    drawn.props(f'role=img aria-label="{label}"')
    return drawn


def put(drawn: ui.echart, options: dict[str, Any]) -> None:
    """Show other options where they are others."""
    if drawn.options != options:
        drawn.options.clear()
        drawn.options.update(options)
        drawn.update()


def axis(**more: Any) -> dict[str, Any]:  # noqa: ANN401  # options are JSON
    """Return an axis in the board's ink."""
    return {
        "axisLabel": {"color": INK, "fontSize": 12, "fontFamily": FONT, "hideOverlap": True},
        "axisLine": {"lineStyle": {"color": GRID}},
        "axisTick": {"show": False},
        "splitLine": {"lineStyle": {"color": GRID}},
        "nameTextStyle": {"color": INK, "align": "left", "fontFamily": FONT},
        **more,
    }


def values(unit: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return an axis of numbers."""
    made = axis(type="value", name=unit, splitNumber=4, **more)
    made["axisLabel"][":formatter"] = NUMBER
    return made


def frame(**more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return what all charts have."""
    return {
        "animation": False,  # a wall that moves every second tires
        "textStyle": {"fontFamily": FONT},
        "grid": {"left": 6, "right": 16, "top": 34, "bottom": 4, "containLabel": True},
        "tooltip": {"trigger": "axis", "confine": True, ":valueFormatter": NUMBER},
        **more,
    }


def legend(series: Sequence[Series]) -> dict[str, Any]:
    """Return a legend where there is more than one thing to tell apart, or could be."""
    text = {"color": INK, "fontSize": 12, "fontFamily": FONT}
    shows = len(series) > 1 or any(one.stack for one in series)
    return {
        "show": shows,
        "top": 0,
        "right": 10,
        "textStyle": text,
        "itemHeight": 9,
        "icon": "rect",
    }


def lines(
    series: Sequence[Series], unit: str, span_ms: tuple[int, int], zone: ZoneInfo
) -> dict[str, Any]:
    """Return lines over time, by the clock of the site."""
    begin_ms, end_ms = (on_clock(at_ms, zone) for at_ms in span_ms)
    return frame(
        legend=legend(series),
        useUTC=True,
        xAxis=axis(type="time", min=begin_ms, max=end_ms, splitLine={"show": False}),
        yAxis=values(unit, scale=True),
        series=[
            {
                "type": "line",
                "name": one.name,
                "data": [[on_clock(at_ms, zone), value] for at_ms, value in one.points],
                "showSymbol": len(one.points) <= 60,  # noqa: PLR2004  # a lone point has no line
                "itemStyle": {"color": one.colour or SERIES[k % len(SERIES)]},
                "lineStyle": {"width": 2, "type": "dashed" if one.is_dashed else "solid"},
            }
            for k, one in enumerate(series)
        ],
    )


def bars(series: Sequence[Series], unit: str, names: Sequence[str]) -> dict[str, Any]:
    """Return bars by category; shares that stack up end at 100 %."""
    is_whole = unit == "%" and all(one.stack == WHOLE for one in series)
    return frame(
        legend=legend(series),
        xAxis=axis(type="category", data=list(names)),
        yAxis=values(unit, **({"max": 100, "interval": 25} if is_whole else {})),
        series=[
            {
                "type": "bar",
                "name": one.name,
                "data": list(one.points),
                "stack": one.stack or one.name,
                "barMaxWidth": 34,
                "itemStyle": {"color": one.colour or SERIES[k % len(SERIES)]},
            }
            for k, one in enumerate(series)
        ],
    )


def tip_text(title: str) -> str:
    """Return a title for a tooltip, which is HTML: what a registry calls a thing is text."""
    return title.replace("&", "&amp;").replace("<", "&lt;")
