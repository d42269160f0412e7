"""What people said takes effect here: acknowledgements, and maintenance windows over places."""

import logging
from collections.abc import Iterable, Sequence

from gateway.alarms.book import Book
from gateway.alarms.policy import AlarmPolicy
from gateway.store.alarms import Window
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

    def suppress(self, now_ms: int) -> None:
        """Mark the open alarms that fall into a window, and those that do no more."""
        over = [window.id for window in self._windows.values() if window.to_ms <= now_ms]
        for name in over:
            del self._windows[name]
        now = [window for window in self._windows.values() if window.from_ms <= now_ms]
        for alarm in self._book.open:
            window = next((one.id for one in now if f" {one.subject} " in alarm.scope), "")
            self._book.suppress(alarm, window, now_ms)

    def _maintain(self, word: Maintain, policy: AlarmPolicy) -> None:
        if len(self._windows) >= policy.max_windows:
            logger.warning("maintenance window %s is not taken: there are too many", word.window)
            return
        most_ms = round(policy.max_window_d * 86_400_000)
        window = Window(
            *(word.window, word.subject, word.from_ms, min(word.to_ms, word.from_ms + most_ms)),
            *(word.reason, word.who, word.when_ms),
        )
        self._keep(window)

    def _end(self, word: EndMaintenance) -> None:
        window = self._windows.get(word.window)
        if window is not None:
            self._keep(window._replace(to_ms=min(window.to_ms, word.when_ms)))

    def _keep(self, window: Window) -> None:
        self._windows[window.id] = window
        self._book.keep_window(window)
