"""Lines over time, drawn by the bundled ECharts; grey that reads on light and on dark.

ECharts knows two clocks, UTC and that of the browser's machine, and a wall in another country, or
one whose machine was never told where it hangs, would show other hours than the lists beside it.
So moments are shifted to the clock of the site, and told as UTC.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from nicegui import ui

from gateway.model import FloatArray, IntArray
from gateway.profiles import Column, Kind

INK = "#7c8a90"
GRID = "rgba(124, 138, 144, 0.22)"
LINE = "#2f9c95"
FONT = "Roboto, system-ui, sans-serif"
MOST_POINTS = 1200  # what a panel of this width can show: two a pixel
LONE_POINTS = 60  # up to here each has a dot
GAP_INTERVALS = 3  # a silence of so many intervals breaks the line
AROUND = 11  # steps by which an interval is told
SECONDS_BELOW_MS = 600_000  # a shorter axis tells seconds

# Numbers as the rest of the board writes them: in one of the two languages a comma is a decimal.
NUMBER = (
    "value => typeof value != 'number' ? value ?? '–' : "
    "value.toLocaleString('en', {maximumFractionDigits: 3}).replaceAll(',', '\u202f')"
)


def chart_options() -> dict[str, Any]:
    """Return an empty chart."""
    axis = {"color": INK, "fontSize": 12, "fontFamily": FONT, "hideOverlap": True}
    return {
        "animation": False,  # a wall that moves every second tires
        "useUTC": True,
        "grid": {"left": 4, "right": 14, "top": 28, "bottom": 0, "containLabel": True},
        "tooltip": {"trigger": "axis", "confine": True, ":valueFormatter": NUMBER},
        "xAxis": {
            "axisLabel": dict(axis),
            "type": "time",
            "axisLine": {"lineStyle": {"color": GRID}},
            "axisTick": {"show": False},
            "splitNumber": 4,
        },
        "yAxis": {
            "axisLabel": {**axis, ":formatter": NUMBER},
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
        "symbol": "none",
        "connectNulls": False,
        "lineStyle": {"width": width, "color": LINE},
        "itemStyle": {"color": LINE},
        "areaStyle": {"color": LINE, "opacity": 0.08},
    }


def on_clock(at_ms: int, zone: ZoneInfo) -> int:
    """Return a moment shifted so that, read as UTC, it says what a clock of the zone says."""
    offset = datetime.fromtimestamp(at_ms / 1000, zone).utcoffset()
    return at_ms + (0 if offset is None else round(offset.total_seconds() * 1000))


def show_series(
    chart: ui.echart,
    course: tuple[IntArray, FloatArray],
    column: Column,
    now_ms: int,
    zone: ZoneInfo,
) -> None:
    """Draw the values of a column; where none was measured, or none came, the line is broken.

    The axis ends at the present, so that a device which went silent is seen to be.
    """
    times_ms, values = thinned(*broken(*course))
    points: list[Any] = [
        [on_clock(time_ms, zone), None if np.isnan(value) else value]
        for time_ms, value in zip(times_ms.tolist(), values.tolist(), strict=True)
    ]
    for number in lone(values).tolist():  # it has no line to be seen by
        points[number] = {"value": points[number], "symbol": "circle"}
    series = chart.options["series"][0]
    series["data"] = points
    series["step"] = "end" if column.kind in {Kind.COUNT, Kind.CODE} else False
    series["symbol"] = "circle" if len(points) <= LONE_POINTS else "none"
    series["areaStyle"]["opacity"] = 0.0 if column.kind is Kind.REGISTER else 0.08
    chart.options["yAxis"]["name"] = "" if column.unit == "1" else column.unit
    chart.options["xAxis"]["max"] = on_clock(now_ms, zone)
    span_ms = now_ms - int(times_ms[0]) if points else 0
    form = "{HH}:{mm}:{ss}" if span_ms < SECONDS_BELOW_MS else "{HH}:{mm}"
    chart.options["xAxis"]["axisLabel"]["formatter"] = form
    chart.update()


def broken(times_ms: IntArray, values: FloatArray) -> tuple[IntArray, FloatArray]:
    """Put a hole after each reading that was followed by a silence.

    A silence is long beside the steps around it: a device may have measured every half hour before
    it was told to measure every five seconds.
    """
    if len(times_ms) <= GAP_INTERVALS:
        return times_ms, values
    steps_ms = np.diff(times_ms)
    long = np.flatnonzero(steps_ms > GAP_INTERVALS * np.median(steps_ms))
    first = np.clip(long - AROUND // 2, 0, max(0, len(steps_ms) - AROUND))
    around = first[:, np.newaxis] + np.arange(min(AROUND, len(steps_ms)))
    usual_ms = np.median(steps_ms[around], axis=1)
    ends = long[steps_ms[long] > GAP_INTERVALS * usual_ms] + 1
    holes_ms = times_ms[ends - 1] + 1
    return np.insert(times_ms, ends, holes_ms), np.insert(values, ends, np.nan)


def lone(values: FloatArray) -> IntArray:
    """Return which values have neither a neighbour before nor one after them."""
    is_hole = np.concatenate(([True], np.isnan(values), [True]))
    return np.flatnonzero(~is_hole[1:-1] & is_hole[:-2] & is_hole[2:]).astype(np.int64)


def thinned(times_ms: IntArray, values: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return at most ``MOST_POINTS``: the lowest and the highest of each stretch."""
    if len(times_ms) <= MOST_POINTS:
        return times_ms, values
    begins = np.linspace(0, len(times_ms), MOST_POINTS // 2, endpoint=False).astype(np.int64)
    low, high = np.fmin.reduceat(values, begins), np.fmax.reduceat(values, begins)
    ends = np.append(begins[1:], len(times_ms)) - 1
    pairs_ms = np.column_stack((times_ms[begins], times_ms[ends])).ravel()
    return pairs_ms, np.column_stack((low, high)).ravel()
