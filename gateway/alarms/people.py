"""What people said takes effect here: acknowledgements, and maintenance windows over places."""

import logging
from collections.abc import Iterable, Sequence

from gateway.alarms.book import Book
from gateway.alarms.policy import AlarmPolicy
from gateway.store.alarms import Happening, Window
from gateway.store.alarmstore import Acknowledged
from gateway.store.alarmwords import Acknowledge, EndMaintenance, Maintain, PlacedWord

logger = logging.getLogger(__name__)


class People:
    """Hears words in the order of their file.

    Args:
        book: of the alarms.
        windows: those that are not over.
    """

    def __init__(self, book: Book, windows: Iterable[Window]) -> None:
        self._book = book
        self._windows = {window.id: window for window in windows}

    @property
    def windows(self) -> Sequence[Window]:
        """The maintenance windows that are not over."""
        return list(self._windows.values())

    def hear(self, words: Iterable[PlacedWord], policy: AlarmPolicy) -> None:
        """Let words have their effect."""
        for _, word in words:
            match word:
                case Acknowledge():
                    said = Acknowledged(word.who, word.when_ms, word.note)
                    self._book.acknowledge(word.alarm, said)
                case Maintain():
                    self._maintain(word, policy)
                case EndMaintenance():
                    self._end(word)

    def at_work(self, now_ms: int) -> Sequence[Window]:
        """Return the windows that have begun; those that are over are forgotten."""
        over = [window.id for window in self._windows.values() if window.to_ms <= now_ms]
        for name in over:
            del self._windows[name]
        return [window for window in self._windows.values() if window.from_ms <= now_ms]

    def _maintain(self, word: Maintain, policy: AlarmPolicy) -> None:
        # where alarms.sqlite was lost, words of years are heard at once: what was over counts not
        lasting = sum(one.to_ms > word.when_ms for one in self._windows.values())
        if lasting >= policy.max_windows:
            logger.warning("maintenance window %s is not taken: there are too many", word.window)
            return
        most_ms = round(policy.max_window_d * 86_400_000)
        window = Window(
            *(word.window, word.subject, word.from_ms, min(word.to_ms, word.from_ms + most_ms)),
            *(word.reason, word.who, word.when_ms),
        )
        self._keep(window, Happening(word.when_ms, "planned", word.who, word.reason))

    def _end(self, word: EndMaintenance) -> None:
        window = self._windows.get(word.window)
        if window is None or window.to_ms <= word.when_ms:  # it was over: nobody ended it
            return
        ended = window._replace(to_ms=word.when_ms, ended_who=word.who, ended_ms=word.when_ms)
        self._keep(ended, Happening(word.when_ms, "ended", word.who, ""))

    def _keep(self, window: Window, happening: Happening) -> None:
        self._windows[window.id] = window
        self._book.keep_window(window, happening)
