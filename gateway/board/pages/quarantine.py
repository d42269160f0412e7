"""Quarantine: what could not be read, byte for byte, and getting it read after all."""

from collections.abc import Sequence
from typing import NamedTuple

from anyio.to_thread import run_sync
from nicegui import ui

from gateway.asking import ask
from gateway.board.frame import Frame
from gateway.board.numbers import age_text, grouped, size_text
from gateway.board.parts.figures import Figures
from gateway.board.parts.headings import heading
from gateway.board.parts.payload import dump, readable_text
from gateway.board.speaking import Speaking
from gateway.errors import GatewayError
from gateway.model import Quarantined, QuarantineReason
from gateway.quarantine import Entry
from gateway.views.text import readable

PAGE_ROWS = 25
WALK = 1000  # entries read at once on the way to the last page
BUSY_ROUNDS = 20  # of a requeue: the intake takes some megabytes at a time


class PageOf(NamedTuple):
    """One page of the quarantine, newest first."""

    total: int
    entries: Sequence[Entry]


class QuarantinePage:
    """The page; a chosen entry stands in the address."""

    def __init__(self, frame: Frame, query: dict[str, str]) -> None:
        self._frame, words = frame, frame.words
        self._reason = (
            query.get("reason", "") if query.get("reason") in set(QuarantineReason) else ""
        )
        self._first = 0
        self._shown: PageOf | None = None
        self._buttons: list[ui.element] = []
        # who may only look puts nothing back, as he acknowledges nothing
        self._speaking = Speaking(frame)
        self._figures = Figures(words, {"quarantine_waiting": "", "quarantine_bytes": ""})
        with ui.element("section").classes("card quarantine"):
            self._draw_filters()
            self._clean = ui.label(words["clean"]).classes("hint")
            self._clean.visible = False
            self._list = ui.element("div").classes("entries").props("role=list")
            self._draw_pager()
        self._dialog = ui.dialog()
        frame.follow(self._refresh)

    async def _refresh(self) -> None:
        frame, sight = self._frame, self._frame.hold.sight
        total, newest = await frame.see("quarantine tail", sight.quarantine_tail)
        _, held = await frame.see("quarantine size", sight.quarantine.size)
        self._figures["quarantine_waiting"].show(
            grouped(total), "", frame.words["now"], "tone-warn" * bool(total)
        )
        self._figures["quarantine_bytes"].show(size_text(held), "", frame.words["now"])
        name = ("quarantine", self._reason, self._first, newest[0].record if newest else 0, total)
        page = await frame.see(name, self._look, 30.0)
        if page != self._shown:
            self._shown = page
            self._show(page)

    def _look(self) -> PageOf:
        """Walk to the end: entries are numbered upwards, and a person wants the newest."""
        quarantine = self._frame.hold.sight.quarantine
        total, _ = quarantine.size()
        found: list[Entry] = []
        after = 0
        while part := quarantine.list(WALK, after, self._reason or None):
            found = [*found, *part][-(self._first + PAGE_ROWS) :]
            after = part[-1].record
        end = len(found) - self._first
        return PageOf(total, list(reversed(found[max(0, end - PAGE_ROWS) : max(0, end)])))

    def _draw_filters(self) -> None:
        words = self._frame.words
        reasons = {"": words["any_reason"]} | {
            str(one): words[f"reason_{one}"] for one in QuarantineReason
        }
        with ui.element("div").classes("filters"):
            heading(words["quarantine"])
            ui.label(words["quarantine_what"]).classes("caption")
            self._select = ui.select(reasons, value=self._reason, on_change=self._choose)
            self._select.props(f'outlined dense aria-label="{words["reason"]}"')
            again = ui.button(words["requeue_reason"], color=None, on_click=self._confirm_reason)
            again.props("flat dense no-caps").set_visibility(self._speaking.visitor.is_operator)

    def _draw_pager(self) -> None:
        words = self._frame.words
        with ui.element("div").classes("pager"):
            self._where = ui.label().classes("caption")
            self._newer = ui.button(
                words["newer"], color=None, on_click=lambda: self._turn(-PAGE_ROWS)
            )
            self._older = ui.button(
                words["older"], color=None, on_click=lambda: self._turn(PAGE_ROWS)
            )
            for one in (self._newer, self._older):
                one.props("flat dense no-caps")

    def _show(self, page: PageOf) -> None:
        words, now = self._frame.words, self._frame.hold.sight.clock()
        self._clean.visible = not page.entries and not self._first
        self._newer.set_enabled(self._first > 0)
        self._older.set_enabled(len(page.entries) == PAGE_ROWS)
        self._where.set_text(
            words["shown_of"].format(
                first=self._first + 1,
                last=self._first + len(page.entries),
                total=grouped(page.total),
            )
            if page.entries
            else ""
        )
        self._list.clear()
        with self._list:
            for entry in page.entries:
                self._draw_entry(entry, now)

    def _draw_entry(self, entry: Entry, now_ms: int) -> None:
        words = self._frame.words
        with ui.element("div").classes("entry").props("role=listitem"):
            with ui.element("div").classes("what"):
                ui.label(words[f"reason_{entry.reason}"]).classes("tone warn")
                ui.label(readable(entry.topic)).classes("topic")
                ui.label(entry.detail).classes("caption")
            age = age_text(now_ms - entry.received_ms, words)
            ui.label(f"{age} · {size_text(entry.size)}").classes("caption age")
            with ui.element("div").classes("acts"):
                look = ui.button(
                    words["look"], color=None, on_click=lambda: self._look_at(entry.record)
                )
                again = ui.button(
                    words["requeue"], color=None, on_click=lambda: self._requeue(entry.record)
                )
                for one in (look, again):
                    one.props("flat dense no-caps")
                again.set_visibility(self._speaking.visitor.is_operator)
                link = ui.link(words["download"], f"/api/v1/quarantine/{entry.record}/payload")
                link.props("download")

    async def _look_at(self, record: int) -> None:
        found = await run_sync(self._frame.hold.sight.quarantine.get, record)
        _ = self._dialog.clear()
        with self._dialog, ui.element("div").classes("card payload"):
            if found is None:
                ui.label(self._frame.words["entry_gone"])
            else:
                self._draw_payload(found)
            close = ui.button(self._frame.words["close"], color=None, on_click=self._dialog.close)
            close.props("flat dense no-caps autofocus")
        _ = self._dialog.open()

    def _draw_payload(self, found: Quarantined) -> None:
        words = self._frame.words
        heading(readable(found.topic))
        ui.label(f"{words[f'reason_{found.reason}']}: {found.detail}").classes("caption")
        text = readable_text(found.payload)
        if text:
            ui.label(words["as_text"]).classes("caption")
            ui.label(text).classes("dump").props("tabindex=0")
        ui.label(words["as_bytes"]).classes("caption")
        ui.label(dump(found.payload)).classes("dump").props("tabindex=0")

    async def _requeue(self, record: int) -> None:
        await self._ask({"do": "requeue", "ids": [record]})

    def _confirm_reason(self) -> None:
        """Ask first: this may be a million messages."""
        words, reason = self._frame.words, self._reason
        _ = self._dialog.clear()
        with self._dialog, ui.element("div").classes("card payload"):
            if not reason:
                ui.label(words["requeue_choose"])
            else:
                ui.label(words["requeue_sure"].format(reason=words[f"reason_{reason}"]))

                async def go() -> None:
                    _ = self._dialog.close()
                    await self._ask({"do": "requeue", "ids": [], "reason": reason})

                ui.button(words["requeue"], color=None, on_click=go).props("flat dense no-caps")
            ui.button(words["close"], color=None, on_click=self._dialog.close).props(
                "flat dense no-caps"
            )
        _ = self._dialog.open()

    async def _ask(self, request: dict[str, object]) -> None:
        words, folder = self._frame.words, self._frame.hold.sight.data_dir
        if not self._speaking.visitor.is_operator:  # a hand-made event of a page
            return
        done, wanted = 0, request
        try:
            for _ in range(BUSY_ROUNDS):
                answer = await run_sync(ask, folder, wanted)
                done += int(answer["requeued"])
                if answer["next"] is None:
                    break
                wanted = {**answer["next"], "do": "requeue"}
        except (GatewayError, OSError) as error:
            ui.notify(words["requeue_failed"].format(error=error), type="negative")
            return
        ui.notify(words["requeued"].format(count=grouped(done)), type="positive")
        self._shown = None

    def _choose(self) -> None:
        self._reason, self._first = str(self._select.value), 0
        self._shown = None
        self._frame.keep(reason=self._reason)

    def _turn(self, rows: int) -> None:
        self._first = max(0, self._first + rows)
        self._shown = None


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    QuarantinePage(frame, query)
