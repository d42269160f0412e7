"""The city's losses over many seeds, some processes at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tools.city_desk.losses import (
    CLEAN,
    WORN,
    CityLosses,
    Condition,
    score_thefts,
    score_wires,
)
from tools.plays import each


class Line(NamedTuple):
    """One figure."""

    what: str
    got: float
    of: float
    target: str


def losses_of(job: tuple[int, Condition]) -> CityLosses:
    """Return the counts of one seed: a town with thieves, and one with wrong wires."""
    seed, condition = job
    total = CityLosses()
    for score in (score_thefts, score_wires):
        with TemporaryDirectory() as folder:
            total.add(score(Path(folder), seed, condition))
    return total


def table(seeds: Sequence[int]) -> Iterator[tuple[str, list[Line]]]:
    """Yield the figures of each condition as soon as they are there."""
    for condition in (CLEAN, WORN):
        total = CityLosses()
        for one in each(losses_of, [(seed, condition) for seed in seeds]):
            total.add(one)
        yield condition.name, lines(total)


def lines(of: CityLosses) -> list[Line]:
    """Return counts as lines of a table."""
    return [
        Line("thefts of 0.7 % alarmed in 2 days", of.in_two_days, of.thefts, ">= 90 %"),
        Line("thief among the first 3 in 7 days", of.in_first_three, of.thefts, ">= 90 %"),
        Line("false alarms, place-months", of.false_alarms, of.clean_months, "<= 1 %"),
        Line("wrong transformers found", of.wires_found, of.wrong_wires, ">= 90 %"),
        Line("right ones accused", of.wires_accused, of.right_wires, ""),
    ]
