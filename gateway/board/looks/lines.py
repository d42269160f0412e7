"""Lines of derived series, decoded; the newest ones without reading what came before."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.ports import Result
from gateway.store.derived import DerivedReader

DAY_MS = 86_400_000
MONTH_MS = 32 * DAY_MS
# One line for each of 100,000 meters, or a month of a corridor's quarters of an hour.
MOST_LINES = 100_000


class Line(NamedTuple):
    """One line; values as in docs/energy.md and docs/transport.md."""

    place: str
    from_ms: int
    to_ms: int
    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The place without its level."""
        return self.place.partition(":")[2]

    @property
    def level(self) -> str:
        """What kind of place it is."""
        return self.place.partition(":")[0]


class Lines:
    """The series of one domain."""

    def __init__(self, derived: DerivedReader, domain: str) -> None:
        self._derived, self._domain = derived, domain

    def between(self, series: str, from_ms: int, to_ms: int, place: str = "") -> Sequence[Line]:
        """Return lines that begin in a span, by time and place."""
        asked = Result(series, place, from_ms, to_ms, "")
        return [_decoded(one) for one in self._derived.results(self._domain, asked, MOST_LINES)]

    def newest(
        self, series: str, now_ms: int, back_ms: int, step_ms: int = DAY_MS
    ) -> Sequence[Line]:
        """Return the lines of the newest begin within ``back_ms``, none where there are none."""
        end_ms = now_ms + 1
        while end_ms > now_ms - back_ms:
            found = self._derived.results(
                self._domain, Result(series, "", end_ms - step_ms, end_ms, ""), MOST_LINES
            )
            if found:
                last_ms = found[-1].from_ms
                return [_decoded(one) for one in found if one.from_ms == last_ms]
            end_ms -= step_ms
        return []

    def current(self, series: str, from_ms: int, to_ms: int) -> Mapping[str, Line]:
        """Return the newest line of each place that begins in a span."""
        asked = Result(series, "", from_ms, to_ms, "")
        newest = {one.place: one for one in self._derived.results(self._domain, asked, MOST_LINES)}
        return {place: _decoded(one) for place, one in newest.items()}


def _decoded(one: Result) -> Line:
    return Line(one.place, one.from_ms, one.to_ms, msgspec.json.decode(one.body))
