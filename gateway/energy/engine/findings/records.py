"""Lines of something that lasts for a time, found anew from the days that it lies in.

A line goes by its beginning. What began before the days looked at is the same line with another
end; what is not found any more is withdrawn, as a line that was told does not vanish.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.findings.bodies import encode
from gateway.energy.engine.findings.recall import RecallsResults
from gateway.energy.engine.findings.series import DOMAIN
from gateway.ports import Result

_MOST_LINES = 100_000
_LONGEST_MS = 8 * DAY_MS  # what lasts longer than this begins a line anew
_WITHDRAWN = '"withdrawn"'


class Record(NamedTuple):
    """Something that lasted for a time."""

    place: str
    kind: str
    begin_ms: int
    end_ms: int
    body: dict[str, object]
    goes_on: bool  # began no later than the days looked at


class Records:
    """Compares what is found with the lines of a series.

    Args:
        recall: the lines.
        series: their name.
    """

    def __init__(self, recall: RecallsResults, series: str) -> None:
        self._recall, self._series = recall, series

    def update(self, found: Iterable[Record], span: tuple[int, int]) -> list[Result]:
        """Return the lines that are new, changed or withdrawn; ``found`` is all within a span."""
        told = {(one.place, one.from_ms): one for one in self._told(*span)}
        lines: list[Result] = []
        earlier: dict[tuple[str, str], Result] | None = None
        for one in found:
            if one.goes_on:
                if earlier is None:
                    earlier = self._lasting(span[0])
                known = earlier.get((one.place, one.kind))
                if known is not None and known.to_ms != one.end_ms:
                    lines.append(known._replace(to_ms=one.end_ms))
                if known is not None:
                    continue
            line = self._line(one)
            if told.pop((one.place, one.begin_ms), None) != line:
                lines.append(line)
        gone = (one for one in told.values() if _WITHDRAWN not in one.body)
        return lines + [one._replace(to_ms=one.from_ms, body=_withdrawn(one.body)) for one in gone]

    def _line(self, one: Record) -> Result:
        body = encode({"kind": one.kind, **one.body})
        return Result(self._series, one.place, one.begin_ms, one.end_ms, body)

    def _told(self, begin_ms: int, end_ms: int) -> Sequence[Result]:
        asked = Result(self._series, "", begin_ms, end_ms, "")
        return self._recall.results(DOMAIN, asked, _MOST_LINES)

    def _lasting(self, time_ms: int) -> dict[tuple[str, str], Result]:
        """Return the lines that began before a moment and lasted up to it, by place and kind."""
        return {
            (one.place, str(msgspec.json.decode(one.body).get("kind"))): one
            for one in self._told(time_ms - _LONGEST_MS, time_ms)
            if one.to_ms >= time_ms
        }


def _withdrawn(body: str) -> str:
    """Return the body of a line that is none; its kind says which one it was."""
    return encode({"kind": msgspec.json.decode(body).get("kind"), "withdrawn": True})
