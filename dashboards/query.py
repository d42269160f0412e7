"""What a panel asks, in no query language: fields of one measurement, reduced twice.

First over time, within a window and for each series; then over the series of a group. That is
what InfluxQL (nested SELECT) and PromQL (aggregation of ``_over_time``) both can.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

# Of these pooling all points of a group gives the same as reducing series by series.
POOLED = frozenset({("sum", "sum"), ("max", "max"), ("min", "min"), ("count", "sum")})

# rate: per second; rise: of a counter that may begin anew
Time = Literal["mean", "max", "min", "last", "sum", "count", "rate", "rise"]
Across = Literal["mean", "max", "min", "sum", "count", "p05", "p50", "p95"]
Operator = Literal["+", "-", "*", "/"]


@dataclass(frozen=True)
class Field:
    """A field, reduced."""

    name: str
    time: Time
    across: Across = "mean"


@dataclass(frozen=True)
class Number:
    """A constant, or ``$variable``."""

    value: float | str


@dataclass(frozen=True)
class Both:
    """Arithmetic between two expressions of one measurement and group."""

    operator: Operator
    left: "Expression"
    right: "Expression"


Expression = Field | Number | Both


@dataclass(frozen=True)
class Match:
    """Which series: a tag and ``$variable``, or a regular expression that fits the whole value."""

    tag: str
    value: str


@dataclass(frozen=True)
class Band:
    """Values from ``low`` to ``high``; None: no bound."""

    low: float | None = None
    high: float | None = None

    def conditions(self) -> list[str]:
        """Return it as comparisons, which both languages write alike."""
        bounds = ((">=", self.low), ("<=", self.high))
        return [f"{sign} {value:g}" for sign, value in bounds if value is not None]


@dataclass(frozen=True)
class Ask:
    """One question.

    Attributes:
        measurement: as ``docs/sinks.md`` names it.
        what: the number wanted.
        by: tags that tell the answers apart; none: one answer.
        where: all of these hold.
        only: of the series of a group those whose (one) field, reduced over time, lies in it.
        top: how many groups are wanted, the largest (negative: the smallest); None: all.
    """

    measurement: str
    what: Expression
    by: tuple[str, ...] = ()
    where: tuple[Match, ...] = ()
    only: Band | None = None
    top: int | None = None

    def fields(self) -> list[Field]:
        """Return the fields, in the order of writing, each once."""
        return list(dict.fromkeys(_fields(self.what)))

    def highest(self, count: int) -> "Ask":
        """Return the question for the groups with the largest answers only."""
        return replace(self, top=count)

    def lowest(self, count: int) -> "Ask":
        """Return the question for the groups with the smallest answers only."""
        return replace(self, top=-count)

    def keeping(self, low: float | None = None, high: float | None = None) -> "Ask":
        """Return the question about those series of a group whose value is from low to high."""
        return replace(self, only=Band(low, high))


def _fields(what: Expression) -> Iterator[Field]:
    match what:
        case Field():
            yield what
        case Both(_, left, right):
            yield from _fields(left)
            yield from _fields(right)
        case Number():
            pass


def ratio(over: Expression, under: Expression, scale: float = 1.0) -> Expression:
    """Return ``scale * over / under``."""
    return scaled(Both("/", over, under), scale)


def scaled(what: Expression, factor: float) -> Expression:
    """Return ``what * factor``."""
    return what if factor == 1 else Both("*", what, Number(factor))


def variable_of(match: Match) -> str | None:
    """Return the name of the variable that a match asks for."""
    return match.value[1:] if match.value.startswith("$") else None
