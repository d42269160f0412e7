"""What a history says against what is stored: new, the same, better, or something else.

A reading without a number is known by device, profile and time, so a second one of that time would
count as a repeated one and be gone. A market file that is sent again with a better flag or another
value is more than that: what grades better is brought as a *correction*, with a number of its own,
and shown; what it replaces stays as lineage. What does not grade better is named as a conflict.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isnan
from typing import NamedTuple

from gateway.history import ESTIMATED_STATUS, NO_DATA_STATUS, Complaint, Row, Series
from gateway.model import QUALITY_RANK, Quality
from gateway.profiles import Profile

# The log of corrections of a device: no device counts so far, and receipts are of its own logs.
CORRECTIONS_LOG = (1 << 32) - 1

Values = tuple[float | None, ...]


class Known(NamedTuple):
    """A reading that is stored, or was sent before in the same run."""

    values: Values  # None: not measured
    status: int
    quality: int


class Against(NamedTuple):
    """A series, told apart."""

    series: Series  # what is new, and what repeats: as it is
    better: Sequence[Row]  # corrections
    corrected: Sequence[Complaint]
    conflicts: Sequence[Complaint]


def grade_of(row: Row) -> Quality:
    """Return the grade that the gateway will give an imported row, by what its source says."""
    if all(value is None for value in row.values):
        return Quality.MISSING
    if row.status & NO_DATA_STATUS:
        return Quality.FAILED
    return Quality.SUSPECT if row.status & ESTIMATED_STATUS else Quality.RECOVERED


def known_of(row: Row) -> Known:
    """Return a row as it will be known."""
    values = tuple(None if value is None else float(value) for value in row.values)
    return Known(values, row.status, grade_of(row))


def values_of(values: Sequence[float]) -> Values:
    """Return stored values as a row has them."""
    return tuple(None if isnan(value) else value for value in values)


def against(series: Series, stands: Mapping[int, Sequence[Known]], profile: Profile) -> Against:
    """Tell the rows of a series apart by what is known of their times."""
    plain: list[Row] = []
    better: list[Row] = []
    corrected: list[Complaint] = []
    conflicts: list[Complaint] = []
    for row in series.rows:
        known, mine = stands.get(row.time_ms, ()), known_of(row)
        if not known or any(one[:2] == mine[:2] for one in known):
            plain.append(row)
            continue
        shown = min(known, key=lambda one: int(QUALITY_RANK[one.quality]))
        words = _difference(row, shown, mine, profile)
        if QUALITY_RANK[mine.quality] < QUALITY_RANK[shown.quality]:
            better.append(row)
            corrected.append(Complaint(row.line, words))
        else:
            detail = f"{words}: no better grade, what is stored stays"
            conflicts.append(Complaint(row.line, detail))
    return Against(series._replace(rows=plain), better, corrected, conflicts)


def _difference(row: Row, shown: Known, mine: Known, profile: Profile) -> str:
    moment = datetime.fromtimestamp(row.time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    pairs = zip(profile.columns, shown.values, mine.values, strict=True)
    changes = [
        f"{column.name} {_text(before, column.scale)} → {_text(after, column.scale)}"
        for column, before, after in pairs
        if before != after
    ]
    grades = f"{Quality(shown.quality).name} → {Quality(mine.quality).name}".lower()
    return f"{moment}: {', '.join(changes) or 'the same values'} ({grades})"


def _text(value: float | None, scale: float) -> str:
    return "nothing" if value is None else f"{value * scale:.12g}"
