"""The newest entries of the quarantine, for a list that is shown every second."""

from collections import deque

from gateway.quarantine import Entry, QuarantineReader

_STEP = 1000  # entries read at once while catching up


class QuarantineTail:
    """Follows the quarantine: reads only what is new, begins anew when something was removed."""

    def __init__(self, quarantine: QuarantineReader, length: int) -> None:
        self._quarantine = quarantine
        self._newest: deque[Entry] = deque(maxlen=length)
        self._last = 0
        self._seen = 0

    def look(self) -> tuple[int, list[Entry]]:
        """Return how many entries there are, and the newest of them, newest first."""
        self._follow()
        total, _ = self._quarantine.size()
        if self._seen > total:
            self._newest.clear()
            self._last = self._seen = 0
            self._follow()
        return total, list(reversed(self._newest))

    def _follow(self) -> None:
        while found := self._quarantine.list(_STEP, self._last):
            self._newest.extend(found)
            self._last = found[-1].record
            self._seen += len(found)
