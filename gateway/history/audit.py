"""What is remarkable about a history before anything of it is stored: gaps, duplicates, order."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from gateway.history import Complaint, Row, Series

MAX_SHOWN = 20  # gaps of a series that are spelled out; all are counted


class Gap(NamedTuple):
    """Readings that are not there."""

    after_ms: int
    before_ms: int
    missing: int


class Audit(NamedTuple):
    """What a series is like."""

    rows: int
    first_ms: int
    last_ms: int
    interval_ms: int  # declared, or the commonest step; 0: none
    gaps: Sequence[Gap]  # the first of them
    gap_count: int
    missing: int  # readings in all gaps
    duplicates: Sequence[Complaint]  # lines that repeat an earlier one, word for word
    conflicts: Sequence[Complaint]  # lines that say something else of a time that is taken


def audit(series: Series, *, is_events: bool) -> tuple[Series, Audit]:
    """Return the series without repeated times, in order, and what it is like."""
    kept: dict[int, Row] = {}
    duplicates: list[Complaint] = []
    conflicts: list[Complaint] = []
    for row in series.rows:
        first = kept.setdefault(row.time_ms, row)
        if first is row:
            continue
        if list(first.values) == list(row.values):
            duplicates.append(Complaint(row.line, f"the same as line {first.line}"))
        else:
            detail = f"another value for the time of line {first.line}, which is kept"
            conflicts.append(Complaint(row.line, detail))
    rows = sorted(kept.values(), key=lambda row: row.time_ms)
    interval_ms = 0 if is_events else series.interval_ms or _commonest(rows)
    gaps = _gaps(rows, interval_ms)
    found = Audit(
        len(rows),
        rows[0].time_ms if rows else 0,
        rows[-1].time_ms if rows else 0,
        interval_ms,
        gaps[:MAX_SHOWN],
        len(gaps),
        sum(gap.missing for gap in gaps),
        duplicates,
        conflicts,
    )
    return series._replace(rows=rows, interval_ms=interval_ms), found


def _commonest(rows: Sequence[Row]) -> int:
    steps = Counter(after.time_ms - before.time_ms for before, after in pairwise(rows))
    return steps.most_common(1)[0][0] if steps else 0


def _gaps(rows: Sequence[Row], interval_ms: int) -> list[Gap]:
    if not interval_ms:
        return []
    gaps = []
    for before, after in pairwise(rows):
        missing = round((after.time_ms - before.time_ms) / interval_ms) - 1
        if missing > 0:
            gaps.append(Gap(before.time_ms, after.time_ms, missing))
    return gaps
