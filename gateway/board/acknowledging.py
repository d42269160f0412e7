"""To acknowledge an alarm with a note: a button where an alarm is shown, a dialog behind it.

Only an operator has the button; others read what the command line says. The word is on disk
before the dialog closes, and is shown within a second, when the annunciator has heard it.
"""

import asyncio
from collections.abc import Awaitable, Callable

from anyio.to_thread import run_sync
from nicegui import ui

from gateway.board.frame import Frame
from gateway.board.looks.alarms import AlarmLine
from gateway.board.parts.headings import heading
from gateway.errors import GatewayError
from gateway.store.alarmwords import MOST_NOTE, Acknowledge, say
from gateway.views.visitor import visitor_of

_EFFECT_S, _LOOK_EVERY_S = 3.0, 0.1


class Acknowledging:
    """One for a page; it outlives what the page draws anew while somebody writes a note.

    Args:
        frame: of the page.
        done: called when a word has had its effect, or has to wait for it.
    """

    def __init__(self, frame: Frame, done: Callable[[], Awaitable[None]]) -> None:
        self._frame, self._done = frame, done
        self._visitor = visitor_of(ui.context.client.request.scope)
        self._alarm = ""
        words = frame.words
        self._dialog = ui.dialog().props(f'aria-label="{words["acknowledge"]}"')
        with self._dialog, ui.element("div").classes("card payload acknowledge"):
            self._title = heading()
            self._note = ui.textarea(words["acknowledge_note"])
            self._note.props(f"outlined counter autofocus rows=3 maxlength={MOST_NOTE}")
            with ui.element("div").classes("acts"):
                self._save = ui.button(words["acknowledge_save"], on_click=self._say)
                self._save.props("outline dense no-caps")
                cancel = ui.button(words["cancel"], on_click=self._dialog.close)
                cancel.props("flat dense no-caps")

    def draw(self, alarm: AlarmLine, title: str) -> None:
        """Draw the button of an alarm, where there is something to say and somebody who may."""
        words = self._frame.words
        if "-" in alarm.id:  # a finding from before the annunciator's first start
            return
        if not self._visitor.is_operator:
            ui.label(words["acknowledge_who"]).classes("caption")
            return
        word = "acknowledge_more" if alarm.seen.at_ms else "acknowledge"
        button = ui.button(words[word], on_click=lambda: self._open(alarm.id, title))
        button.props("outline dense no-caps").classes("acknowledging")

    def _open(self, alarm: str, title: str) -> None:
        self._alarm = alarm
        self._title.set_text(title)
        self._note.set_value("")
        self._dialog.value = True

    async def _say(self) -> None:
        words, sight = self._frame.words, self._frame.hold.sight
        if not (self._visitor.is_operator and self._alarm):  # a hand-made event of a page
            return
        note = " ".join(str(self._note.value or "").split())[:MOST_NOTE]  # a line, as lists show
        word = Acknowledge(self._visitor.name, sight.clock(), self._alarm, note)
        self._save.disable()  # an impatient second click is no second word
        try:
            end = await run_sync(say, sight.data_dir, word)
        except (GatewayError, OSError, ValueError) as error:
            ui.notify(words["acknowledge_failed"].format(error=error), type="negative")
            return
        finally:
            self._save.enable()
        self._dialog.value = False
        is_heard = await self._until_heard(end)
        told = words["acknowledge_done" if is_heard else "acknowledge_later"]
        ui.notify(told, type="positive" if is_heard else "warning")
        await self._done()

    async def _until_heard(self, end: int) -> bool:
        alarms = self._frame.hold.sight.alarms
        for _ in range(round(_EFFECT_S / _LOOK_EVERY_S)):
            if await run_sync(alarms.heard) >= end:
                return True
            await asyncio.sleep(_LOOK_EVERY_S)
        return False
