"""What one step of the annunciator has changed so far; it is written whole or not at all."""

from collections.abc import Iterable

from gateway.store.alarms import Happening, KeptAlarm, Window
from gateway.store.alarmstore import Acknowledged, AlarmStep, Point, RowKey, Told


class Page:
    """Gathers lines until they are taken; then the next step has a page of its own.

    Args:
        change: the number of the last change that was written.
    """

    def __init__(self, change: int) -> None:
        self._change = change
        self._alarms: dict[str, KeptAlarm] = {}
        self._points: dict[Point, set[str]] = {}
        self._told: list[Told] = []
        self._begun: dict[RowKey, str] = {}
        self._ended: list[RowKey] = []
        self._windows: list[Window] = []
        self._waiting: list[tuple[str, Acknowledged]] = []
        self._met: list[str] = []

    def put(self, alarm: KeptAlarm) -> KeptAlarm:
        """Take an alarm as it is now; return it with the number of this change."""
        self._change += 1
        kept = self._alarms[alarm.id] = alarm._replace(change=self._change)
        self._points.setdefault(kept[1:4], set()).add(kept.id)
        return kept

    @property
    def alarms(self) -> Iterable[KeptAlarm]:
        """Every alarm that has changed."""
        return self._alarms.values()

    def find(self, alarm: str) -> KeptAlarm | None:
        """Return an alarm that has changed."""
        return self._alarms.get(alarm)

    def last_of(self, point: Point, until_ms: int) -> KeptAlarm | None:
        """Return the last alarm of a point that has changed and began up to a moment."""
        here = (self._alarms[alarm] for alarm in self._points.get(point, ()))
        return max((one for one in here if one.raised_ms <= until_ms), key=_begin, default=None)

    def tell(self, alarm: KeptAlarm, happening: Happening) -> None:
        """Add a line to an alarm's history."""
        self._told.append(Told(alarm.id, happening))

    def begin(self, key: RowKey, alarm: str) -> None:
        """Remember that a finding lasts."""
        self._begun[key] = alarm

    def end(self, key: RowKey) -> None:
        """Forget a finding that is over."""
        self._begun.pop(key, None)
        self._ended.append(key)

    def wait(self, alarm: str, said: Acknowledged) -> None:
        """Keep what was said of an alarm that nobody knows."""
        self._waiting.append((alarm, said))

    def meet(self, alarm: str) -> None:
        """Forget that: it is known now."""
        self._met.append(alarm)

    def open_window(self, window: Window, happening: Happening) -> None:
        """Take a maintenance window as it is now, and what has just happened to it."""
        self._windows.append(window)
        self._told.append(Told(window.id, happening))

    def take(self, words: int, derived: int) -> AlarmStep:
        """Return everything, to be written."""
        return AlarmStep(
            list(self._alarms.values()),
            self._told,
            list(self._begun.items()),
            self._ended,
            self._windows,
            self._waiting,
            self._met,
            words,
            derived,
            self._change,
        )


def _begin(alarm: KeptAlarm) -> int:
    return alarm.raised_ms
