"""One device: its newest values, whether any are missing, and how one column went."""

from typing import NamedTuple

import numpy as np
from anyio.to_thread import run_sync
from nicegui import ui

from gateway.board.chart import chart_options, show_series
from gateway.board.frame import Frame
from gateway.board.numbers import age_text, grouped, value_text
from gateway.board.reasons import meanings
from gateway.board.words import TONES, named
from gateway.model import FloatArray, IntArray, Quality
from gateway.ports import LatestRow
from gateway.profiles import Column, Profile
from gateway.views.engineering import engineer, to_number
from gateway.views.fleet import Device, Fleet, values_of
from gateway.views.missing import Completeness

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
SPANS = {"hour": HOUR_MS, "day": DAY_MS}
MOST_ROWS = 100_000  # a day of one reading a second, and what came twice
DAY_FROM_S = 300  # a profile that reports more rarely shows little in an hour
REDRAWS = 600  # in what is shown: more often nobody sees it, and a day of seconds takes 50 ms
OFTEN_MS = 5000
SHOWN_GAPS = 3


class Drawn(NamedTuple):
    """What a chart shows; anything else is drawn anew."""

    device: str
    column: str
    span: str
    step: int


class DeviceDetail:
    """The panel beside the list."""

    def __init__(self, frame: Frame, device: str) -> None:
        self._words = words = frame.words
        self._language = frame.place.lang
        self._sight = frame.hold.sight
        self._zone = frame.zone
        self._device = device
        self._shape: tuple[str, str] = ("", "")  # what the value tiles were built for
        self._tiles: list[ui.label] = []
        self._drawn: Drawn | None = None
        self._counted = ("", 0)  # when it was last looked whether readings are missing
        self._shown_ms = 0  # from the first reading of the chart to now
        with ui.element("section").classes("card detail"):
            self._hint = ui.label(words["choose"]).classes("hint")
            with ui.element("div") as self._body:
                self._draw_head()
                self._draw_chart()
        self._body.visible = False

    @property
    def device(self) -> str:
        """The chosen device, "" where none is."""
        return self._device

    def choose(self, device: str) -> None:
        """Show another device from the next refresh on."""
        self._device = device
        self._drawn = None

    def pick(self, fleet: Fleet) -> None:
        """Choose the most urgent device where nobody has chosen yet."""
        if not self._device and fleet.by_urgency:
            self._device = fleet.by_urgency[0].name

    async def refresh(self, fleet: Fleet) -> None:
        """Show the device's newest reading, and its chart where something is new."""
        device = fleet.find(self._device) if self._device else None
        newest = device.latest[0] if device is not None and device.latest else None
        is_shown = newest is not None and newest.profile in self._sight.profiles
        self._body.visible = is_shown
        self._hint.visible = not is_shown
        self._hint.set_text(
            self._words["choose" if device is None else "no_reading"].format(device=self._device)
        )
        if device is None or newest is None or not is_shown:
            return
        profile = self._sight.profiles[newest.profile]
        self._build(device, profile)
        self._show_newest(device, newest, fleet.now_ms)
        counted = device.name, fleet.now_ms // OFTEN_MS
        if counted != self._counted:  # a gap fills while the chart of a day stays as it is
            self._counted = counted
            self._show_complete(await run_sync(self._sight.completeness, device.row))
        step = fleet.now_ms // max(OFTEN_MS, self._shown_ms // REDRAWS)
        drawn = Drawn(device.name, str(self._column.value), self._span.value, step)
        if drawn != self._drawn:
            self._drawn = drawn
            await self._draw(device, profile, fleet.now_ms)

    def _draw_head(self) -> None:
        with ui.element("div").classes("filters title"):
            self._name = ui.label().classes("heading")
            self._grade = ui.label()
        self._facts = ui.label().classes("caption")
        self._complete = ui.label().classes("caption")
        self._values = ui.element("div").classes("tiles")

    def _draw_chart(self) -> None:
        words = self._words
        with ui.element("div").classes("filters"):
            self._column = ui.select([], on_change=self._redraw).classes("column")
            self._column.props(f'outlined dense aria-label="{words["column"]}"')
            names = {span: words[f"range_{span}"] for span in SPANS}
            self._span = ui.toggle(names, value="hour", on_change=self._redraw)
            self._span.props("flat dense no-caps")
        self._chart = ui.echart(chart_options(), renderer="svg").classes("chart")
        self._none = ui.label().classes("hint")
        self._statistics = ui.label().classes("caption")

    def _build(self, device: Device, profile: Profile) -> None:
        if self._shape == (device.name, profile.name):
            return
        is_new = self._shape[1] != profile.name
        self._shape = (device.name, profile.name)
        if not is_new:
            return
        self._values.clear()
        self._tiles = []
        with self._values:
            for column in profile.columns:
                with ui.element("div").classes("tile"):
                    self._tiles.append(ui.label().classes("number"))
                    ui.label(named(self._words, column.title)).classes("caption")
        names = {one.name: named(self._words, one.title) for one in profile.columns}
        preferred = next((c.name for c in profile.columns if c.kind != "register"), "")
        self._column.set_options(names, value=preferred or profile.columns[0].name)
        self._span.value = "day" if profile.interval_s >= DAY_FROM_S else "hour"

    def _show_newest(self, device: Device, newest: LatestRow, now_ms: int) -> None:
        words = self._words
        profile = self._sight.profiles[newest.profile]
        for tile, column, value in zip(
            self._tiles, profile.columns, values_of(newest).tolist(), strict=False
        ):
            tile.set_text(named(words, value_text(column, to_number(column, value))))
        tone = TONES[Quality(newest.quality)]
        reasons = ", ".join(meanings(newest.reasons, self._language))
        self._name.set_text(device.name)
        self._grade.set_text(words[tone.word] + (f": {reasons}" if reasons else ""))
        self._grade.classes(replace=f"tone {tone.colour}")
        facts = [named(words, profile.title), words[device.row.sector], device.row.org]
        if device.last_seen_ms:
            facts.append(age_text(now_ms - device.last_seen_ms, words))
        self._facts.set_text(" · ".join(facts))

    async def _draw(self, device: Device, profile: Profile, now_ms: int) -> None:
        place = profile.column_index(str(self._column.value)) or 0
        column, span = profile.columns[place], self._span.value
        since_ms = now_ms - SPANS[span]
        times_ms, values = await run_sync(self._read, device, profile, place, since_ms)
        self._shown_ms = now_ms - int(times_ms[0]) if len(times_ms) else 0
        self._chart.visible = bool(len(times_ms))
        self._none.visible = not len(times_ms)
        self._none.set_text(self._words[f"no_{span}"])
        self._statistics.set_text(self._sum_up(column, values))
        show_series(self._chart, (times_ms, values), column, now_ms, self._zone)

    def _read(
        self, device: Device, profile: Profile, place: int, since_ms: int
    ) -> tuple[IntArray, FloatArray]:
        now_ms = self._sight.clock()
        batch, _ = self._sight.store.readings(
            profile.name, device.row.device_index, since_ms, now_ms + 1, MOST_ROWS
        )
        return batch.time_ms, engineer(profile.columns[place], batch.values[:, place])

    def _sum_up(self, column: Column, values: FloatArray) -> str:
        known = values[~np.isnan(values)]
        if not len(known):
            return ""
        count = self._words["count_of"].format(count=grouped(len(values)))
        if column.kind == "register" or column.codes:
            return count
        statistics = self._words["statistics"].format(
            low=value_text(column, float(known.min())),
            mean=value_text(column, float(known.mean()), 1),
            high=value_text(column, float(known.max())),
        )
        return f"{statistics} · {count}"

    def _show_complete(self, completeness: Completeness) -> None:
        words = self._words
        self._complete.visible = completeness.last >= 0
        if completeness.missing:
            ranges = [f"{a}–{b}" if b > a else f"{a}" for a, b in completeness.gaps[:SHOWN_GAPS]]
            ranges += ["…"] if len(completeness.gaps) > SHOWN_GAPS else []
            text = words["gaps"].format(
                count=grouped(completeness.missing), ranges=", ".join(ranges)
            )
        else:
            first, last = grouped(completeness.first), grouped(completeness.last)
            text = f"✓ {words['complete'].format(first=first, last=last)}"
        self._complete.set_text(text)
        # not replace: being hidden is a class as well
        is_missing = "warn" if completeness.missing else ""
        self._complete.classes(add=is_missing, remove="" if is_missing else "warn")

    def _redraw(self) -> None:
        self._drawn = None  # the next refresh, within a second, draws it
