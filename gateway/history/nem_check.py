"""Check totals: intervals between two reads of a register must add up to what it counted.

V08 of the rules, for files that tell both. A read without the factor of its current transformers is
told from a fault by that factor being a whole number, and it is said. What does not add up is taken
as questionable, so that no bill is made of it before a person has looked.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from gateway.history import Complaint, Flag, Row

_SHARE = 0.001  # V08: 0.1 %, or two steps of the last digit that is shown
_STEPS = 2
_MILLI = 1000  # columns of ``ei1`` count thousandths
_SOUND = (Flag.NOTHING, Flag.ACTUAL)


class IndexRead(NamedTuple):
    """What a register showed."""

    line: int
    time_ms: int
    value: int  # in the scaled integers of the stream's column
    step: int  # its last digit, in the same


def checked(
    rows: Sequence[Row], column: int, reads: Sequence[IndexRead], length_ms: int
) -> tuple[Sequence[Row], list[Complaint]]:
    """Return rows, questionable where they do not add up, and a word on each pair of reads.

    Args:
        rows: of one stream; their last column is the flag. Of several of a time the first counts,
            as it is the one that is kept: files do repeat days.
        column: of the energy.
        reads: in any order.
        length_ms: of the intervals.
    """
    doubted: set[int] = set()
    said: list[Complaint] = []
    firsts = list({row.time_ms: row for row in reversed(rows)}.values())
    in_order = sorted(set(reads), key=lambda read: read.time_ms)
    for before, after in pairwise(in_order):
        inside, edges = _between(firsts, (before.time_ms, after.time_ms), length_ms)
        whole = (after.time_ms - before.time_ms) // length_ms - len(edges)
        values = [row.values[column] for row in (*inside, *edges)]
        if len(inside) < max(whole, 1) or any(value is None for value in values):
            continue  # days are missing: there is nothing to compare
        low = sum(row.values[column] or 0 for row in inside)
        high = low + sum(row.values[column] or 0 for row in edges)
        counted = after.value - before.value
        times = _factor(counted, (low, high))
        verdict = _verdict(counted * times, (low, high), times * max(before.step, after.step))
        span = f"register of lines {before.line} and {after.line} counted {counted / _MILLI:.12g}"
        found = f"{span} Wh, intervals have {low / _MILLI:.12g} Wh"
        agreed = "they agree" if times == 1 else f"{times} times that"
        said.append(Complaint(after.line, f"{found}: {verdict or agreed}"))
        if verdict:
            doubted |= {row.time_ms for row in inside}
    if not doubted:
        return rows, said
    return [_questionable(row) if row.time_ms in doubted else row for row in rows], said


def _between(
    rows: Sequence[Row], span: tuple[int, int], length_ms: int
) -> tuple[list[Row], list[Row]]:
    """Return the intervals wholly within a time, and those that reach over its ends."""
    from_ms, to_ms = span
    touching = [row for row in rows if row.time_ms > from_ms and row.time_ms - length_ms < to_ms]
    inside = [
        row for row in touching if row.time_ms <= to_ms and row.time_ms - length_ms >= from_ms
    ]
    kept = {row.time_ms for row in inside}
    return inside, [row for row in touching if row.time_ms not in kept]


def _factor(counted: int, told: tuple[int, int]) -> int:
    """Return how many times a register's count the intervals are, about."""
    return max(round(sum(told) / 2 / counted), 1) if counted > 0 else 1


def _verdict(counted: int, told: tuple[int, int], step: int) -> str:
    """Return what is wrong, empty where nothing is."""
    if counted < 0:
        return "the register fell: exchanged, or rolled over"
    most = max(_STEPS * step, _SHARE * counted)
    is_near = told[0] - most <= counted <= told[1] + most
    return "" if is_near else "they do not add up; taken as questionable"


def _questionable(row: Row) -> Row:
    if Flag(row.values[-1] or 0) not in _SOUND:
        return row
    values = [*row.values[:-1], int(Flag.QUESTIONABLE)]
    return row._replace(values=values, status=Flag.QUESTIONABLE.status)
