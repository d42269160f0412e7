"""A board as JSON: what is around its panels."""

from collections.abc import Iterator, Sequence

from dashboards.dialect import UID, Dialect
from dashboards.panels import panel_json
from dashboards.paper import Json, Paper
from dashboards.spec import Board, Panel, Section, Variable
from dashboards.words import ALL_BOARDS, DATABASE, PRICE

SCHEMA_VERSION = 42  # of Grafana 12 and 13; older ones load it
COLUMNS = 24
BOARDS_TAG = "infragate"
# Mean retail price without VAT: decision 1279/QĐ-BCT of 2025-05-09. Operators put theirs in.
MEAN_PRICE_VND = "2204.0655"


def uid_of(board: str, dialect: Dialect, language: str) -> str:
    """Return the uid of a board, unique over all sets."""
    return f"infragate-{board}-{dialect.name}-{language}"


def board_json(board: Board, boards: Sequence[Board], dialect: Dialect, language: str) -> Json:
    """Return a board as Grafana's file provisioning loads it."""
    paper = Paper(
        dialect, language, {one.key: uid_of(one.key, dialect, language) for one in boards}
    )
    return {
        "uid": uid_of(board.key, dialect, language),
        "title": board.title.of(language),
        "description": board.question.of(language),
        "tags": [BOARDS_TAG, f"{BOARDS_TAG}-{dialect.name}-{language}", *board.tags],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,  # one cross-hair for all panels
        "fiscalYearStartMonth": 0,
        "timezone": "browser",
        "time": {"from": board.since, "to": "now"},
        "timepicker": {"refresh_intervals": ["10s", "30s", "1m", "5m", "15m"]},
        "refresh": board.refresh,
        "links": [_all_boards(dialect, language), *_links(board, boards, paper)],
        "templating": {"list": _variables(board, paper)},
        "annotations": {"list": [_own_annotations(), *_annotations(board, paper)]},
        "panels": list(_placed(board, paper)),
    }


def _placed(board: Board, paper: Paper) -> Iterator[Json]:
    """Yield headlines and panels, from left to right and from top to bottom."""
    row, number = 0, 1
    for k, section in enumerate(board.sections):
        yield _headline(section, 1000 + k, row, paper.language)
        row += 1
        for line in _lines(section.panels):
            column = 0
            for panel in line:
                yield panel_json(panel, number, (column, row), paper)
                column, number = column + panel.width, number + 1
            row += max(panel.height for panel in line)


def _lines(panels: Sequence[Panel]) -> Iterator[list[Panel]]:
    line: list[Panel] = []
    for panel in panels:
        if sum(one.width for one in line) + panel.width > COLUMNS:
            yield line
            line = []
        line.append(panel)
    if line:
        yield line


def _headline(section: Section, number: int, row: int, language: str) -> Json:
    return {
        "id": number,
        "type": "row",
        "title": section.title.of(language),
        "collapsed": False,
        "gridPos": {"x": 0, "y": row, "w": COLUMNS, "h": 1},
        "panels": [],
    }


def _variables(board: Board, paper: Paper) -> list[Json]:
    source = {
        "type": "datasource",
        "name": "datasource",
        "label": DATABASE.of(paper.language),
        "skipUrlSync": False,
        "query": paper.dialect.datasource,
        "multi": False,
        "includeAll": False,
        "refresh": 1,
        "regex": "",
        "options": [],
    }
    variables = [source, *(_variable(one, paper) for one in board.variables)]
    return [*variables, _price(paper)] if board.price else variables


def _price(paper: Paper) -> Json:
    return {
        "type": "textbox",
        "name": "price",
        "label": PRICE.of(paper.language),
        "skipUrlSync": False,
        "query": MEAN_PRICE_VND,
        "current": {"text": MEAN_PRICE_VND, "value": MEAN_PRICE_VND},
        "options": [],
    }


def _variable(variable: Variable, paper: Paper) -> Json:
    return {
        "type": "query",
        "name": variable.name,
        "label": variable.label.of(paper.language),
        "skipUrlSync": False,
        "query": paper.dialect.variable(variable),
        "datasource": paper.datasource(),
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,  # when the time range changes
        "sort": 1,
        "regex": "",
        "options": [],
    }


def _own_annotations() -> Json:
    return {
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "blue",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    }


def _annotations(board: Board, paper: Paper) -> Iterator[Json]:
    for title, colour, events in board.events:
        yield {
            "name": title.of(paper.language),
            "datasource": {"type": paper.dialect.datasource, "uid": UID},
            "enable": True,
            "hide": False,
            "iconColor": colour,
            **paper.dialect.annotation(events),
        }


def _all_boards(dialect: Dialect, language: str) -> Json:
    return _dashboard_link(
        ALL_BOARDS.of(language),
        type="dashboards",
        tags=[f"{BOARDS_TAG}-{dialect.name}-{language}"],
        asDropdown=True,
        includeVars=False,
    )


def _links(board: Board, boards: Sequence[Board], paper: Paper) -> Iterator[Json]:
    titles = {one.key: one.title.of(paper.language) for one in boards}
    for key in board.links:
        url = f"/d/{paper.uid_of[key]}?var-datasource=${{datasource}}"
        yield _dashboard_link(titles[key], type="link", url=url, includeVars=True)


def _dashboard_link(title: str, **more: object) -> Json:
    usual = {
        "type": "link",
        "icon": "dashboard",
        "tooltip": "",
        "tags": [],
        "url": "",
        "asDropdown": False,
        "targetBlank": False,
        "keepTime": True,
    }
    return {"title": title, **usual, **more}
