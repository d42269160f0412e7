"""A list of alarms, each with who takes care of it, and the button to say so."""

from collections.abc import Mapping, Sequence

from gateway.board.acknowledging import Acknowledging, seen_text
from gateway.board.frame import Frame
from gateway.board.looks.alarms import SEVERITY_TONES, SEVERITY_WORDS, AlarmLine
from gateway.board.numbers import age_text
from gateway.board.parts.cells import kind_text, place_href, place_text
from gateway.board.parts.tables import Cell, Column, Looks, Table

MOST_LETTERS = 120  # of a note in a list; the alarm's page has all of it


class AlarmTable(Table[AlarmLine]):
    """The card.

    Args:
        frame: of the page.
        titles: of places.
        looks: title and the like.
        more: a further column, before the state.
        is_brief: all of them are open, and it need not be said beside the button.
    """

    def __init__(
        self,
        frame: Frame,
        titles: Mapping[str, str],
        looks: Looks,
        more: Sequence[Column[AlarmLine]] = (),
        *,
        is_brief: bool = False,
    ) -> None:
        self._frame, self._titles, self._is_brief = frame, titles, is_brief
        # a wall has nothing to touch
        self._acknowledging = None if frame.place.is_wall else Acknowledging(frame)
        super().__init__(
            frame.words,
            [*self._alarm_columns(), *more, self._state_column()],
            looks,
            self._found_in,
            self._choose,
        )

    def _title_of(self, one: AlarmLine) -> str:
        place = place_text(self._frame, one.place, self._titles)
        return f"{kind_text(self._frame, one)}, {place}"

    def _found_in(self, one: AlarmLine) -> str:
        return f"{self._title_of(one)} {one.place} {one.seen.who} {one.seen.note}"

    async def _choose(self, alarm: str) -> None:
        known = next((one for one in self.items if one.id == alarm), None)
        if known is not None and self._acknowledging is not None:
            await self._acknowledging.choose(alarm, self._title_of(known))

    def _alarm_columns(self) -> list[Column[AlarmLine]]:
        frame, words, clock = self._frame, self._frame.words, self._frame.hold.sight.clock

        def severity(one: AlarmLine) -> Cell:
            word = words[f"severity_{SEVERITY_WORDS.get(one.severity, 'warning')}"]
            return Cell(
                word, SEVERITY_TONES.get(one.severity, "warn") if one.is_called else "plain"
            )

        def place(one: AlarmLine) -> Cell:
            text = place_text(frame, one.place, self._titles)
            return Cell(text, href=place_href(frame, one.place))

        return [
            Column("severity", severity, lambda one: one.severity),
            Column(
                "alarm_kind",
                lambda one: Cell(kind_text(frame, one), href=frame.url("/alarm", id=one.id)),
                lambda one: one.kind,
            ),
            Column("place", place, lambda one: one.place),
            Column(
                "since",
                lambda one: Cell(age_text(clock() - one.raised_ms, words)),
                lambda one: one.raised_ms,
            ),
        ]

    def _state_column(self) -> Column[AlarmLine]:
        words = self._frame.words

        def state(one: AlarmLine) -> Cell:
            text, seen = words[f"alarm_{one.state}"], seen_text(self._frame, one)
            if seen:
                text = seen if one.state == "acknowledged" else f"{text} · {seen}"
            if len(text) > MOST_LETTERS:
                text = f"{text[:MOST_LETTERS]}…"
            talk = self._acknowledging
            act = None if talk is None else talk.act(one, self._title_of(one))
            is_said = self._is_brief and one.state == "raised" and act is not None
            return Cell("" if is_said else text, act=act)

        return Column("state", state, lambda one: (one.is_open, one.state))
