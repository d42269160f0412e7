"""One device: its newest values and the last hour of one column."""

from collections.abc import Mapping

from anyio.to_thread import run_sync
from nicegui import ui

from gateway.board.chart import chart_options, show_series
from gateway.board.device_table import value_text
from gateway.board.words import TONES, age_text
from gateway.model import FloatArray, IntArray, Quality
from gateway.ports import LatestRow
from gateway.profiles import Column, Profile
from gateway.views.engineering import engineer, reason_names, to_number
from gateway.views.fleet import Device, Fleet, values_of
from gateway.views.sight import Sight

HOUR_MS = 3_600_000
CHART_ROWS = 4000  # an hour of one reading a second, with room


class DeviceDetail:
    """The panel beside the list."""

    def __init__(self, words: Mapping[str, str], sight: Sight, device: str) -> None:
        self._words = words
        self._sight = sight
        self._device = device
        self._shape: tuple[str, str] = ("", "")  # what the value tiles were built for
        self._tiles: list[ui.label] = []
        self._drawn: tuple[str, str, int] | None = None  # device, column, newest time
        with ui.element("section").classes("card detail"):
            self._hint = ui.label(words["choose"]).classes("hint")
            with ui.element("div") as self._body:
                with ui.element("div").classes("filters"):
                    self._name = ui.label().classes("heading")
                    self._grade = ui.label()
                self._facts = ui.label().classes("caption")
                self._values = ui.element("div").classes("tiles")
                with ui.element("div").classes("filters"):
                    ui.label(words["hour"]).classes("heading small")
                    self._column = ui.select([], on_change=self._redraw)
                    self._column.props(f'outlined dense aria-label="{words["column"]}"')
                self._chart = ui.echart(chart_options(), renderer="svg").classes("chart")
                self._no_hour = ui.label(words["no_hour"]).classes("hint")
        self._body.visible = False

    def choose(self, device: str) -> None:
        """Show another device from the next refresh on."""
        self._device = device
        self._drawn = None

    async def refresh(self, fleet: Fleet) -> None:
        """Show the device's newest reading, and its last hour where something is new."""
        device = fleet.find(self._device) if self._device else None
        newest = device.latest[0] if device is not None and device.latest else None
        is_shown = newest is not None and newest.profile in self._sight.profiles
        self._body.visible = is_shown
        self._hint.visible = not is_shown
        if device is None or newest is None or not is_shown:
            return
        profile = self._sight.profiles[newest.profile]
        self._build(device, profile)
        self._show_newest(device, newest, fleet.now_ms)
        drawn = (device.name, str(self._column.value), newest.time_ms)
        if drawn != self._drawn:
            self._drawn = drawn
            await self._draw(device, profile, fleet.now_ms)

    def _build(self, device: Device, profile: Profile) -> None:
        if self._shape == (device.name, profile.name):
            return
        self._shape = (device.name, profile.name)
        self._values.clear()
        self._tiles = []
        with self._values:
            for column in profile.columns:
                with ui.element("div").classes("tile"):
                    self._tiles.append(ui.label().classes("number"))
                    ui.label(column.title).classes("caption")
        names = {column.name: column.title for column in profile.columns}
        preferred = next((c.name for c in profile.columns if c.kind != "register"), "")
        kept = self._column.value if self._column.value in names else preferred
        self._column.set_options(names, value=kept or profile.columns[0].name)

    def _show_newest(self, device: Device, newest: LatestRow, now_ms: int) -> None:
        words = self._words
        profile = self._sight.profiles[newest.profile]
        for tile, column, value in zip(
            self._tiles, profile.columns, values_of(newest).tolist(), strict=False
        ):
            tile.set_text(value_text(to_number(column, value), column.scale, column.unit))
        tone = TONES[Quality(newest.quality)]
        reasons = ", ".join(name.replace("_", " ") for name in reason_names(newest.reasons))
        self._name.set_text(device.name)
        self._grade.set_text(words[tone.word] + (f": {reasons}" if reasons else ""))
        self._grade.classes(replace=f"tone {tone.colour}")
        age = age_text(now_ms - device.last_seen_ms, words)
        sector = words[device.row.sector]
        self._facts.set_text(f"{profile.title} · {sector} · {device.row.org} · {age}")

    async def _draw(self, device: Device, profile: Profile, now_ms: int) -> None:
        place = profile.column_index(str(self._column.value)) or 0
        column = profile.columns[place]
        times_ms, values = await run_sync(self._read_hour, device, profile, place, now_ms)
        self._chart.visible = bool(len(times_ms))
        self._no_hour.visible = not len(times_ms)
        show_series(self._chart, times_ms, values, column)

    def _read_hour(
        self, device: Device, profile: Profile, place: int, now_ms: int
    ) -> tuple[IntArray, FloatArray]:
        batch, _ = self._sight.store.readings(
            profile.name, device.row.device_index, now_ms - HOUR_MS, now_ms + 1, CHART_ROWS
        )
        column: Column = profile.columns[place]
        return batch.time_ms, engineer(column, batch.values[:, place])

    def _redraw(self) -> None:
        self._drawn = None  # the next refresh, within a second, draws the other column
