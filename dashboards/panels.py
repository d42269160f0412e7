"""A panel as JSON, in the shapes of Grafana's own panels (schema version 42); no plugin."""

from collections.abc import Mapping

from dashboards.dialect import Target, letter, title_of
from dashboards.measurements import seconds, spacing
from dashboards.options import custom_of, options_of
from dashboards.paper import Json, Paper
from dashboards.spec import Column, Look, Panel, Step
from dashboards.words import THRESHOLDS

_COURSES = frozenset({"timeseries", "status-history", "state-timeline", "xychart"})
_TABLES = frozenset({"table", "geomap"})


def panel_json(panel: Panel, number: int, place: tuple[int, int], paper: Paper) -> Json:
    """Return the JSON of a panel at column and row ``place``."""
    every = panel.every or _spacing(panel)
    targets, transformations = _targets(panel, every, paper)
    for k, target in enumerate(targets):
        target |= {"refId": letter(k), "datasource": paper.datasource()}
    body: Json = {
        "id": number,
        "type": panel.kind,
        "title": panel.title.of(paper.language),
        "description": described(panel, paper.language),
        "gridPos": {"x": place[0], "y": place[1], "w": panel.width, "h": panel.height},
        "fieldConfig": {"defaults": _defaults(panel, paper), "overrides": _overrides(panel, paper)},
        "options": options_of(panel, paper.language),
    }
    if targets:
        body |= {"datasource": paper.datasource(), "targets": targets, "interval": every}
    if transformations:
        body["transformations"] = transformations
    return body


def described(panel: Panel, language: str) -> str:
    """Return the question and what each colour means."""
    looks = [panel.look, *(column.look for column in panel.columns)]
    steps = [step for look in looks for step in look.steps if step.meaning.of(language)]
    meanings = dict.fromkeys(f"- {_meaning(step, language)}" for step in steps)
    if not meanings:
        return panel.question.of(language)
    heading = THRESHOLDS.of(language)
    return "\n".join([panel.question.of(language), "", heading, *meanings])


def _meaning(step: Step, language: str) -> str:
    since = "" if step.since is None else f" ≥ {step.since:g}"
    return f"{step.colour}{since}: {step.meaning.of(language)}"


def _spacing(panel: Panel) -> str:
    """Return the largest spacing of what a panel asks for; a minute at the least."""
    asked = [line.ask for line in panel.lines]
    asked += [column.ask for column in panel.columns if column.ask is not None]
    return max((spacing(one.measurement) for one in asked), key=seconds, default="1m")


def _targets(panel: Panel, every: str, paper: Paper) -> tuple[list[Target], list[Json]]:
    if panel.kind in _TABLES:
        targets, names = paper.dialect.table(panel.columns)
        return targets, _table_steps(panel, names, joins=len(targets) > 1)
    titled = [(line, title_of(paper.dialect, line, paper.language)) for line in panel.lines]
    if panel.kind not in _COURSES:
        return [paper.dialect.moment(*one) for one in titled], []
    targets = [paper.dialect.course(*one, every) for one in titled]
    if panel.kind == "xychart":
        return targets, [{"id": "joinByField", "options": {"byField": "Time", "mode": "inner"}}]
    return targets, []


def _table_steps(panel: Panel, names: Mapping[str, str], *, joins: bool) -> list[Json]:
    """Return how answers become one table: without times, joined by their tags, in our order."""
    steps: list[Json] = [
        {"id": "organize", "options": {"excludeByName": {"Time": True, "time": True}}}
    ]
    if joins:
        steps.append({"id": "merge", "options": {}})
    order = {column.key: k for k, column in enumerate(panel.columns)}
    asked = {key: name for name, key in names.items()}
    steps.append(
        {
            "id": "organize",
            "options": {
                "excludeByName": {},
                "indexByName": {asked.get(key, key): k for key, k in order.items()},
                "renameByName": dict(names),
            },
        }
    )
    if panel.keep is not None:
        key, kind, value = panel.keep
        config = {"id": kind, "options": {"value": value}}
        filters = [{"fieldName": key, "config": config}]
        options = {"filters": filters, "match": "all", "type": "include"}
        steps.append({"id": "filterByValue", "options": options})
    return steps


def _defaults(panel: Panel, paper: Paper) -> Json:
    body = _looks(panel.look, paper)
    if panel.look.link is not None:
        body["links"] = [paper.link(panel.look.link, "${{__field.labels.{}}}")]
    if panel.kind == "timeseries":  # lines are told apart by colour, bounds are dashed
        body["color"] = {"mode": "palette-classic"}
    if custom := custom_of(panel):
        body["custom"] = custom
    return body


def _looks(look: Look, paper: Paper) -> Json:
    body: Json = {
        "unit": look.unit,
        "color": {"mode": "thresholds" if look.steps else "palette-classic"},
    }
    bounds = {"decimals": look.decimals, "min": look.low, "max": look.high}
    body |= {key: value for key, value in bounds.items() if value is not None}
    if look.steps:
        steps = [{"value": step.since, "color": step.colour} for step in look.steps]
        body["thresholds"] = {"mode": "absolute", "steps": steps}
    if look.names:
        options = {
            f"{name.code:g}": {
                "text": name.text.of(paper.language),
                "color": name.colour,
                "index": k,
            }
            for k, name in enumerate(look.names)
        }
        body["mappings"] = [{"type": "value", "options": options}]
    return body


def _overrides(panel: Panel, paper: Paper) -> list[Json]:
    return [_override(column, paper) for column in panel.columns]


def _override(column: Column, paper: Paper) -> Json:
    looks = _looks(column.look, paper)
    properties: list[Json] = [{"id": "displayName", "value": column.title.of(paper.language)}]
    if column.ask is not None:
        properties += [
            {"id": key, "value": value} for key, value in looks.items() if key != "color"
        ]
    if column.look.steps or column.look.names:
        cell = {"type": "color-background" if column.look.names else "color-text"}
        properties.append({"id": "custom.cellOptions", "value": cell})
    if column.look.steps:
        properties.append({"id": "color", "value": {"mode": "thresholds"}})
    if column.look.link is not None:
        link = paper.link(column.look.link, "${{__data.fields.{}}}")
        properties.append({"id": "links", "value": [link]})
    return {"matcher": {"id": "byName", "options": column.key}, "properties": properties}
