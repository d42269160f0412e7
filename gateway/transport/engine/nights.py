"""What a day leaves behind: its series, and what is learned for the days that follow."""

from gateway.ports import Memo, Result
from gateway.transport.engine.daybook import DayBook
from gateway.transport.engine.days import Day, corridor_lines, coverage_lines, station_lines
from gateway.transport.engine.live import Live
from gateway.transport.engine.publish import Publisher
from gateway.transport.engine.quarters import Waiting
from gateway.transport.engine.remembered import learned_memo
from gateway.transport.series import Bins


class Nights:
    """Closes days.

    Args:
        publisher: it has what imputation learned.
        utc_offset_min: of the local day.
        learned_day: the last day that imputation has learned of.
    """

    def __init__(self, publisher: Publisher, utc_offset_min: int, learned_day: int) -> None:
        self._publisher = publisher
        self.book = DayBook(utc_offset_min)
        self.learned_day = learned_day
        self._due: set[int] = set()

    def put(self, quarter: int, lanes: Bins, stations: Bins) -> None:
        """Take a quarter in; its day is to be summed up, perhaps again."""
        self._due.add(self.book.put(quarter, lanes, stations))

    def next(self, waiting: Waiting, until_ms: int, now_ms: int) -> int | None:
        """Return a day that is over and complete; what of it is missing is noted as waiting."""
        for day in sorted(self._due):
            span = self.book.start_ms(day), self.book.start_ms(day + 1)
            if span[1] > until_ms or waiting.is_waiting(*span):
                continue
            missing = self.book.missing(day)
            if not missing:
                return day
            waiting.note_all(missing, now_ms)
        return None

    def close(self, day: int, live: Live) -> tuple[list[Result], list[Memo]]:
        """Return the lines of a day, and what was learned of it where it is the newest."""
        self._due.discard(day)
        lanes, stations = self.book.whole(day)
        start_ms = self.book.start_ms(day)
        job = Day(start_ms, stations, live.road, live.rules_at(start_ms))
        lines = [*station_lines(job), *corridor_lines(job), *coverage_lines(job)]
        memos = []
        if day > self.learned_day:
            self.learned_day = day
            memos.append(learned_memo(*self._publisher.learn(lanes, live), live.road))
        return lines, memos
