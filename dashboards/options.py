"""Options of Grafana's own panels (schema version 42), by kind; no plugin."""

from collections.abc import Callable, Mapping

from dashboards.paper import Json
from dashboards.spec import Panel

# Drawn in every Grafana without the internet: the outlines that it brings along.
_OUTLINES = {
    "type": "geojson",
    "name": "Outlines",
    "config": {"src": "public/maps/countries.geojson"},
}
_LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
_LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}


def options_of(panel: Panel, language: str) -> Json:
    """Return what a panel's kind is told."""
    return _OPTIONS[panel.kind](panel, language)


def custom_of(panel: Panel) -> Json:
    """Return how its kind draws a field; empty where there is nothing to say."""
    match panel.kind:
        case "timeseries":
            return _custom_timeseries(panel)
        case "status-history" | "state-timeline":
            return {"fillOpacity": 80, "lineWidth": 0}
        case "table":
            return {
                "minWidth": 70
            }  # pixels: as it is, a third of the columns would be out of sight
        case _:
            return {}


def _custom_timeseries(panel: Panel) -> Json:
    stacking = {"group": "A", "mode": "normal" if panel.is_stacked else "none"}
    return {
        "drawStyle": "bars" if panel.is_bars else "line",
        "fillOpacity": 60 if panel.is_bars or panel.is_stacked else 8,
        "lineWidth": 1,
        "showPoints": "auto",
        "spanNulls": False,
        "stacking": stacking,
        "thresholdsStyle": {"mode": "dashed" if panel.look.steps else "off"},
    }


def _stat(panel: Panel, _: str) -> Json:
    return {
        "colorMode": "background" if panel.look.steps or panel.look.names else "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": _LAST,
        "showPercentChange": False,
        "textMode": "auto",
        "wideLayout": True,
    }


def _bargauge(_: Panel, __: str) -> Json:
    return {
        "displayMode": "gradient",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
        "maxVizHeight": 300,
        "minVizHeight": 12,
        "minVizWidth": 8,
        "namePlacement": "auto",
        "orientation": "horizontal",
        "reduceOptions": _LAST,
        "showUnfilled": True,
        "sizing": "auto",
        "valueMode": "color",
    }


def _table(panel: Panel, language: str) -> Json:
    titles = {column.key: column.title.of(language) for column in panel.columns}
    sort = [{"displayName": titles[panel.sort], "desc": panel.falls}] if panel.sort else []
    return {"cellHeight": "sm", "showHeader": True, "sortBy": sort}


def _geomap(panel: Panel, _: str) -> Json:
    shown = panel.columns[-1].key
    style = {
        "color": {"field": shown, "fixed": "blue"},
        "opacity": 0.9,
        "size": {"fixed": 8, "max": 15, "min": 2},
        "symbol": {"fixed": "img/icons/marker/circle.svg", "mode": "fixed"},
    }
    layer = {
        "type": "markers",
        "name": "Places",
        "config": {"showLegend": True, "style": style},
        "location": {"mode": "coords", "latitude": "lat", "longitude": "lon"},
        "tooltip": True,
    }
    return {
        "basemap": _OUTLINES,
        "controls": {"showZoom": True, "mouseWheelZoom": False, "showAttribution": False},
        "layers": [layer],
        "tooltip": {"mode": "details"},
        "view": {"id": "fit", "lat": 10.8, "lon": 106.7, "zoom": 11, "allLayers": True},
    }


def _alertlist(_: Panel, __: str) -> Json:
    return {
        "alertInstanceLabelFilter": "",
        "alertName": "",
        "dashboardAlerts": False,
        "groupBy": [],
        "groupMode": "default",
        "maxItems": 20,
        "sortOrder": 3,  # by importance
        "stateFilter": {"error": True, "firing": True, "noData": True, "pending": True},
        "viewMode": "list",
    }


def _courses(**more: object) -> Callable[[Panel, str], Json]:
    tooltip = {"mode": "multi", "sort": "desc", "hideZeros": False}
    return lambda *_: {"legend": dict(_LEGEND), "tooltip": dict(tooltip), **more}


def _xychart(_: Panel, __: str) -> Json:
    tooltip = {"mode": "single", "sort": "none", "hideZeros": False}
    return {"mapping": "auto", "series": [{}], "legend": dict(_LEGEND), "tooltip": tooltip}


_OPTIONS: Mapping[str, Callable[[Panel, str], Json]] = {
    "stat": _stat,
    "bargauge": _bargauge,
    "table": _table,
    "geomap": _geomap,
    "alertlist": _alertlist,
    "timeseries": _courses(),
    "status-history": _courses(rowHeight=0.9, showValue="never", colWidth=0.95),
    "state-timeline": _courses(
        rowHeight=0.9, showValue="never", mergeValues=True, alignValue="left"
    ),
    "xychart": _xychart,
}
