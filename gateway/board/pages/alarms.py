"""All alarms of the span, those that last first."""

from collections import Counter

from nicegui import ui

from gateway.board import seen
from gateway.board.alarm_table import AlarmTable
from gateway.board.frame import Frame
from gateway.board.looks.alarms import SEVERITY_TONES, SEVERITY_WORDS
from gateway.board.numbers import grouped
from gateway.board.parts.figures import Figures
from gateway.board.parts.tables import Looks


class AlarmList:
    """The page."""

    def __init__(self, frame: Frame, _query: dict[str, str]) -> None:
        self._frame = frame
        keys = {f"severity_{SEVERITY_WORDS[one]}": "" for one in (4, 3, 2, 1)}
        self._figures = Figures(frame.words, keys)
        self._below = ui.element("div")
        self._table: AlarmTable | None = None
        self._seen: object = None
        frame.follow(self._refresh)

    async def _refresh(self) -> None:
        frame = self._frame
        alarms = await seen.alarms_of_span(frame)
        if self._table is None:
            titles = (await seen.sites(frame)).titles
            with self._below:
                looks = Looks("alarms_span", "alarms_none_span", searches=True, is_in_words=True)
                self._table = AlarmTable(frame, titles, looks)
        if alarms is self._seen:
            return
        self._seen = alarms
        standing = Counter(one.severity for one in alarms if one.is_called)
        told = Counter(one.severity for one in alarms)
        for severity, word in SEVERITY_WORDS.items():
            tone = f"tone-{SEVERITY_TONES[severity]}" if standing[severity] else ""
            note = frame.words["of_span"].format(
                count=grouped(told[severity]), span=frame.words[f"span_{frame.place.span}"]
            )
            self._figures[f"severity_{word}"].show(grouped(standing[severity]), "", note, tone)
        self._table.show(alarms)


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    AlarmList(frame, query)
