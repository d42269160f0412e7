"""What a board is, before it is JSON."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from dashboards.query import Ask, Match


class Text(NamedTuple):
    """The same words twice."""

    en: str
    vi: str

    def of(self, language: str) -> str:
        """Return the words of a language."""
        return self.en if language == "en" else self.vi


LANGUAGES = ("en", "vi")


class Step(NamedTuple):
    """A threshold: from this value on (None: from below all) the colour, and what that means."""

    since: float | None
    colour: str
    meaning: Text


class Name(NamedTuple):
    """What a code is called, and its colour."""

    code: float
    text: Text
    colour: str


class Link(NamedTuple):
    """To another board, handing tags of the clicked series over: variable → tag."""

    board: str
    title: Text
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Look:
    """How a number is shown."""

    unit: str
    decimals: int | None = None
    steps: tuple[Step, ...] = ()
    names: tuple[Name, ...] = ()
    low: float | None = None
    high: float | None = None
    link: Link | None = None


class Line(NamedTuple):
    """A question of a panel, and what its answers are called: text, or the tags of the answer."""

    ask: Ask
    title: Text | None = None


class Column(NamedTuple):
    """A column of a table: of a tag, or the answer to a question."""

    key: str
    title: Text
    ask: Ask | None = None
    look: Look = Look("none")


class Events(NamedTuple):
    """Single points as they are: for annotations."""

    measurement: str
    field: str
    title: str  # a tag
    text: tuple[str, ...]  # tags
    where: tuple[Match, ...] = ()


Kind = Literal[
    "stat", "timeseries", "bargauge", "table", "status-history", "state-timeline", "geomap",
    "xychart", "alertlist",
]  # fmt: skip


@dataclass(frozen=True)
class Panel:
    """One picture with one question.

    Attributes:
        key: unique on its board; alerts and tests name the panel by it.
        question: what it answers, and what to do about the answer.
        width, height: of 24 columns; rows of 30 px.
        every: the smallest window asked for; as it is, the spacing of what is asked for.
        lines: of all kinds but tables and maps.
        columns: of tables and maps: the tags first.
        sort, falls: column of a table by which it is sorted, and whether the largest comes first.
        keep: rows of a table to show: column, ``equal`` or ``greater``, value.
    """

    key: str
    kind: Kind
    title: Text
    question: Text
    look: Look
    width: int = 12
    height: int = 8
    every: str = ""
    lines: tuple[Line, ...] = ()
    columns: tuple[Column, ...] = ()
    sort: str = ""
    falls: bool = True
    keep: tuple[str, str, float] | None = None
    is_stacked: bool = False
    is_bars: bool = False


class Section(NamedTuple):
    """Panels under a headline."""

    title: Text
    panels: tuple[Panel, ...]


class Variable(NamedTuple):
    """A choice of tag values."""

    name: str
    label: Text
    measurements: tuple[str, ...]
    field: str  # any that all their series have
    tag: str
    where: tuple[Match, ...] = ()


@dataclass(frozen=True)
class Board:
    """A page that answers one question."""

    key: str
    title: Text
    question: Text
    tags: tuple[str, ...]  # with the clause of the decree it serves
    sections: tuple[Section, ...]
    variables: tuple[Variable, ...] = ()
    events: tuple[tuple[Text, str, Events], ...] = ()  # title, colour, what
    links: tuple[str, ...] = ()  # boards
    refresh: str = "1m"
    since: str = "now-24h"
    price: bool = False  # whether there is a field for the price of energy, ``$price``
    panels: tuple[Panel, ...] = field(init=False)

    def __post_init__(self) -> None:
        panels = tuple(panel for section in self.sections for panel in section.panels)
        object.__setattr__(self, "panels", panels)

    def panel_id(self, key: str) -> int:
        """Return the id of a panel: its place, from 1."""
        return 1 + [panel.key for panel in self.panels].index(key)
