"""Lines over time, drawn by the bundled ECharts; grey that reads on light and on dark."""

from typing import Any

import numpy as np
from nicegui import ui

from gateway.model import FloatArray, IntArray
from gateway.profiles import Column, Kind

INK = "#7c8a90"
GRID = "rgba(124, 138, 144, 0.22)"
LINE = "#2f9c95"
FONT = "Roboto, system-ui, sans-serif"
MOST_POINTS = 1200  # what a panel of this width can show: two a pixel
LONE_POINTS = 60  # up to here each has a dot: a lone one has no line to be seen by
GAP_INTERVALS = 3  # a silence of so many intervals breaks the line
SECONDS_BELOW_MS = 600_000  # a shorter axis tells seconds


def chart_options() -> dict[str, Any]:
    """Return an empty chart."""
    axis = {"color": INK, "fontSize": 12, "fontFamily": FONT, "hideOverlap": True}
    return {
        "animation": False,  # a wall that moves every second tires
        "grid": {"left": 4, "right": 14, "top": 28, "bottom": 0, "containLabel": True},
        "tooltip": {"trigger": "axis", "confine": True},
        "xAxis": {
            "axisLabel": dict(axis),
            "type": "time",
            "axisLine": {"lineStyle": {"color": GRID}},
            "axisTick": {"show": False},
            "splitNumber": 4,
        },
        "yAxis": {
            "axisLabel": dict(axis),
            "type": "value",
            "scale": True,
            "splitNumber": 4,
            "splitLine": {"lineStyle": {"color": GRID}},
            "nameTextStyle": {"color": INK, "align": "left", "fontFamily": FONT},
        },
        "series": [_line(2)],
    }


def sparkline_options() -> dict[str, Any]:
    """Return an empty chart without axes."""
    hidden = {"show": False, "min": "dataMin", "max": "dataMax"}
    return {
        "animation": False,
        "grid": {"left": 0, "right": 0, "top": 3, "bottom": 1},
        "xAxis": {"type": "time", **hidden},
        "yAxis": {"type": "value", "show": False, "min": 0},
        "series": [_line(1.5)],
    }


def _line(width: float) -> dict[str, Any]:
    return {
        "type": "line",
        "data": [],
        "showSymbol": False,
        "connectNulls": False,
        "lineStyle": {"width": width, "color": LINE},
        "itemStyle": {"color": LINE},
        "areaStyle": {"color": LINE, "opacity": 0.08},
    }


def show_series(
    chart: ui.echart, times_ms: IntArray, values: FloatArray, column: Column, now_ms: int
) -> None:
    """Draw the values of a column; where none was measured, or none came, the line is broken.

    The axis ends at the present, so that a device which went silent is seen to be.
    """
    times_ms, values = thinned(*broken(times_ms, values))
    points = [
        [time_ms, None if np.isnan(value) else value]
        for time_ms, value in zip(times_ms.tolist(), values.tolist(), strict=True)
    ]
    series = chart.options["series"][0]
    series["data"] = points
    series["step"] = "end" if column.kind in {Kind.COUNT, Kind.CODE} else False
    series["showSymbol"] = len(points) <= LONE_POINTS
    series["areaStyle"]["opacity"] = 0.0 if column.kind is Kind.REGISTER else 0.08
    chart.options["yAxis"]["name"] = "" if column.unit == "1" else column.unit
    chart.options["xAxis"]["max"] = now_ms
    span_ms = now_ms - points[0][0] if points else 0
    form = "{HH}:{mm}:{ss}" if span_ms < SECONDS_BELOW_MS else "{HH}:{mm}"
    chart.options["xAxis"]["axisLabel"]["formatter"] = form
    chart.update()


def broken(times_ms: IntArray, values: FloatArray) -> tuple[IntArray, FloatArray]:
    """Put a hole after each reading that was followed by a silence."""
    if len(times_ms) <= GAP_INTERVALS:
        return times_ms, values
    steps_ms = np.diff(times_ms)
    ends = np.flatnonzero(steps_ms > GAP_INTERVALS * np.median(steps_ms)) + 1
    holes_ms = times_ms[ends - 1] + 1
    return np.insert(times_ms, ends, holes_ms), np.insert(values, ends, np.nan)


def thinned(times_ms: IntArray, values: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return at most ``MOST_POINTS``: the lowest and the highest of each stretch."""
    if len(times_ms) <= MOST_POINTS:
        return times_ms, values
    begins = np.linspace(0, len(times_ms), MOST_POINTS // 2, endpoint=False).astype(np.int64)
    low, high = np.fmin.reduceat(values, begins), np.fmax.reduceat(values, begins)
    ends = np.append(begins[1:], len(times_ms)) - 1
    pairs_ms = np.column_stack((times_ms[begins], times_ms[ends])).ravel()
    return pairs_ms, np.column_stack((low, high)).ravel()
