"""Everything derived that is kept, as points, for a database that does not have it.

What stood at a moment that is over (``now`` in the table) is kept nowhere and cannot be sent.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from gateway.ports import Result
from gateway.sinks.derived.halves import HALF_MS
from gateway.sinks.derived.places import Places
from gateway.sinks.derived.point import Point
from gateway.sinks.derived.series import (
    DOMAINS,
    SERIES,
    alarm_point,
    life_point,
    points_of,
)
from gateway.sinks.derived.teller import event_points
from gateway.store import StoreReader
from gateway.store.alarms import AlarmFilter, AlarmReader
from gateway.store.derived import AlarmQuery, DerivedReader

_PAGE = 1_000  # lines; of a meter's day up to 48 points each
_EVENTS = 10_000
DAY_MS = 86_400_000
Points = Sequence[Point]


class Stored(NamedTuple):
    """Whom to ask."""

    derived: DerivedReader
    alarms: AlarmReader
    store: StoreReader
    places: Places
    name_of: Callable[[int], str]


def stored_points(
    ask: Stored, halves: Callable[[int], Iterator[Point]], first_ms: int, last_ms: int
) -> Iterator[Points]:
    """Yield all that begins in [first_ms, last_ms), a page at a time.

    Args:
        ask: whom to ask.
        halves: the points of the half hour that begins at a moment.
        first_ms: first time.
        last_ms: end, not included; not after now.
    """
    for domain, series in SERIES:
        yield from _of_series(ask, domain, series, first_ms, last_ms)
    for domain in DOMAINS:
        yield from _of_alarms(ask, domain, first_ms, last_ms)
    yield from _of_lives(ask, first_ms, last_ms)
    yield from _of_events(ask, first_ms, last_ms)
    for day in ask.store.days(first_ms, last_ms):
        for start_ms in range(day * DAY_MS, (day + 1) * DAY_MS, HALF_MS):
            if first_ms <= start_ms <= last_ms - HALF_MS:
                yield list(halves(start_ms))


def _of_series(
    ask: Stored, domain: str, series: str, first_ms: int, last_ms: int
) -> Iterator[Points]:
    asked, after = Result(series, "", first_ms, last_ms, ""), (-1, "")
    while page := ask.derived.results(domain, asked, _PAGE, after):
        of_lines = (points_of(domain, line, ask.places, last_ms) or () for line in page)
        yield [point for points in of_lines for point in points]
        after = (page[-1].from_ms, page[-1].place)


def _of_alarms(ask: Stored, domain: str, first_ms: int, last_ms: int) -> Iterator[Points]:
    query, after = AlarmQuery(first_ms, last_ms), 0
    while page := ask.derived.alarms(domain, query, _PAGE, after):
        yield [alarm_point(domain, one.alarm, ask.places) for one in page]
        after = page[-1].number


def _of_lives(ask: Stored, first_ms: int, last_ms: int) -> Iterator[Points]:
    asked, before = AlarmFilter(first_ms, last_ms), (last_ms, "")
    while page := ask.alarms.list(asked, _PAGE, before):
        yield [life_point(alarm, ask.places) for alarm in page]
        before = page[-1].raised_ms, page[-1].id


def _of_events(ask: Stored, first_ms: int, last_ms: int) -> Iterator[Points]:
    after: str | None = None
    while True:
        events, after = ask.store.events(
            first_ms, last_ms, kind="event", limit=_EVENTS, after=after
        )
        yield list(event_points(events, ask.name_of, ask.places))
        if after is None:
            return
