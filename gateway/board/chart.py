"""A line over time, drawn by the bundled ECharts; grey that reads on light and on dark."""

from typing import Any

import numpy as np
from nicegui import ui

from gateway.model import FloatArray, IntArray
from gateway.profiles import Column, Kind

INK = "#7c8a90"
GRID = "rgba(124, 138, 144, 0.22)"
LINE = "#2f9c95"
FONT = "Roboto, system-ui, sans-serif"


def chart_options() -> dict[str, Any]:
    """Return an empty chart."""
    axis = {"axisLabel": {"color": INK, "fontSize": 12, "fontFamily": FONT}}
    return {
        "animation": False,  # a wall that moves every second tires
        "grid": {"left": 8, "right": 16, "top": 34, "bottom": 4, "containLabel": True},
        "tooltip": {"trigger": "axis", "confine": True},
        "xAxis": {
            **axis,
            "type": "time",
            "axisLine": {"lineStyle": {"color": GRID}},
            "axisTick": {"show": False},
            "splitNumber": 4,
        },
        "yAxis": {
            **axis,
            "type": "value",
            "scale": True,
            "splitNumber": 4,
            "splitLine": {"lineStyle": {"color": GRID}},
            "nameTextStyle": {"color": INK, "align": "left", "fontFamily": FONT},
        },
        "series": [
            {
                "type": "line",
                "data": [],
                "showSymbol": False,
                "connectNulls": False,
                "lineStyle": {"width": 2, "color": LINE},
                "itemStyle": {"color": LINE},
                "areaStyle": {"color": LINE, "opacity": 0.08},
            }
        ],
    }


def show_series(chart: ui.echart, times_ms: IntArray, values: FloatArray, column: Column) -> None:
    """Draw the values of a column; where none was measured the line is broken."""
    points = [
        [time_ms, None if np.isnan(value) else value]
        for time_ms, value in zip(times_ms.tolist(), values.tolist(), strict=True)
    ]
    series = chart.options["series"][0]
    series["data"] = points
    series["step"] = "end" if column.kind in {Kind.COUNT, Kind.CODE} else False
    # a lone point has no line to be seen by
    series["showSymbol"] = len(points) <= 60  # noqa: PLR2004  # one a minute
    series["areaStyle"]["opacity"] = 0.0 if column.kind is Kind.REGISTER else 0.08
    chart.options["yAxis"]["name"] = "" if column.unit == "1" else column.unit
    chart.update()
