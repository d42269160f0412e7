"""Panels in one call each."""

from typing import TypedDict

from typing_extensions import Unpack

from dashboards.query import Across, Ask, Expression, Field, Match, Time
from dashboards.spec import Column, Line, Look, Panel, Text


def ask(measurement: str, what: Expression, by: str = "", **where: str) -> Ask:
    """Return a question; ``by`` has tags, ``where`` a pattern or ``$variable`` for each tag."""
    matches = tuple(Match(*pair) for pair in where.items())
    return Ask(measurement, what, tuple(by.split()), matches)


def last(name: str, across: Across = "mean") -> Field:
    """Return the newest value of each series."""
    return Field(name, "last", across)


def mean(name: str, across: Across = "mean") -> Field:
    """Return the mean of each series."""
    return Field(name, "mean", across)


def peak(name: str) -> Field:
    """Return the highest value of all series of a group."""
    return Field(name, "max", "max")


def least(name: str) -> Field:
    """Return the lowest value of all series of a group."""
    return Field(name, "min", "min")


def total(name: str, time: Time = "sum") -> Field:
    """Return the sum over all series of a group."""
    return Field(name, time, "sum")


class More(TypedDict, total=False):
    """What a panel may have beside what its kind needs."""

    width: int
    height: int
    every: str
    keep: tuple[str, str, float]
    falls: bool
    is_stacked: bool
    is_bars: bool


def stat(
    key: str, words: tuple[Text, Text], question: Ask, look: Look, **more: Unpack[More]
) -> Panel:
    """Return one number, or one for each group."""
    more = {"width": 4, "height": 4, **more}
    return Panel(key, "stat", *words, look, lines=(Line(question),), **more)


def course(
    key: str, words: tuple[Text, Text], lines: tuple[Line, ...], look: Look, **more: Unpack[More]
) -> Panel:
    """Return lines, or bars, over time."""
    return Panel(key, "timeseries", *words, look, lines=lines, **more)


def history(
    key: str, words: tuple[Text, Text], question: Ask, look: Look, **more: Unpack[More]
) -> Panel:
    """Return a row of coloured cells for each group."""
    return Panel(key, "status-history", *words, look, lines=(Line(question),), **more)


def gauges(
    key: str, words: tuple[Text, Text], question: Ask, look: Look, **more: Unpack[More]
) -> Panel:
    """Return a bar for each group."""
    return Panel(key, "bargauge", *words, look, lines=(Line(question),), **more)


def table(
    key: str,
    words: tuple[Text, Text],
    columns: tuple[Column, ...],
    sort: str,
    **more: Unpack[More],
) -> Panel:
    """Return a table sorted by a column, the largest first unless it does not fall."""
    return Panel(key, "table", *words, Look("none"), columns=columns, sort=sort, **more)


def say(title_en: str, title_vi: str, question_en: str, question_vi: str) -> tuple[Text, Text]:
    """Return title and question."""
    return Text(title_en, title_vi), Text(question_en, question_vi)
