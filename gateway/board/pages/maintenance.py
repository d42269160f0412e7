"""Work at places whose alarms are kept quiet: what goes on, what is planned, what was."""

from collections.abc import Mapping, Sequence

from anyio.to_thread import run_sync
from nicegui import ui

from gateway.board import seen
from gateway.board.frame import Frame
from gateway.board.numbers import grouped
from gateway.board.parts.cells import place_href, place_text
from gateway.board.parts.headings import heading
from gateway.board.parts.tables import Act, Cell, Column, Looks, Table
from gateway.board.parts.when import moment_text
from gateway.board.planning import Planning
from gateway.board.speaking import Speaking
from gateway.board.words import SECTORS
from gateway.store.alarms import Stage, Window
from gateway.store.alarmwords import EndMaintenance

MOST_PAST = 500
STAGE_TONES = {Stage.NOW: "warn", Stage.PLANNED: "note"}
Muted = Mapping[str, int]  # window → open alarms that it keeps quiet


class MaintenancePage:
    """The page."""

    def __init__(self, frame: Frame, query: dict[str, str]) -> None:
        self._frame = frame
        self._speaking = Speaking(frame)
        self._planning = Planning(frame, self._speaking, query.get("subject", ""))
        self._below = ui.element("div").classes("stack")
        self._tables: tuple[Table[Window], Table[Window]] | None = None
        self._muted: Muted = {}
        self._ending = ""
        self._dialog = self._draw_dialog()
        frame.follow(self._refresh)

    async def _refresh(self) -> None:
        frame, sight = self._frame, self._frame.hold.sight

        def look() -> tuple[Sequence[Window], Sequence[Window]]:
            now_ms = sight.clock()
            return sight.alarms.windows(now_ms), sight.alarms.past_windows(now_ms, MOST_PAST)

        ahead, past = await frame.see("windows", look)
        self._muted = _muted([one.suppressed for one in await seen.open_alarms(frame)])
        if self._tables is None:
            titles = (await seen.sites(frame)).titles
            with self._below:
                self._tables = self._draw_tables(titles)
        self._tables[0].show(ahead)
        self._tables[1].show(past)

    def _draw_tables(self, titles: Mapping[str, str]) -> tuple[Table[Window], Table[Window]]:
        words, columns = self._frame.words, self._columns(titles)
        ahead = Looks("windows_ahead", "windows_ahead_none", is_in_words=True)
        past = Looks("windows_past", "windows_past_none", searches=True, is_in_words=True)

        def found_in(one: Window) -> str:
            return f"{subject_text(self._frame, one.subject, titles)} {one.reason} {one.who}"

        return (
            Table(words, columns, ahead, found_in, self._ask),
            Table(words, columns, past, found_in),
        )

    def _columns(self, titles: Mapping[str, str]) -> list[Column[Window]]:
        frame, words, clock = self._frame, self._frame.words, self._frame.hold.sight.clock

        def stage(one: Window) -> Cell:
            where = one.stage(clock())
            text = words[f"stage_{where}"]
            muted = self._muted.get(one.id, 0) if where is Stage.NOW else 0
            if muted:
                text += f" · {words['windows_muted'].format(count=grouped(muted))}"
            return Cell(text, STAGE_TONES.get(where, "plain"))

        def subject(one: Window) -> Cell:
            has_page = ":" in one.subject and not one.subject.startswith("sector:")
            href = place_href(frame, one.subject) if has_page else ""
            return Cell(subject_text(frame, one.subject, titles), href=href)

        def who(one: Window) -> Cell:
            text = f"{one.who}, {self._moment(one.when_ms)}"
            if one.ended_who:
                when = self._moment(one.ended_ms)
                text += f" · {words['ended_by'].format(who=one.ended_who, time=when)}"
            return Cell(text, act=self._act(one, subject_text(frame, one.subject, titles)))

        return [
            Column("state", stage, lambda one: str(one.stage(clock()))),
            Column("place", subject, lambda one: one.subject),
            Column("window_span", self._span, lambda one: one.from_ms),
            Column("window_reason", lambda one: Cell(one.reason), lambda one: one.reason),
            Column("window_who", who, lambda one: one.who),
        ]

    def _span(self, one: Window) -> Cell:
        begin, end = self._moment(one.from_ms), self._moment(one.to_ms)
        is_one_day = begin[:10] == end[:10]
        return Cell(f"{begin} – {end[11:] if is_one_day else end}")

    def _moment(self, time_ms: int) -> str:
        return moment_text(time_ms, self._frame.zone)[:-3]  # to the minute

    def _act(self, one: Window, title: str) -> Act | None:
        words = self._frame.words
        stage = one.stage(self._frame.hold.sight.clock())
        if stage not in STAGE_TONES or not self._speaking.visitor.is_operator:
            return None
        word = words["window_end" if stage is Stage.NOW else "window_call_off"]
        return Act(one.id, word, f"{word}: {title}")

    def _draw_dialog(self) -> ui.dialog:
        words = self._frame.words
        dialog = ui.dialog().props(f'aria-label="{words["window_end"]}"')
        with dialog, ui.element("div").classes("card payload acknowledge"):
            self._asked = heading()
            ui.label(words["window_end_what"])
            with ui.element("div").classes("acts"):
                self._end_button = ui.button(words["window_end_sure"], on_click=self._end)
                self._end_button.props("outline dense no-caps autofocus")
                keep = ui.button(words["cancel"], on_click=dialog.close)
                keep.props("flat dense no-caps")
        return dialog

    async def _ask(self, window: str) -> None:
        found = next((one for one in await self._open_windows() if one.id == window), None)
        if found is None or not self._speaking.visitor.is_operator:
            return
        self._ending = window
        titles = (await seen.sites(self._frame)).titles
        self._asked.set_text(f"{subject_text(self._frame, found.subject, titles)}: {found.reason}")
        self._dialog.value = True

    async def _end(self) -> None:
        visitor, now_ms = self._speaking.visitor, self._frame.hold.sight.clock()
        known = {one.id for one in await self._open_windows()}
        self._dialog.value = False
        if not visitor.is_operator or self._ending not in known:
            return
        word = EndMaintenance(visitor.name, now_ms, self._ending)
        self._end_button.disable()
        try:
            await self._speaking.say(word, self._frame.words["window_ended"])
        finally:
            self._end_button.enable()

    async def _open_windows(self) -> Sequence[Window]:
        sight = self._frame.hold.sight
        return await run_sync(sight.alarms.windows, sight.clock())


def subject_text(frame: Frame, subject: str, titles: Mapping[str, str]) -> str:
    """Return what a window is about, as people say it."""
    level, _, name = subject.partition(":")
    if not name:
        return frame.words["everything"]
    if level == "sector" and name in SECTORS:
        return f"{frame.words['sector']} {frame.words[name]}"
    return place_text(frame, subject, titles)


def _muted(windows: Sequence[str]) -> Muted:
    found: dict[str, int] = {}
    for window in windows:
        if window:
            found[window] = found.get(window, 0) + 1
    return found


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    MaintenancePage(frame, query)
