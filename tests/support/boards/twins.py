"""The same questions to both servers, and where their answers differ."""

import math
from collections.abc import Iterator

from tests.support.boards import panes
from tests.support.boards.asking import Answer, Influx, Labels, Victoria
from tests.support.boards.panes import Choice, Question, Range


def pairs() -> dict[tuple[str, str], tuple[list[Question], list[Question]]]:
    """Return the queries of each panel in both languages."""
    found: dict[tuple[str, str], tuple[list[Question], list[Question]]] = {}
    for number, dialect in enumerate(panes.SETS):
        for one in panes.questions(dialect):
            found.setdefault((one.board, one.panel), ([], []))[number].append(one)
    return found


def answer_of(
    server: Influx | Victoria, questions: list[Question], span: Range, choice: Choice
) -> list[tuple[Question, Answer]]:
    """Return the answers to a panel's questions."""
    return [(one, server.ask(one, span, choice)) for one in questions]


Numbers = dict[tuple[str, Labels, int], float]


def numbers(part: list[tuple[Question, Answer]]) -> Numbers:
    """Return a panel's numbers by column, group and time."""
    found: Numbers = {}
    names = columns_of(part)
    for one, answer in part:
        for (labels, name, at_ms), value in answer.values.items():
            ref = one.target["refId"]
            column = names.get((ref, name), name) if one.kind in {"table", "geomap"} else ref
            found[column, labels, at_ms] = value
    return found


def columns_of(part: list[tuple[Question, Answer]]) -> dict[tuple[str, str], str]:
    """Return how the answers' columns are called in the end; InfluxQL names them at once."""
    if part[0][0].kind not in {"table", "geomap"}:
        return {}
    boards = panes.load("promql")
    panel = next(
        one for one in panes.panels(boards[part[0][0].board]) if one["title"] == part[0][0].panel
    )
    renamed: dict[str, str] = {}
    for step in panel.get("transformations", []):
        renamed |= step["options"].get("renameByName", {})
    keys = {f"Value #{one.target['refId']}" if len(part) > 1 else "Value": one for one, _ in part}
    if "expr" not in part[0][0].target:
        return {}
    return {(one.target["refId"], "value"): renamed[name] for name, one in keys.items()}


def differences(
    influx: Numbers, prom: Numbers, both: tuple[list[Question], list[Question]]
) -> Iterator[str]:
    """Yield where the twins say different things."""
    if "non_negative_derivative" in panes.query_of(both[0][0].target):
        yield from rate_differences(influx, prom)
        return
    times = sorted({key[2] for key in (*influx, *prom)})
    edges = {times[0], times[-1]} if times and times[-1] > 0 else set()
    inner = [key for key in {*influx, *prom} if key[2] not in edges]
    missing = [key for key in inner if (key in influx) != (key in prom)]
    if missing:
        where = "InfluxQL" if missing[0] in influx else "PromQL"
        yield f"{len(missing)} of {len(inner)} only in one: {missing[0]} in {where}"
    for key in inner:
        if (
            key in influx
            and key in prom
            and not math.isclose(influx[key], prom[key], rel_tol=1e-6, abs_tol=1e-9)
        ):
            yield f"{key}: {influx[key]} and {prom[key]}"
            return


def rate_differences(influx: Numbers, prom: Numbers) -> Iterator[str]:
    """Yield where means of rates differ by more than a tenth: windows are not the same."""
    groups = {key[:2] for key in (*influx, *prom)}
    for group in groups:
        means = [
            sum(v for k, v in part.items() if k[:2] == group)
            / max(1, sum(k[:2] == group for k in part))
            for part in (influx, prom)
        ]
        if not math.isclose(*means, rel_tol=0.1):
            yield f"mean rate of {group}: {means}"
