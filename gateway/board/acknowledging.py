"""To acknowledge an alarm with a note: from its page, and from every list that shows it.

Everybody has the button in lists; who may not is told what it takes. The word is on disk before
the dialog closes, and all open boards show it within a second, when the annunciator has heard it.
"""

from urllib.parse import urlencode

from anyio.to_thread import run_sync
from nicegui import ui

from gateway.board.frame import Frame
from gateway.board.looks.alarms import AlarmLine
from gateway.board.numbers import age_text
from gateway.board.parts.headings import heading
from gateway.board.parts.tables import Act
from gateway.board.parts.when import moment_text
from gateway.board.speaking import Speaking, one_line
from gateway.store.alarmwords import MOST_NOTE, Acknowledge
from gateway.views.visitor import SIGN_IN

# The button that opened the dialog is gone, and with it the place of who goes by the keyboard: to
# the alarm's link, once the dialog has closed and left him nowhere.
GO_BACK = """(() => {
  const go = (tries) => setTimeout(() => {
    if (document.activeElement && document.activeElement !== document.body) {
      if (tries) go(tries - 1);
    } else document.querySelector('main a[href*="id=%s"]')?.focus();
  }, 200);
  go(10);
})()"""


def has_life(alarm: AlarmLine) -> bool:
    """Return whether anybody can say something of an alarm.

    Not of a finding from before the annunciator's first start, nor of what turned out to be none.
    """
    return "-" not in alarm.id and not alarm.is_withdrawn


class Acknowledging:
    """One for a page or list; it outlives what is drawn anew while somebody writes a note."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._speaking = Speaking(frame)
        self._alarm = ""
        self._dialog = self._draw_dialog()
        self._refusal = self._draw_refusal()

    def draw(self, alarm: AlarmLine, title: str) -> None:
        """Draw the button of an alarm, where there is something to say and somebody who may."""
        words = self._frame.words
        if not has_life(alarm):
            return
        if not self._speaking.visitor.is_operator:
            ui.label(words["acknowledge_who"]).classes("caption")
            return
        button = ui.button(self._word(alarm), on_click=lambda: self._open(alarm, title))
        button.props("outline dense no-caps").classes("acknowledging")

    def act(self, alarm: AlarmLine, title: str) -> Act | None:
        """Return the button of an alarm in a list, None where nobody needs to say anything."""
        if alarm.seen.at_ms or alarm.cause or not has_life(alarm):
            return None
        return Act(alarm.id, self._word(alarm), f"{self._word(alarm)}: {title}")

    async def choose(self, alarm_id: str, title: str) -> None:
        """Open the dialog for an alarm of a list, as it is by now; or say who may."""
        if not self._speaking.visitor.is_operator:
            self._refusal.value = True
            return
        found = await run_sync(self._frame.hold.alarms.find, alarm_id)
        if found is None or not has_life(found):
            ui.notify(self._frame.words["alarm_unknown"], type="warning")
        else:
            self._open(found, title)

    def _word(self, alarm: AlarmLine) -> str:
        return self._frame.words["acknowledge_more" if alarm.seen.at_ms else "acknowledge"]

    def _draw_dialog(self) -> ui.dialog:
        words = self._frame.words
        dialog = ui.dialog().props(f'aria-label="{words["acknowledge"]}"')
        with dialog, ui.element("div").classes("card payload acknowledge"):
            self._title = heading()
            self._seen = ui.label().classes("caption")
            self._note = ui.textarea(words["acknowledge_note"])
            self._note.props(f"outlined counter autofocus rows=3 maxlength={MOST_NOTE}")
            with ui.element("div").classes("acts"):
                self._save = ui.button(words["acknowledge_save"], on_click=self._say)
                self._save.props("outline dense no-caps")
                cancel = ui.button(words["cancel"], on_click=dialog.close)
                cancel.props("flat dense no-caps")
        return dialog

    def _draw_refusal(self) -> ui.dialog:
        words, frame = self._frame.words, self._frame
        dialog = ui.dialog().props(f'aria-label="{words["acknowledge"]}"')
        with dialog, ui.element("div").classes("card payload acknowledge refusal"):
            heading(words["acknowledge_not"])
            ui.label(words["acknowledge_who"])
            with ui.element("div").classes("acts"):
                back = urlencode({"next": frame.here})
                ui.link(words["sign_in"], f"{SIGN_IN}?{back}").classes("export")
                close = ui.button(words["close"], on_click=dialog.close)
                close.props("flat dense no-caps")
        return dialog

    def _open(self, alarm: AlarmLine, title: str) -> None:
        words = self._frame.words
        self._alarm = alarm.id
        self._title.set_text(title)
        self._seen.set_text(seen_text(self._frame, alarm))
        self._save.set_text(self._word(alarm) if alarm.seen.at_ms else words["acknowledge_save"])
        self._note.set_value("")
        self._dialog.value = True

    async def _say(self) -> None:
        frame, visitor = self._frame, self._speaking.visitor
        if not (visitor.is_operator and self._alarm):  # a hand-made event of a page
            return
        now_ms = frame.hold.sight.clock()
        word = Acknowledge(visitor.name, now_ms, self._alarm, one_line(self._note.value))
        time = moment_text(now_ms, frame.zone)
        done = frame.words["acknowledge_done"].format(who=visitor.name, time=time)
        self._save.disable()  # an impatient second click is no second word
        try:
            self._dialog.value = not await self._speaking.say(word, done)
        finally:
            self._save.enable()
        _ = ui.run_javascript(GO_BACK % word.alarm)  # nobody waits for it


def seen_text(frame: Frame, alarm: AlarmLine) -> str:
    """Return who knows of an alarm, since when, and what he noted; "" where nobody does."""
    seen = alarm.seen
    if not seen.at_ms:
        return ""
    age = age_text(frame.hold.sight.clock() - seen.at_ms, frame.words)
    text = frame.words["seen_by"].format(who=seen.who, age=age)
    return f"{text}: {seen.note}" if seen.note else text
