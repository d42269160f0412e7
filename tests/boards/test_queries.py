"""Every query of every board, on real servers: no error, no nothing, no slowness; twins agree."""

import time
from collections.abc import Iterator

import pytest

from tests.boards.conftest import Twins
from tests.support.boards import panes
from tests.support.boards.asking import Answer
from tests.support.boards.madeup import END_MS
from tests.support.boards.panes import DAY_MS, HOUR_MS, Choice, Question, Range
from tests.support.boards.twins import answer_of, differences, numbers, pairs

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

# Half a minute beside the points, which stand on minutes: so both languages' ranges, of which one
# has its begin and the other its end, hold the same points.
TO_MS = END_MS - 30_000
SPANS = {"1h": HOUR_MS, "24h": DAY_MS, "7d": 7 * DAY_MS}
# What a panel must be asked for: an hour holds no day, and half an hour's slots only once.
ALL: Choice = {}
ONE: Choice = {
    "feeder": ["ql-1"], "transformer": ["tra-01"], "area": ["ql-1"], "sector": ["energy"],
    "device": ["m-00"], "corridor": ["qa-1"], "station": ["sta-01"], "place": ["tra-01"],
}  # fmt: skip
TWO: Choice = {
    "feeder": ["ql-1", "ql-2"], "transformer": ["tra-01", "tra-11"], "area": ["ql-1", "ql-2"],
    "sector": ["energy", "transport"], "device": ["m-00", "m-11"], "corridor": ["qa-1", "qa-2"],
    "station": ["sta-01", "sta-11"], "place": ["tra-01", "tra-11"],
}  # fmt: skip
CHOICES = {"all": ALL, "one": ONE, "two": TWO}
QUICK = [("24h", "all"), ("1h", "one"), ("7d", "two")]
REST = [(span, choice) for span in SPANS for choice in CHOICES if (span, choice) not in QUICK]
SLOW_S = 2.0


@pytest.mark.parametrize(("span", "choice"), QUICK)
def test_twins(full: Twins, span: str, choice: str) -> None:
    check(full, span, choice)


@pytest.mark.slow
@pytest.mark.parametrize(("span", "choice"), REST)
def test_twins_of_all_ranges(full: Twins, *, span: str, choice: str, soak: bool) -> None:
    if not soak:
        pytest.skip("all ranges and choices: make test-boards INFRAGATE_SOAK=1")
    check(full, span, choice)


def check(twins: Twins, span: str, choice: str) -> None:
    asked = Range(TO_MS - SPANS[span], TO_MS)
    wrong: list[str] = []
    count = 0
    for (key, panel), both in pairs().items():
        count += sum(map(len, both))
        found = looked(twins, both, asked, chosen(CHOICES[choice], key), span)
        if found:  # on a full machine a flushed VictoriaMetrics has shown nothing for a moment
            time.sleep(1)
            found = looked(twins, both, asked, chosen(CHOICES[choice], key), span)
        wrong += [f"{key} / {panel}: {fault}" for fault in found]
    assert not wrong, "\n".join(wrong)
    assert count > 250


def looked(
    twins: Twins,
    both: tuple[list[Question], list[Question]],
    asked: Range,
    choice: Choice,
    span: str,
) -> list[str]:
    """Ask both servers, and return what is wrong with a panel."""
    answers = [
        answer_of(server, questions, asked, choice)
        for server, questions in zip(twins.both, both, strict=True)
    ]
    return list(faults(both, answers, span))


def chosen(choice: Choice, board: str) -> Choice:
    """Return the choice with devices of the board's own."""
    if board == "detectors" and choice.get("device"):
        names = choice["device"] or []
        return {**choice, "device": [name.replace("m-", "loop-") for name in names]}
    return choice


def faults(
    both: tuple[list[Question], list[Question]],
    answers: list[list[tuple[Question, Answer]]],
    span: str,
) -> Iterator[str]:
    """Yield what is wrong with a panel."""
    for part in answers:
        for one, answer in part:
            if answer.took_s > SLOW_S:
                yield f"{one.target.get('refId')} took {answer.took_s:.1f} s"
    if both[0][0].kind == "annotation":
        if not answers[0][0][1].values:
            yield "no annotation"
        return
    influx, prom = (numbers(part) for part in answers)
    if not influx and not may_be_empty(both[0], span):
        yield f"nothing in InfluxQL: {panes.query_of(both[0][0].target)}"
    yield from differences(influx, prom, both)


def may_be_empty(questions: list[Question], span: str) -> bool:
    """Return whether an hour can have no point of what comes once a day, or half a day."""
    every_s = max(panes.seconds(one.every) for one in questions)
    texts = " ".join(panes.query_of(one.target) for one in questions)
    # of one device a detector's panels are empty where a meter is chosen, and the other way round
    is_other = '"tl1"' in texts or '"em3"' in texts or '"dtm"' in texts
    return (span == "1h" and every_s >= 3600) or is_other or "work_open" in texts


@pytest.mark.parametrize("span", ["24h"])
def test_nothing_is_wrong_with_an_empty_database(empty: Twins, span: str) -> None:
    asked = Range(TO_MS - SPANS[span], TO_MS)
    for (key, _), both in pairs().items():
        for server, questions in zip(empty.both, both, strict=True):
            for _, answer in answer_of(server, questions, asked, chosen(ALL, key)):
                assert not answer.values
    for dialect, server in zip(panes.SETS, empty.both, strict=True):
        for board in panes.load(dialect).values():
            for variable in panes.variables(board):
                assert server.values(variable["query"], asked, ALL) == []


OFFERED: dict[tuple[str, str, str], list[str]] = {
    ("load", "transformer", "all"): ["tra-01", "tra-11"],
    ("load", "transformer", "one"): ["tra-01"],
    ("losses", "place", "one"): ["tra-01"],
    ("corridor", "station", "all"): ["qa-1", "qa-2", "sta-01", "sta-11"],
    ("corridor", "station", "one"): ["qa-1", "sta-01"],
    ("detectors", "device", "all"): ["loop-00", "loop-01", "loop-10", "loop-11"],
    ("detectors", "device", "one"): ["loop-00", "loop-01"],
    ("collection", "sector", "all"): ["energy", "transport"],
}


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("choice", list(CHOICES))
def test_variables_offer_what_is_there(full: Twins, number: int, choice: str) -> None:
    server = full.both[number]
    asked = Range(TO_MS - DAY_MS, TO_MS)
    for key, board in panes.load(panes.SETS[number]).items():
        for variable in panes.variables(board):
            name = variable["name"]
            found = server.values(variable["query"], asked, chosen(CHOICES[choice], key))
            assert found, (key, name)
            assert found == OFFERED.get((key, name, choice), found), (key, name)
