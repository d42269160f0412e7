"""What of all that is measured becomes a row: aggregation, deadband and heartbeat.

Values are integers in the scaled units of the profile (docs/protocol.md §8), None where nothing
was measured. Registers (cumulative counts) are never averaged or summed: their latest value says
all, so a total stays exact whatever rows are lost.
"""

from fieldnode.core.rounding import rounded

LAST, MEAN, LEAST, MOST, SUM = "last", "mean", "min", "max", "sum"


class Aggregate:
    """One row out of many samples; ``how`` names for each column one of the words above."""

    def __init__(self, how: "tuple[str, ...]") -> None:
        self._how = how
        self._values: "list[int | None]" = [None] * len(how)
        self._counts = [0] * len(how)
        self._status = 0

    def add(self, values: "tuple[int | None, ...]", status: int = 0) -> None:
        """Take in a sample; status bits of all samples are collected."""
        self._status |= status
        for column in range(len(self._how)):
            value = values[column]
            if value is not None:
                self._counts[column] += 1
                self._values[column] = self._joined(column, value)

    def _joined(self, column: int, value: int) -> int:
        how, before = self._how[column], self._values[column]
        if before is None or how == LAST:
            return value
        if how == LEAST:
            return min(before, value)
        if how == MOST:
            return max(before, value)
        return before + value

    def take(self) -> "tuple[tuple[int | None, ...], int]":
        """Return the row and its status, and begin anew."""
        row = []
        for column in range(len(self._how)):
            value = self._values[column]
            if value is not None and self._how[column] == MEAN:
                value = rounded(value, self._counts[column])
            row.append(value)
            self._values[column] = None
            self._counts[column] = 0
        status, self._status = self._status, 0
        return tuple(row), status


class Report:
    """Whether a row is worth sending: something moved, or nothing was said for too long.

    Args:
        deadbands: for each column how far it must have moved (> 0), or 0: never a reason.
        heartbeat_ms: after this long a row goes anyway.
        gap_ms: rows come no closer than this; a change of status is exempt.
    """

    def __init__(self, deadbands: "tuple[int, ...]", heartbeat_ms: int, gap_ms: int = 0) -> None:
        self._deadbands = deadbands
        self._heartbeat_ms = heartbeat_ms
        self._gap_ms = gap_ms
        self._sent: "tuple[int | None, ...] | None" = None
        self._status = 0
        self._at_ms = 0

    def wants(self, now_ms: int, values: "tuple[int | None, ...]", status: int = 0) -> bool:
        """Decide by uptime; a row that is wanted counts as sent."""
        if not self._is_due(now_ms - self._at_ms, values, status):
            return False
        self._sent = values
        self._status = status
        self._at_ms = now_ms
        return True

    def _is_due(self, age_ms: int, values: "tuple[int | None, ...]", status: int) -> bool:
        if self._sent is None or status != self._status or age_ms >= self._heartbeat_ms:
            return True
        if age_ms < self._gap_ms:
            return False
        for column in range(len(self._deadbands)):
            if self._moved(self._deadbands[column], self._sent[column], values[column]):
                return True
        return False

    def _moved(self, deadband: int, before: "int | None", value: "int | None") -> bool:
        if not deadband:
            return False
        if before is None or value is None:
            return before is not value
        return abs(value - before) >= deadband
