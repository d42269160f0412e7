"""The form that plans a maintenance window: where, from when to when, why."""

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from nicegui import ui

from gateway.alarms.policy import AlarmPolicies
from gateway.board import seen
from gateway.board.frame import Frame
from gateway.board.looks.subjects import Subject, offer, subject_of, subjects_of
from gateway.board.parts.headings import heading
from gateway.board.parts.when import moment_text
from gateway.board.speaking import Speaking, one_line
from gateway.board.words import SECTORS
from gateway.store.alarmwords import MOST_NOTE, MOST_PLACE, Maintain
from gateway.views.visitor import SIGN_IN

USUAL_MS = 4 * 3_600_000  # what most work takes; a person sets it anyway
DAY_MS = 86_400_000
OFFER = "window-places"


class Asked(NamedTuple):
    """What was filled in."""

    subject: str
    from_ms: int | None  # None: no moment
    to_ms: int | None
    reason: str


class Planning:
    """The card; who may not plan reads what it takes.

    Args:
        frame: of the page.
        speaking: for the visitor.
        subject: what a link from elsewhere asks for, "" nothing.
    """

    def __init__(self, frame: Frame, speaking: Speaking, subject: str) -> None:
        self._frame, self._speaking = frame, speaking
        words = frame.words
        with ui.element("section").classes("card planning"):
            heading(words["window_plan"], level=1)
            zone = words["window_zone"].format(zone=frame.zone.key)
            ui.label(f"{words['window_plan_what']} {zone}").classes("caption")
            if speaking.visitor.is_operator:
                self._draw_fields(subject[:MOST_PLACE])
                return
            ui.label(words["window_who_may"]).classes("refusal")
            back = urlencode({"next": frame.here})
            ui.link(words["sign_in"], f"{SIGN_IN}?{back}").classes("export")

    def _draw_fields(self, subject: str) -> None:
        words, now_ms = self._frame.words, self._frame.hold.sight.clock()
        with ui.element("div").classes("fields"):
            self._where = ui.input(words["window_where"], value=subject, on_change=self._offer)
            self._where.props(f"list={OFFER} debounce=200 maxlength={MOST_PLACE} autocomplete=off")
            self._from = ui.input(words["window_from"], value=self._text(now_ms))
            self._to = ui.input(words["window_to"], value=self._text(now_ms + USUAL_MS))
            for box in (self._from, self._to):
                box.props("type=datetime-local stack-label")
            self._reason = ui.input(words["window_reason"]).classes("reason")
            self._reason.props(f"maxlength={MOST_NOTE}")
            for box in (self._where, self._from, self._to, self._reason):
                box.props("outlined dense")
            self._save = ui.button(words["window_save"], on_click=self._plan)
            self._save.props("outline dense no-caps")
        self._offered = ui.element("datalist").props(f"id={OFFER}")
        self._wrong = ui.label().classes("wrong").props("role=alert")
        self._wrong.visible = False

    async def _offer(self) -> None:
        """Offer what has the letters in it, as somebody types."""
        found = offer(str(self._where.value or ""), await self._known())
        self._offered.clear()
        with self._offered:
            for one in found:
                option = ui.element("option")
                option.props["value"], option.props["label"] = one.place, one.title

    async def _known(self) -> Iterable[Subject]:
        frame, words = self._frame, self._frame.words
        fleet, sites = await seen.fleet(frame), await seen.sites(frame)
        sectors = {name: words[name] for name in SECTORS}
        names = (one.name for one in fleet.devices)
        return subjects_of(sites.titles, names, sectors, words["everything"])

    async def _plan(self) -> None:
        words, visitor = self._frame.words, self._speaking.visitor
        now_ms = self._frame.hold.sight.clock()
        asked = Asked(
            subject_of(str(self._where.value or ""), await self._known()),
            moment_of(str(self._from.value or ""), self._frame.zone),
            moment_of(str(self._to.value or ""), self._frame.zone),
            one_line(self._reason.value),
        )
        most_ms = round(AlarmPolicies.load().at(now_ms).max_window_d * DAY_MS)
        fault = fault_of(asked, now_ms, most_ms)
        self._wrong.visible = bool(fault)
        self._wrong.set_text(words[fault].format(days=most_ms // DAY_MS) if fault else "")
        if fault or not visitor.is_operator or asked.from_ms is None or asked.to_ms is None:
            return
        word = Maintain(
            *(visitor.name, now_ms, secrets.token_hex(4), asked.subject),
            *(asked.from_ms, asked.to_ms, asked.reason),
        )
        self._save.disable()  # an impatient second click is no second window
        try:
            if await self._speaking.say(word, words["window_kept"]):
                self._where.set_value("")
                self._reason.set_value("")
        finally:
            self._save.enable()

    def _text(self, time_ms: int) -> str:
        return moment_text(time_ms, self._frame.zone)[:-3].replace(" ", "T")


def moment_of(text: str, zone: ZoneInfo) -> int | None:
    """Return the moment that a field of a form says, None where it says none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return round(moment.timestamp() * 1000)


def fault_of(asked: Asked, now_ms: int, most_ms: int) -> str:
    """Return the key of what is wrong, "" where nothing is."""
    if not asked.subject:
        return "window_no_place"
    if asked.from_ms is None or asked.to_ms is None:
        return "window_no_time"
    if asked.to_ms <= max(asked.from_ms, now_ms):
        return "window_no_span"
    if asked.to_ms - asked.from_ms > most_ms:
        return "window_too_long"
    return "" if asked.reason else "window_no_reason"
