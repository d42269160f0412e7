"""Alerts as Grafana's file provisioning loads them (alerting API version 1)."""

from collections.abc import Iterator

from dashboards import influxql, promql
from dashboards.alerts.energy import ENERGY
from dashboards.alerts.rest import GATEWAY, ROADS
from dashboards.alerts.spec import Alert
from dashboards.board import uid_of
from dashboards.boards import BOARDS
from dashboards.dialect import Dialect
from dashboards.paper import Json
from dashboards.provisioning import DATASOURCE_UID, as_yaml

ALERTS: tuple[Alert, ...] = (*ENERGY, *ROADS, *GATEWAY)
LANGUAGE = "vi"  # of the boards that alerts lead to; texts have both
_EVERY = "1m"
_EXPRESSION = "__expr__"


def alerting(dialect: Dialect) -> str:
    """Return the text of the file of rules."""
    groups = {"energy": ENERGY, "roads": ROADS, "gateway": GATEWAY}
    body = {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1,
                "name": f"infragate-{name}",
                "folder": "Infragate",
                "interval": _EVERY,
                "rules": [rule(alert, dialect) for alert in alerts],
            }
            for name, alerts in groups.items()
        ],
    }
    return as_yaml(body)


def query_of(alert: Alert, dialect: Dialect) -> str:
    """Return what is asked of the database."""
    at_once = influxql.at_once if dialect.datasource == "influxdb" else promql.at_once
    return at_once(alert.ask)


def rule(alert: Alert, dialect: Dialect) -> Json:
    """Return one rule: the query, its last value, the bounds."""
    board = next(one for one in BOARDS if one.key == alert.board)
    uid, panel = uid_of(alert.board, dialect, LANGUAGE), board.panel_id(alert.panel)
    return {
        "uid": f"infragate-{alert.key}",
        "title": f"{alert.title.vi} · {alert.title.en}",
        "condition": "C",
        "data": list(_data(alert, dialect)),
        "dashboardUid": uid,
        "panelId": panel,
        "noDataState": alert.no_data,
        "execErrState": "KeepLast",
        "for": f"{alert.lasting_s}s",
        "annotations": {
            "summary": f"{alert.title.vi}: {{{{ $labels }}}} = {{{{ $values.B }}}}",
            "runbook_vi": alert.runbook.vi,
            "runbook_en": alert.runbook.en,
            "__dashboardUid__": uid,
            "__panelId__": str(panel),
        },
        "labels": {"severity": alert.severity, "product": "infragate"},
        "isPaused": False,
    }


def _data(alert: Alert, dialect: Dialect) -> Iterator[Json]:
    query = query_of(alert, dialect)
    source = {"type": dialect.datasource, "uid": DATASOURCE_UID}
    if dialect.datasource == "influxdb":
        model: Json = {"rawQuery": True, "query": query, "resultFormat": "time_series"}
    else:
        model = {"expr": query, "instant": True, "range": False}
    yield _step("A", DATASOURCE_UID, alert.window_s, {"datasource": source, **model})
    reduce = {"type": "reduce", "expression": "A", "reducer": "last"}
    yield _step("B", _EXPRESSION, 0, reduce)
    yield _step("C", _EXPRESSION, 0, _threshold(alert))


def _threshold(alert: Alert) -> Json:
    low, high = alert.beyond
    if low is None:
        evaluator: Json = {"type": "gt", "params": [high]}
    elif high is None:
        evaluator = {"type": "lt", "params": [low]}
    else:
        evaluator = {"type": "outside_range", "params": [low, high]}
    return {"type": "threshold", "expression": "B", "conditions": [{"evaluator": evaluator}]}


def _step(ref: str, source: str, since_s: int, model: Json) -> Json:
    return {
        "refId": ref,
        "relativeTimeRange": {"from": since_s, "to": 0},
        "datasourceUid": source,
        "model": {"refId": ref, "intervalMs": 60_000, "maxDataPoints": 1000, **model},
    }
