"""What happened to an alarm, line by line: who said what of it, and when."""

from collections.abc import Sequence

from nicegui import ui

from gateway.board.frame import Frame
from gateway.board.looks.alarms import SEVERITY_WORDS
from gateway.board.parts.headings import heading
from gateway.board.parts.when import moment_text
from gateway.board.words import said
from gateway.store.alarms import FOLLOWS, Happening


def draw_history(frame: Frame, history: Sequence[Happening]) -> None:
    """Draw the card, the newest line first."""
    if not history:
        return
    with ui.element("section").classes("card"):
        heading(frame.words["history"])
        lines = ui.element("ul").classes("history")
    for one in reversed(history):
        with lines, ui.element("li"):
            ui.label(moment_text(one.at_ms, frame.zone)).classes("caption")
            ui.label(happening_text(frame, one))


def happening_text(frame: Frame, one: Happening) -> str:
    """Return a line of a history as people say it."""
    words = frame.words
    note = one.note
    is_cause = one.what in {"suppressed", "released"} and note.startswith(FOLLOWS)
    text = said(words, "happened", f"{one.what}_cause" if is_cause else one.what)
    if one.what == "severity" and note.isdecimal():
        word = SEVERITY_WORDS.get(int(note), "")
        note = said(words, "severity", word) if word else note
    elif one.what in {"suppressed", "released"}:  # what by: it has a page of its own
        note = ""
    elif note == "withdrawn":
        note = words["alarm_withdrawn"]
    text += f", {one.who}" if one.who else ""
    return f"{text}: {note}" if note else text
