"""What is worked out from the store when there is time: quarters of an hour, then whole days."""

from collections.abc import Callable
from typing import NamedTuple

from gateway.ports import Memo, Result
from gateway.profiles import Profile
from gateway.transport.engine.alarms import AlarmBook
from gateway.transport.engine.daystatus import DayStatusBook
from gateway.transport.engine.house import House
from gateway.transport.engine.kept import Kept
from gateway.transport.engine.live import Live
from gateway.transport.engine.nights import Nights
from gateway.transport.engine.publish import Publisher
from gateway.transport.engine.quarters import QUARTER_MS, Waiting
from gateway.transport.engine.quarterwork import QuarterWork
from gateway.transport.engine.years import YearWork


class Worked(NamedTuple):
    """What came of it."""

    results: list[Result]
    memos: list[Memo]


class Backlog:
    """Quarters first, oldest first; a day when all its quarters are there; years last.

    Args:
        waiting: quarters.
        work: does a quarter.
        nights: does a day.
        years: does a year of a station.
    """

    def __init__(
        self, waiting: Waiting, work: QuarterWork, nights: Nights, years: YearWork
    ) -> None:
        self.waiting, self.nights, self._years = waiting, nights, years
        self._work = work

    def run(self, live: Live, book: AlarmBook, now_ms: int, has_time: Callable[[], bool]) -> Worked:
        """Work until nothing is due or there is no time; the piece in hand is finished."""
        done = Worked([], [])
        while live.state is not None:
            until_ms = live.state.next_ms
            quarter = self.waiting.next(until_ms, now_ms)
            # a day that lies before all quarters that wait is summed up while its bins are kept
            day_until_ms = until_ms if quarter is None else quarter * QUARTER_MS
            day = self.nights.next(self.waiting, day_until_ms, now_ms)
            if day is not None:
                lines, memos = self.nights.close(day, live, book)
                done.results.extend(lines)
                done.memos.extend(memos)
            elif (quarter := self.waiting.next(until_ms, now_ms)) is not None:
                done.results.extend(self._work.do(quarter, live, book, self.nights))
                self.waiting.done(quarter)
            else:
                break
            if not has_time():
                break
        told = self._years.work(has_time)  # of days that are written: of steps before this one
        self._years.note(done.results)
        done.results.extend(told)
        return done


def backlog_of(
    house: House, profile: Profile, publisher: Publisher, kept: Kept | None, utc_offset_min: int
) -> Backlog:
    """Return what waits, as an earlier life left it.

    Args:
        house: where rows come from, and what the registry says.
        profile: of the lanes.
        publisher: makes lines.
        kept: of the life before, None at a first start.
        utc_offset_min: of the local day.
    """
    waiting = Waiting(kept.waiting if kept else ())
    work = QuarterWork(house.reader, house.derived, profile, publisher)
    status, learned_day = DayStatusBook(house.registry), kept.learned_day if kept else -1
    nights = Nights(publisher, status, utc_offset_min, learned_day)
    return Backlog(waiting, work, nights, YearWork(house.derived, utc_offset_min))
