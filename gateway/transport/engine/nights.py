"""What a day leaves behind: its series, and what is learned for the days that follow."""

from gateway.ports import Memo, Result
from gateway.transport.engine.alarms import AlarmBook
from gateway.transport.engine.daybook import DayBook
from gateway.transport.engine.days import Day, corridor_lines, coverage_lines, station_lines
from gateway.transport.engine.daystatus import DayStatusBook
from gateway.transport.engine.live import Live
from gateway.transport.engine.publish import Publisher
from gateway.transport.engine.quarters import Waiting
from gateway.transport.engine.remembered import learned_memo
from gateway.transport.series import Bins


class Nights:
    """Closes days.

    Args:
        publisher: it has what imputation learned.
        status: it calls the days of detectors by a name.
        utc_offset_min: of the local day.
        learned_day: the last day that imputation has learned of.
    """

    def __init__(
        self,
        publisher: Publisher,
        status: DayStatusBook,
        utc_offset_min: int,
        learned_day: int,
    ) -> None:
        self._publisher, self.status = publisher, status
        self.book = DayBook(utc_offset_min)
        self.learned_day = learned_day
        self._due: set[int] = set()

    def put(self, quarter: int, lanes: Bins, stations: Bins) -> int:
        """Take a quarter in; its day, which is returned, is to be summed up, perhaps again."""
        day = self.book.put(quarter, lanes, stations)
        self._due.add(day)
        return day

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

    def close(self, day: int, live: Live, book: AlarmBook) -> tuple[list[Result], list[Memo]]:
        """Return the lines of a day, and what was learned of it where it is the newest."""
        self._due.discard(day)
        lanes, stations = self.book.whole(day)
        start_ms = self.book.start_ms(day)
        job = Day(start_ms, stations, live.road, live.rules_at(start_ms))
        lines = [*station_lines(job), *corridor_lines(job), *coverage_lines(job)]
        span = start_ms, self.book.start_ms(day + 1)
        alarms, rules = book.lasting(*span), job.rules.health
        lines += self.status.lines(day, lanes, live.road, alarms, rules)
        memos = []
        if day > self.learned_day:
            self.learned_day = day
            memos.append(learned_memo(*self._publisher.learn(lanes, live), live.road))
            memos.append(self._publisher.loops.learn(lanes, live))
        return lines, memos
